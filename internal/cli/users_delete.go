package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/redact"
)

type usersDeleteOptions struct {
	app     *app
	confirm confirmation
	user    string
}

func newUsersDeleteCommand(a *app) *cobra.Command {
	o := &usersDeleteOptions{app: a, confirm: confirmation{app: a}}
	cmd := &cobra.Command{
		Use:   "delete USER_ID",
		Short: "Delete a user with all sessions",
		Long: `Delete a user with all sessions. There is no way back.

With REDIS_URL, what Redis keeps of the user is taken back too. Exit code 5 tells
that it could not be told: "asleep users forget" is for that, once it serves.

It asks first. Where nobody can be asked, --yes is needed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.user = a.argument("USER_ID", args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	o.confirm.add(cmd.Flags())
	return cmd
}

func (o *usersDeleteOptions) run(ctx context.Context) error {
	o.confirm.check()
	ask := func() error { return o.confirm.ask(ctx, fmt.Sprintf("Delete user %q with all sessions?", o.user)) }
	return o.app.deleting(ctx, cacheUse{}, ask, func(c *client.Client) error {
		if err := c.DeleteUser(ctx, o.user); err != nil {
			return err
		}
		o.app.note(ctx, "the user was deleted", "user", redact.User(o.user))
		return nil
	})
}
