package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"
)

type versionOptions struct {
	app    *app
	output format
}

// build is what the program knows of how it was built.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand(a *app) *cobra.Command {
	o := &versionOptions{app: a, output: formatTable}
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		GroupID: "tools",
		RunE:    func(_ *cobra.Command, args []string) error { return o.run(args) },
		Args:    cobra.ArbitraryArgs,
	}
	addOutput(cmd.Flags(), &o.output, formatTable, formatJSON, formatNDJSON, formatCSV)
	return cmd
}

func (o *versionOptions) run(args []string) error {
	o.app.noArguments(args)
	if err := o.app.refusal(); err != nil {
		return err
	}
	b := thisBuild()
	if o.output == formatTable {
		_, err := fmt.Fprintln(o.app.Out, b)
		return stdoutError(err)
	}
	return buildView.one(o.app.Out, o.output, b)
}

var buildView = view[build]{
	json: func(b build) (raw, userID string) { return encoded(b), "" },
	csv: []column[build]{
		{"version", func(b build) string { return b.Version }},
		{"revision", func(b build) string { return b.Revision }},
		{"time", func(b build) string { return b.Time }},
		{"modified", func(b build) string { return strconv.FormatBool(b.Modified) }},
		{"go", func(b build) string { return b.Go }},
		{"platform", func(b build) string { return b.Platform }},
	},
}

// thisBuild asks the linker's notes. Without version control it knows no revision.
func thisBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String reads like "asleep v1.2.0 (revision 4f3c…, 2026-03-14T…) go1.26.8 linux/amd64".
func (b build) String() string {
	text := "asleep " + b.Version
	if b.Revision != "" {
		text += " (revision " + b.Revision
		if b.Time != "" {
			text += ", " + b.Time
		}
		if b.Modified {
			text += ", modified"
		}
		text += ")"
	}
	return text + " " + b.Go + " " + b.Platform
}
