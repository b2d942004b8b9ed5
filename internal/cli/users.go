package cli

import "github.com/spf13/cobra"

func newUsersCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "users",
		Short:   "Get, create, delete and forget users",
		Long:    "Get, create, delete and forget users.",
		GroupID: "data",
		RunE:    a.needSubcommand,
		Args:    cobra.ArbitraryArgs,
	}
	cmd.AddCommand(newUsersGetCommand(a), newUsersCreateCommand(a), newUsersDeleteCommand(a), newUsersForgetCommand(a))
	return cmd
}
