package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/internal/redact"
)

type sessionsDeleteOptions struct {
	app     *app
	confirm confirmation
	user    string
	session string
	all     bool
}

func newSessionsDeleteCommand(a *app) *cobra.Command {
	o := &sessionsDeleteOptions{app: a, confirm: confirmation{app: a}}
	cmd := &cobra.Command{
		Use:   "delete --user USER_ID (SESSION_ID | --all)",
		Short: "Delete a session, or all sessions of a user",
		Long: `Delete a session, or with --all all sessions of a user. There is no way back.

With REDIS_URL, what Redis keeps of the user is taken back too. Exit code 5 tells
that it could not be told: "asleep users forget" is for that, once it serves.

It asks first. Where nobody can be asked, --yes is needed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.choose(args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	addUser(cmd.Flags(), &o.user)
	addBool(cmd.Flags(), &o.all, "all", "delete all sessions of the user")
	o.confirm.add(cmd.Flags())
	return cmd
}

// choose takes what to delete: exactly one session, or all. An empty id is
// neither.
func (o *sessionsDeleteOptions) choose(args []string) {
	switch {
	case o.all && len(args) > 0:
		o.app.problem(o.app.origin("all").label, "does not go together with the session %s: give one of them", config.Quote(args[0]))
	case o.all:
	case len(args) == 0:
		o.app.problem("SESSION_ID", "is missing: give an id, or --all for all sessions of the user")
	default:
		o.session = o.app.argument("SESSION_ID", args)
	}
}

func (o *sessionsDeleteOptions) run(ctx context.Context) error {
	o.app.checkID(o.app.origin("user").label, o.user)
	o.confirm.check()
	question := fmt.Sprintf("Delete session %q of user %q?", o.session, o.user)
	if o.all {
		question = fmt.Sprintf("Delete all sessions of user %q?", o.user)
	}
	ask := func() error { return o.confirm.ask(ctx, question) }
	return o.app.deleting(ctx, cacheUse{}, ask, func(c *client.Client) error { return o.delete(ctx, c) })
}

func (o *sessionsDeleteOptions) delete(ctx context.Context, c *client.Client) error {
	if o.all {
		if err := c.DeleteAllSessions(ctx, o.user); err != nil {
			return err
		}
		o.app.note(ctx, "all sessions of the user were deleted", "user", redact.User(o.user))
		return nil
	}
	if err := c.DeleteSession(ctx, o.user, o.session); err != nil {
		return err
	}
	o.app.note(ctx, "the session was deleted", "user", redact.User(o.user), "session_id", o.session)
	return nil
}
