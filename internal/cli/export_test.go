package cli

import "github.com/spf13/cobra"

// Tree is the command with all its subcommands, to look at.
func Tree() *cobra.Command { return newRootCommand(new(app)) }

// What the tests of the command need from inside.
var (
	UntilSignal = untilSignal
	ExitCodeOf  = exitCodeOf
	Indent      = indent
	Span        = span
	Local       = local
	Cell        = cell
)
