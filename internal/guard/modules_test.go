package guard_test

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	goDirective    = regexp.MustCompile(`(?m)^go (\S+)$`)
	localDirective = regexp.MustCompile(`(?m)^(replace|exclude|tool)\b`)
	gofumptVersion = regexp.MustCompile(`(?m)\bmvdan\.cc/gofumpt (v\S+)`)
)

// plainRootModule: `go install module@version` refuses a module with replace or
// exclude lines, and a tool line puts its requirements into every importer's go.sum.
func plainRootModule(tr tree) (problems []string) {
	for _, m := range localDirective.FindAllString(tr["go.mod"], -1) {
		problems = append(problems, fmt.Sprintf("go.mod has a %s line: keep it in a module below internal", m))
	}
	return problems
}

func oneGoVersion(tr tree) []string {
	return differing(tr, goDirective, tr.names("go.mod"), "go")
}

var buildImage = regexp.MustCompile(`(?m)^FROM golang:(\S+)`)

// imageGoVersion: an image is built by the release that the module names.
func imageGoVersion(tr tree) []string {
	image, named := buildImage.FindStringSubmatch(tr["Dockerfile"]), goDirective.FindStringSubmatch(tr["go.mod"])
	if image == nil || named == nil || named[1] == image[1] || strings.HasPrefix(named[1], image[1]+".") {
		return nil
	}
	return []string{fmt.Sprintf("Dockerfile builds with golang:%s, go.mod names go %s: make them equal", image[1], named[1])}
}

// oneToolVersion: golangci-lint has gofumpt built in.
func oneToolVersion(tr tree) []string {
	return differing(tr, gofumptVersion, []string{"internal/tools/go.mod", "internal/tools/lint/go.mod"}, "mvdan.cc/gofumpt")
}

// differing tells of files whose first match differs from the first file's.
func differing(tr tree, pattern *regexp.Regexp, names []string, what string) (problems []string) {
	want := ""
	for _, name := range names {
		m := pattern.FindStringSubmatch(tr[name])
		switch {
		case m == nil:
			problems = append(problems, fmt.Sprintf("%s names no version of %s", name, what))
		case want == "":
			want = m[1]
		case m[1] != want:
			problems = append(problems, fmt.Sprintf("%s has %s %s where %s has %s: make them equal", name, what, m[1], names[0], want))
		}
	}
	return problems
}
