package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/asleep-sdk/asleep/internal/cli"
)

// The documents that name commands, seen from this directory.
func documents(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(names) < 5 {
		t.Fatalf("%d documents, %v", len(names), err)
	}
	return append(names, "../../README.md", "../../SECURITY.md", "../../CONTRIBUTING.md", "../../CHANGELOG.md", "../../.env.example")
}

var (
	inlineCommand = regexp.MustCompile("`(asleep [^`]+)`")
	lineOfCommand = regexp.MustCompile(`(?m)^(?:[A-Z_]+=\S+ )*(asleep [^#>&\n]+)`)
)

// TestEveryCommandInTheDocumentsIsThere takes the commands and flags out of the documents
// and looks for them in the command.
func TestEveryCommandInTheDocumentsIsThere(t *testing.T) {
	t.Parallel()
	found := 0
	for _, name := range documents(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, pattern := range []*regexp.Regexp{inlineCommand, lineOfCommand} {
			for _, m := range pattern.FindAllStringSubmatch(string(text), -1) {
				found++
				for _, words := range alternatives(strings.Fields(m[1])[1:]) {
					if problem := unknown(words); problem != "" {
						t.Errorf("%s has %q: %s", filepath.Base(name), m[1], problem)
					}
				}
			}
		}
	}
	if found < 60 {
		t.Errorf("only %d commands were found: the test has gone blind", found)
	}
}

// TestEveryExampleOfTheHelpIsACommand: an example that is refused teaches the wrong thing.
func TestEveryExampleOfTheHelpIsACommand(t *testing.T) {
	t.Parallel()
	found := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			command, ok := strings.CutPrefix(strings.TrimSpace(line), "asleep ")
			if !ok {
				continue
			}
			found++
			if problem := unknown(strings.Fields(command)); problem != "" {
				t.Errorf("%s has %q: %s", cmd.CommandPath(), strings.TrimSpace(line), problem)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(cli.Tree())
	if found < 20 {
		t.Errorf("only %d examples were found: the test has gone blind", found)
	}
}

// alternatives writes out "users get|create" as "users get" and "users create".
func alternatives(words []string) [][]string {
	lists := [][]string{nil}
	for _, word := range words {
		var longer [][]string
		for _, list := range lists {
			for choice := range strings.SplitSeq(word, "|") {
				longer = append(longer, append(slices.Clip(list), choice))
			}
		}
		lists = longer
	}
	return lists
}

// unknown says which word of a command line the command does not have; "" for none.
func unknown(words []string) string {
	root := cli.Tree()
	cmd, rest, err := root.Find(words)
	switch {
	case err != nil:
		return err.Error()
	case cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && strings.ToLower(rest[0]) == rest[0]:
		return rest[0] + " is no command of " + cmd.CommandPath()
	}
	cmd.InitDefaultHelpFlag()
	for _, word := range rest {
		name, _, _ := strings.Cut(word, "=")
		name = strings.TrimRight(name, ".,;:)")
		var flag *pflag.Flag
		switch {
		case strings.HasPrefix(name, "--") && len(name) > 2:
			flag = cmd.Flag(name[2:])
		case strings.HasPrefix(name, "-") && len(name) == 2:
			flag = cmd.Flags().ShorthandLookup(name[1:])
		default:
			continue
		}
		if flag == nil && name != "--version" {
			return name + " is no flag of " + cmd.CommandPath()
		}
	}
	return ""
}
