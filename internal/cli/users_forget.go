package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/redact"
)

func newUsersForgetCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "forget USER_ID",
		Short: "Take what Redis keeps of a user back",
		Long: `Take everything back that processes share of a user over the Redis of REDIS_URL:
reports, lists, averages. "asleep users delete" and "asleep sessions delete" do so by
themselves; this is for when they could not, or when a user was deleted elsewhere.
It is safe at any time: the service has what it had, and is asked again.

Exit code 0 tells that Redis knows. Exit code 5: it does not serve, try again later.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.forget(cmd.Context(), a.argument("USER_ID", args))
		},
		Args: cobra.ArbitraryArgs,
	}
}

func (a *app) forget(ctx context.Context, user string) error {
	err := a.deleting(ctx, cacheUse{needed: true}, func() error { return nil }, func(c *client.Client) error {
		err := c.ForgetUser(ctx, user)
		if errors.Is(err, cache.ErrDeferred) {
			return nil // it is tried once more at the end
		}
		return err
	})
	if err == nil {
		a.note(ctx, "what processes share of the user was taken back", "user", redact.User(user))
	}
	return err
}
