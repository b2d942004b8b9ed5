package cli

import (
	"net/url"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/server"
)

func newConfigCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Show the settings and where they come from",
		Long:    "Show the settings and where they come from.",
		GroupID: "tools",
		RunE:    a.needSubcommand,
		Args:    cobra.ArbitraryArgs,
	}
	cmd.AddCommand(newConfigShowCommand(a))
	return cmd
}

type configShowOptions struct {
	app    *app
	output format
}

func newConfigShowCommand(a *app) *cobra.Command {
	o := &configShowOptions{app: a, output: formatTable}
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show every setting, its value and its origin",
		Long: `Show every setting, its value and its origin. Secrets are not shown, only
whether they are set.

Exit code 2 and a list on stderr tell that something is wrong with them.`,
		RunE: func(_ *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run()
		},
		Args: cobra.ArbitraryArgs,
	}
	addOutput(cmd.Flags(), &o.output, formatTable, formatJSON, formatNDJSON, formatCSV)
	return cmd
}

func (o *configShowOptions) run() error {
	if c := o.app.client(); c != nil { // checks what config alone does not
		defer func() { _ = c.Close() }()
	}
	o.app.database()
	server.ReadConfig(o.app.reader)
	if tier := o.app.redisTier(config.ReadCaching(o.app.reader)); tier != nil {
		defer func() { _ = tier.Close() }()
	}
	values := o.app.reader.Values()
	err := settingView().all(o.app.Out, o.output, func(yield func(config.Value, error) bool) {
		for _, v := range values {
			if !yield(v, nil) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return o.app.refusal()
}

// withoutPassword is a URL as it may be shown. The client refuses one with a
// password, but it is shown first.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "(not a URL)"
	case u.User != nil:
		u.User = url.User("xxxxx")
		return u.String()
	}
	return text
}

func settingView() view[config.Value] {
	text := func(v config.Value) string {
		switch {
		case v.Name == "ASLEEP_BASE_URL":
			return withoutPassword(v.Text)
		case !v.Secret:
			return v.Text
		case v.Source == config.DefaultSource:
			return "(not set)"
		}
		return "(set, not shown)"
	}
	columns := []column[config.Value]{
		{"name", func(v config.Value) string { return v.Name }},
		{"value", text},
		{"origin", func(v config.Value) string { return v.Source }},
	}
	return view[config.Value]{
		json: func(v config.Value) (raw, userID string) {
			return encoded(map[string]string{"name": v.Name, "value": text(v), "origin": v.Source}), ""
		},
		csv:   columns,
		table: columns,
	}
}
