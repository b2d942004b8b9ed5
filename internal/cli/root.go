package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootLong = `asleep reads sleep sessions from the Asleep API, one user or thousands, and
serves a fake of that API to try things out against.

Set the API key in the environment, in a file .env, or name the file that
holds it in ASLEEP_API_KEY_FILE. It is never an argument.`

const rootExample = `  # try it without a key: a fake service with 20 users, in another terminal
  asleep fake --addr 127.0.0.1:8787 --users 20 --sessions 30
  export ASLEEP_BASE_URL=http://127.0.0.1:8787 ASLEEP_API_KEY=anything

  asleep users get user-0001
  asleep sessions list --user user-0001 --days 30
  asleep sessions get --user user-0001 SESSION_ID -o json
  asleep stats --user user-0001`

const rootAfter = `Every flag is also an environment variable: ASLEEP_ and its name, such as
ASLEEP_TIMEZONE for --timezone. A flag goes before the environment, and that
before .env. Data goes to stdout, everything else to stderr.

Exit codes: 0 ok, 1 failure, 2 usage or configuration (nothing was sent),
3 some users failed, 4 the key is refused, 5 outage or time limit (try again
later), 6 quota or plan, 130 and 143 interrupted.
`

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:               "asleep",
		Short:             "Sleep sessions of the Asleep API in the shell",
		Long:              rootLong,
		Example:           rootExample,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		PersistentPreRun:  func(cmd *cobra.Command, _ []string) { a.prepare(cmd) },
		RunE:              a.needSubcommand,
		Args:              cobra.ArbitraryArgs,
	}
	flags := root.PersistentFlags()
	flags.String("base-url", "", "where the service answers (default the service itself)")
	flags.String("env-file", "", "file of settings, read after the environment (default .env)")
	flags.String("log-level", "", "debug, info, warn or error; also LOG_LEVEL (default info)")
	flags.String("log-format", "", "text or json, of what goes to stderr; also LOG_FORMAT (default text)")
	root.Version = thisBuild().String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpTemplate(helpTemplate)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(fmt.Errorf("%w: see %s --help", err, cmd.CommandPath()))
	})
	root.AddGroup(&cobra.Group{ID: "data", Title: "Data:"}, &cobra.Group{ID: "service", Title: "Service:"}, &cobra.Group{ID: "tools", Title: "Tools:"})
	root.AddCommand(
		newFetchCommand(a),
		newUsersCommand(a),
		newSessionsCommand(a),
		newStatsCommand(a),
		newServeCommand(a),
		newInboxCommand(a),
		newStoreCommand(a),
		newFakeCommand(a),
		newWebhookCommand(a),
		newConfigCommand(a),
		newVersionCommand(a),
		newFormatsTopic(),
	)
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	refuseUnknownTopics(a, root)
	completeChoices(root)
	return root
}

// refuseUnknownTopics has "asleep help NOPE" fail: cobra's own help shows the root's
// then, as if nothing had been asked.
func refuseUnknownTopics(a *app, root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	show := help.Run
	help.Run = nil
	help.RunE = func(cmd *cobra.Command, args []string) error {
		if at, rest, err := root.Find(args); err != nil || len(rest) > 0 {
			return a.needSubcommand(at, rest)
		}
		show(cmd, args)
		return nil
	}
}

// completeChoices lets the shell complete the words of flags that have some.
func completeChoices(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if c, ok := f.Value.(interface{ choices() []string }); ok && len(c.choices()) > 0 {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(c.choices(), cobra.ShellCompDirectiveNoFileComp)) // once a flag
		}
	})
	for _, sub := range cmd.Commands() {
		completeChoices(sub)
	}
}

// needSubcommand is the run of a command that only groups others.
func (a *app) needSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		_, _ = fmt.Fprintf(a.Err, "%s\n\n", cmd.Long)
		cmd.SetOut(a.Err)
		if err := cmd.Usage(); err != nil {
			return err
		}
		return usageError(errors.New("a command is missing: choose one of those above"))
	}
	text := fmt.Sprintf("%q is no command of %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf(" (did you mean %q?)", near[0])
	}
	return usageError(fmt.Errorf("%s: see %s --help", text, cmd.CommandPath()))
}

const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{if or .Runnable .HasSubCommands}}{{.UsageString}}{{end}}`

const usageTemplate = `usage: {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND [flags]{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}
{{- if not .AllChildCommandsHaveGroup}}

Commands:{{range $cmds}}{{if and (eq .GroupID "") (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}
{{- if .HasHelpSubCommands}}

Topics:{{range .Commands}}{{if .IsAdditionalHelpTopicCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
{{- if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
{{- if not .HasParent}}

` + rootAfter + `{{else}}
{{end}}`
