package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newSessionsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sessions",
		Short:   "List, get and delete the sessions of a user",
		Long:    "List, get and delete the sessions of a user.",
		GroupID: "data",
		RunE:    a.needSubcommand,
		Args:    cobra.ArbitraryArgs,
	}
	cmd.AddCommand(newSessionsListCommand(a), newSessionsGetCommand(a), newSessionsDeleteCommand(a))
	return cmd
}

// addUser defines the flag for the user of a command.
func addUser(flags *pflag.FlagSet, user *string) {
	flags.StringVar(user, "user", "", "the user's id, as `USER_ID` (required)")
}
