package cli

import (
	"context"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
)

type sessionsListOptions struct {
	app    *app
	output format
	user   string
	store  bool
	period period

	limit    int
	pageSize int
	order    string
}

func newSessionsListCommand(a *app) *cobra.Command {
	o := &sessionsListOptions{app: a, output: formatTable, order: "desc", pageSize: client.MaxPageSize}
	cmd := &cobra.Command{
		Use:   "list (--user USER_ID | --store)",
		Short: "List the sessions of a user, newest first",
		Long: `List the sessions of a user, newest first, in any state.

Dates are those on which the service files a session in --timezone. A table
shows the times on the clock of the zone that the session was recorded in; the
other formats have them as the service wrote them.

With --store it lists what "asleep fetch --store" has kept, without asking the
service: of all users, unless one is named. A session is judged by its start in
--timezone then. JSON is the whole report where there is one, else the list item.`,
		Example: `  asleep sessions list --user user-0001 --days 30
  asleep sessions list --user user-0001 --from 2026-03-01 --to 2026-03-31 --timezone Asia/Seoul -o csv
  asleep sessions list --store -o ndjson > all.ndjson`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			if o.store {
				return o.listStore(cmd.Context())
			}
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	addUser(flags, &o.user)
	addStore(flags, &o.store)
	o.period.add(flags)
	addInt(flags, &o.limit, "limit", "N", "the most sessions to list; 0 means all", 0, math.MaxInt32)
	addInt(flags, &o.pageSize, "page-size", "N", "sessions to ask for in one request, 1 to 100", 1, client.MaxPageSize)
	addChoice(flags, &o.order, "order", "", "ORDER", "order by start", "desc", "asc")
	addOutput(flags, &o.output, formatTable, formatJSON, formatNDJSON, formatCSV)
	return cmd
}

func (o *sessionsListOptions) run(ctx context.Context) error {
	o.app.checkID(o.app.origin("user").label, o.user)
	o.period.resolve(o.app, time.Now())
	c, end := o.app.cachedClient(ctx, cacheUse{}, client.WithTimezone(o.period.timezone))
	defer end()
	if err := o.app.refusal(); err != nil {
		return err
	}
	query := client.Query{
		From: o.period.from, To: o.period.to,
		Order:    asleep.SortOrderDescending,
		PageSize: o.pageSize,
		Limit:    o.limit,
	}
	if o.order == "asc" {
		query.Order = asleep.SortOrderAscending
	}
	sessions := c.Sessions(ctx, o.user, query)
	return summaryView().all(o.app.Out, o.output, func(yield func(owned[asleep.SessionSummary], error) bool) {
		for s, err := range sessions {
			if !yield(owned[asleep.SessionSummary]{o.user, s}, err) {
				return
			}
		}
	})
}
