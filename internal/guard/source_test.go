package guard_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Limits of a file and of a function outside tests and generated code, in
// lines. Most files should stay far below: half of them under 150.
const (
	maxFileLines     = 600
	maxFunctionLines = 80
)

// source is one parsed Go file.
type source struct {
	name string
	dir  string
	text string
	file *ast.File
	fset *token.FileSet
}

func (s source) test() bool      { return strings.HasSuffix(s.name, "_test.go") }
func (s source) generated() bool { return strings.HasSuffix(s.name, ".gen.go") }

// written reports whether s is production code that somebody wrote.
func (s source) written() bool { return !s.test() && !s.generated() }

func (s source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

func (s source) functions() (fns []*ast.FuncDecl) {
	for _, d := range s.file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			fns = append(fns, fn)
		}
	}
	return fns
}

// sources parses the Go files of the tree; a file that does not parse is the
// compiler's to report.
func sources(tr tree) (all []source) {
	for _, name := range tr.names(".go") {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, tr[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		all = append(all, source{name: name, dir: path.Dir(name), text: tr[name], file: file, fset: fset})
	}
	return all
}

// packageDocs: a library teaches its idea in doc.go and nowhere else; a command
// says in one of its files what it does.
func packageDocs(tr tree) (problems []string) {
	documented := map[string][]string{}
	commands := map[string]bool{}
	for _, s := range sources(tr) {
		if s.test() {
			continue
		}
		commands[s.dir] = s.file.Name.Name == "main"
		if _, ok := documented[s.dir]; !ok {
			documented[s.dir] = nil
		}
		if s.file.Doc != nil {
			documented[s.dir] = append(documented[s.dir], s.name)
		}
	}
	for _, dir := range sorted(documented) {
		switch names := documented[dir]; {
		case len(names) == 0:
			problems = append(problems, fmt.Sprintf("%s has no package doc: write what it is for, how it works and how it fails, in %s", dir, path.Join(dir, "doc.go")))
		case len(names) > 1:
			problems = append(problems, fmt.Sprintf("%s has its package doc in %s: keep one", dir, strings.Join(names, " and ")))
		case !commands[dir] && path.Base(names[0]) != "doc.go":
			problems = append(problems, fmt.Sprintf("%s has its package doc in %s: move it to doc.go", dir, names[0]))
		}
	}
	return problems
}

// packageNames: a drawer for odds and ends is no package.
func packageNames(tr tree) (problems []string) {
	for _, s := range sources(tr) {
		switch strings.TrimSuffix(s.file.Name.Name, "_test") {
		case "util", "utils", "common", "helper", "helpers", "misc", "shared", "types", "models":
			problems = append(problems, fmt.Sprintf("%s: package %s says nothing of what it holds: name it for its one idea", s.name, s.file.Name.Name))
		}
	}
	return problems
}

func fileLengths(tr tree) (problems []string) {
	for _, s := range sources(tr) {
		if n := strings.Count(s.text, "\n"); s.written() && n > maxFileLines {
			problems = append(problems, fmt.Sprintf("%s has %d lines, more than %d: split it by what it holds", s.name, n, maxFileLines))
		}
	}
	return problems
}

func functionLengths(tr tree) (problems []string) {
	for _, s := range sources(tr) {
		if !s.written() {
			continue
		}
		for _, fn := range s.functions() {
			if n := s.lines(fn); n > maxFunctionLines {
				problems = append(problems, fmt.Sprintf("%s: %s has %d lines, more than %d: give its parts names", s.name, fn.Name.Name, n, maxFunctionLines))
			}
		}
	}
	return problems
}

// generatedNames: linters, coverage, drift checks and reviews all know
// generated code by its file name.
func generatedNames(tr tree) (problems []string) {
	for _, s := range sources(tr) {
		if ast.IsGenerated(s.file) != s.generated() {
			problems = append(problems, fmt.Sprintf("%s: a file is named *.gen.go exactly when its head says that it is generated", s.name))
		}
	}
	return problems
}

// testSleeps: outside a synctest bubble a sleep is either too short on a slow
// machine or wasted on a fast one. A file may get its bubble from a harness
// that stands beside it and is named for that.
func testSleeps(tr tree) (problems []string) {
	bubbles := map[string]bool{}
	inBubbles := func(s source) bool {
		return slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` })
	}
	for _, s := range sources(tr) {
		if strings.HasSuffix(s.name, "harness_test.go") && inBubbles(s) {
			bubbles[s.dir] = true
		}
	}
	for _, s := range sources(tr) {
		if s.test() && !inBubbles(s) && !bubbles[s.dir] && calls(s.file, "time", "Sleep") {
			problems = append(problems, fmt.Sprintf("%s sleeps outside a synctest bubble: wait for what is meant, or run in a bubble", s.name))
		}
	}
	return problems
}

// fuzzSeeds: without a seed, `go test` runs a fuzz target on nothing at all. A
// seed is an f.Add, a function that is handed f, or a corpus in testdata/fuzz.
func fuzzSeeds(tr tree) (problems []string) {
	for _, s := range sources(tr) {
		for _, fn := range fuzzTargets(s) {
			f := fn.Type.Params.List[0].Names
			if len(f) == 1 && (calls(fn, f[0].Name, "Add") || hands(fn, f[0].Name)) {
				continue
			}
			problems = append(problems, fmt.Sprintf("%s: %s has no seed: start it with f.Add", s.name, fn.Name.Name))
		}
	}
	return problems
}

var parserName = regexp.MustCompile(`^(Parse|Decode|Unmarshal|Verify)([A-Z]|$)`)

// fuzzedParsers: whatever reads bytes of others has been fed nonsense.
func fuzzedParsers(tr tree) (problems []string) {
	parsers, fuzzed := map[string]string{}, map[string]bool{}
	for _, s := range sources(tr) {
		fuzzed[s.dir] = fuzzed[s.dir] || len(fuzzTargets(s)) > 0
		if !s.written() {
			continue
		}
		for _, fn := range s.functions() {
			if parserName.MatchString(fn.Name.Name) {
				parsers[s.dir] = fn.Name.Name + " in " + s.name
			}
		}
	}
	for _, dir := range sorted(parsers) {
		if !fuzzed[dir] {
			problems = append(problems, fmt.Sprintf("%s has no fuzz target, yet it parses: %s", dir, parsers[dir]))
		}
	}
	return problems
}

func fuzzTargets(s source) (targets []*ast.FuncDecl) {
	if !s.test() {
		return nil
	}
	for _, fn := range s.functions() {
		if strings.HasPrefix(fn.Name.Name, "Fuzz") && fn.Recv == nil && fn.Type.Params.NumFields() == 1 {
			targets = append(targets, fn)
		}
	}
	return targets
}

// calls reports whether x.sel(…) stands anywhere in n.
func calls(n ast.Node, x, sel string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := fun.X.(*ast.Ident)
		found = found || ok && id.Name == x && fun.Sel.Name == sel
		return true
	})
	return found
}

// hands reports whether a call in n has arg as an argument.
func hands(n ast.Node, arg string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			found = found || slices.ContainsFunc(call.Args, func(e ast.Expr) bool {
				id, ok := e.(*ast.Ident)
				return ok && id.Name == arg
			})
		}
		return true
	})
	return found
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
