package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

const formatsLong = `-o chooses the format of the data on stdout.

  table   for people: local times of the session's zone, rounded figures
  json    what the service sent, unknown members included, and the user id:
          one object, or an array with one object a line
  ndjson  one such object a line
  csv     the columns below, a header first; times as the service wrote them,
          durations in seconds, ratios 0 to 1; nothing where there is nothing;
          several peculiarities are joined by ";", what has no plain form is JSON

fetch has the columns of sessions list, with --details those of sessions get.

If an error ends a list, json leaves its array open: it is not complete.`

// newFormatsTopic is the help on formats: a topic, not a command.
func newFormatsTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString(formatsLong)
	for _, list := range []struct {
		of    string
		names []string
	}{
		{"sessions list", titles(summaryView().csv)},
		{"sessions get", titles(reportView().csv)},
		{"stats", titles(statsView().csv)},
		{"stats --store", titles(figureView(false).csv)},
		{"users get", titles(userView("").csv)},
	} {
		b.WriteString("\n\nColumns of " + list.of + ":\n" + wrap(list.names))
	}
	return &cobra.Command{
		Use:   "formats",
		Short: "Formats of output, and the columns of CSV",
		Long:  b.String(),
	}
}

// wrap lists names in lines that fit a terminal.
func wrap(names []string) string {
	const width = 78
	var b strings.Builder
	at := 0
	for i, name := range names {
		if i < len(names)-1 {
			name += ","
		}
		switch {
		case i == 0:
			b.WriteString(" ")
			at = 1
		case at+1+len(name) > width:
			b.WriteString("\n ")
			at = 1
		}
		b.WriteString(" " + name)
		at += 1 + len(name)
	}
	return b.String()
}
