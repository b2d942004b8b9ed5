package guard_test

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// The patterns are written so that they do not find themselves.
var (
	unfinishedMark = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	machinePath    = regexp.MustCompile(`(^|[\s"'` + "`" + `(=:])/(home/[a-z]|root/|Users/[A-Za-z]|work/)`)
	markdownLink   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeFence      = regexp.MustCompile("(?s)```.*?```")
	usesAction     = regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(\S+)`)
	pinnedAction   = regexp.MustCompile(`@[0-9a-f]{40}$`)
)

// unfinished: what is not done is an issue, not a remark in the code.
func unfinished(tr tree) []string {
	return linesMatching(tr, unfinishedMark, "finish it, or open an issue and take the mark away")
}

// machinePaths: a path of one machine means nothing on any other.
func machinePaths(tr tree) []string {
	return linesMatching(tr, machinePath, "say it relative to the repository, or with a variable")
}

func linesMatching(tr tree, pattern *regexp.Regexp, remedy string) (problems []string) {
	for _, name := range tr.names("") {
		if strings.HasSuffix(name, ".gen.go") {
			continue // its words come from openapi.yaml, which is read
		}
		n := 0
		for line := range strings.Lines(tr[name]) {
			n++
			if m := pattern.FindString(line); m != "" {
				problems = append(problems, fmt.Sprintf("%s:%d has %q: %s", name, n, strings.TrimSpace(m), remedy))
			}
		}
	}
	return problems
}

// documentLinks: a relative link names a file or directory of the tree.
func documentLinks(tr tree) (problems []string) {
	dirs := map[string]bool{".": true}
	for name := range tr {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	for _, name := range tr.names(".md") {
		prose := codeFence.ReplaceAllString(tr[name], "")
		for _, m := range markdownLink.FindAllStringSubmatch(prose, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, ":") {
				continue // within the page, or another site
			}
			to := path.Join(path.Dir(name), target)
			if _, ok := tr[to]; !ok && !dirs[to] && !strings.Contains(to, "testdata/") {
				problems = append(problems, fmt.Sprintf("%s links to %s, which is not there", name, m[1]))
			}
		}
	}
	return problems
}

// architecture: who looks for a folder finds it there, by its path.
func architecture(tr tree) (problems []string) {
	text := tr["docs/architecture.md"]
	told := map[string]bool{".": true}
	for _, s := range sources(tr) {
		if told[s.dir] || s.test() {
			continue
		}
		told[s.dir] = true
		if !strings.Contains(text, s.dir) {
			problems = append(problems, fmt.Sprintf("docs/architecture.md says nothing of %s: give it a place in the picture or in the list of rooms", s.dir))
		}
	}
	return problems
}

// readmeLeads: a page that nothing leads to is not read.
func readmeLeads(tr tree) (problems []string) {
	for _, name := range tr.names(".md") {
		if strings.HasPrefix(name, "docs/") && !strings.Contains(tr["README.md"], "("+name) {
			problems = append(problems, fmt.Sprintf("README.md has no link to %s", name))
		}
	}
	return problems
}

// quickstart: what a reader copies is what the tests run.
func quickstart(tr tree) []string {
	const name = "examples/quickstart/main.go"
	at := strings.Index(tr[name], "package main\n")
	if at < 0 || !strings.Contains(tr["README.md"], "```go\n"+tr[name][at:]+"```") {
		return []string{"README.md must quote " + name + " as it is, from its package clause on"}
	}
	return nil
}

// changelog: one list of what the next release brings, at the top.
func changelog(tr tree) []string {
	var heads []string
	for line := range strings.Lines(tr["CHANGELOG.md"]) {
		if strings.HasPrefix(line, "## ") {
			heads = append(heads, strings.TrimSpace(line))
		}
	}
	seen := map[string]bool{}
	for line := range strings.Lines(tr["CHANGELOG.md"]) {
		if begin, _, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(begin, "- ") {
			if seen[begin] {
				return []string{fmt.Sprintf("CHANGELOG.md has two lines that begin with %q: make one of them", begin)}
			}
			seen[begin] = true
		}
		if strings.HasPrefix(line, "## ") {
			clear(seen)
		}
	}
	if len(heads) == 0 || heads[0] != "## [Unreleased]" || strings.Count(strings.Join(heads, "\n"), "[Unreleased]") != 1 {
		return []string{"CHANGELOG.md must begin its list of releases with one ## [Unreleased]"}
	}
	return nil
}

// pinnedActions: a tag can be moved to other code, a commit cannot.
func pinnedActions(tr tree) (problems []string) {
	for _, name := range tr.names(".yml", ".yaml") {
		if !strings.HasPrefix(name, ".github/") {
			continue
		}
		for _, m := range usesAction.FindAllStringSubmatch(tr[name], -1) {
			if !strings.HasPrefix(m[1], "./") && !pinnedAction.MatchString(m[1]) {
				problems = append(problems, fmt.Sprintf("%s uses %s: name the full commit, with its tag in a comment", name, m[1]))
			}
		}
	}
	return problems
}
