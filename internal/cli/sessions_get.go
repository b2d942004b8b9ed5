package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
)

type sessionsGetOptions struct {
	app      *app
	output   format
	user     string
	store    bool
	session  string
	timezone string
}

func newSessionsGetCommand(a *app) *cobra.Command {
	o := &sessionsGetOptions{app: a, output: formatTable}
	cmd := &cobra.Command{
		Use:   "get (--user USER_ID | --store) SESSION_ID",
		Short: "Show the report of a session",
		Long: `Show the report of a session: its stages and figures, as far as the service
has them. A report may be missing for some minutes after the recording, and
unfinished for a while longer: its state then is not COMPLETE.

With --store it shows what "asleep fetch --store" has kept, without asking the
service.`,
		Example: `  asleep sessions get --user user-0001 20260314225107_abcde
  asleep sessions get --user user-0001 20260314225107_abcde -o json | jq .stat.sleep_index`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.session = a.argument("SESSION_ID", args)
			if o.store {
				return o.getStored(cmd.Context())
			}
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	addUser(cmd.Flags(), &o.user)
	addStore(cmd.Flags(), &o.store)
	addZone(cmd.Flags(), &o.timezone, "timezone", "IANA name of the zone that the report is written in (default UTC)")
	addOutput(cmd.Flags(), &o.output, formatTable, formatJSON, formatNDJSON, formatCSV)
	return cmd
}

func (o *sessionsGetOptions) run(ctx context.Context) error {
	o.app.checkID(o.app.origin("user").label, o.user)
	c, end := o.app.cachedClient(ctx, cacheUse{}, client.WithTimezone(o.timezone))
	defer end()
	if err := o.app.refusal(); err != nil {
		return err
	}
	report, err := c.Session(ctx, o.user, o.session)
	if err != nil {
		return err
	}
	return reportView().one(o.app.Out, o.output, owned[*asleep.Report]{o.user, report})
}
