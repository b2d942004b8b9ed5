package cli_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/joho/godotenv"

	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/server"
)

const envExample = "../../.env.example"

var envLine = regexp.MustCompile(`(?m)^#?([A-Z][A-Z0-9_]*)=(.*)$`)

// exampleOf reads .env.example: names and what stands behind them.
func exampleOf(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(envExample)
	if err != nil {
		t.Fatal(err)
	}
	example := map[string]string{}
	for _, m := range envLine.FindAllStringSubmatch(string(text), -1) {
		if _, twice := example[m[1]]; twice {
			t.Errorf("%s stands there twice", m[1])
		}
		example[m[1]] = m[2]
	}
	return example
}

// settingsRead are all settings, at their defaults.
func settingsRead() []config.Value {
	r := config.NewReader()
	config.ReadLogging(r)
	server.ReadConfig(r)
	return r.Values()
}

func TestTheExampleOfTheEnvironmentHasEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	example, known := exampleOf(t), map[string]bool{}
	for _, v := range settingsRead() {
		at := slices.IndexFunc(v.Names, func(name string) bool { _, ok := example[name]; return ok })
		if at < 0 {
			t.Errorf("%q is in no line of .env.example", v.Names)
			continue
		}
		for _, name := range v.Names {
			known[name] = true
		}
		if said := example[v.Names[at]]; v.Text != "" && said != v.Text && !strings.HasPrefix(said, "<") {
			t.Errorf("the default of %s is %q, the example says %q", v.Names[at], v.Text, said)
		}
	}
	for name := range example {
		if !known[name] {
			t.Errorf("%s of .env.example is read by nothing", name)
		}
	}
}

func TestTheExampleOfTheEnvironmentIsOneThatTheCommandReads(t *testing.T) {
	t.Parallel()
	values, err := godotenv.Read(envExample)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range values {
		if value != "" {
			t.Errorf("a copy of it would set %s to %q", name, value)
		}
	}
}

// notSettings are variables that belong to one flag of one command, or to the
// system.
var notSettings = []string{"ASLEEP_ENV_FILE", "ASLEEP_FAKE_API_KEY"}

// TestEveryVariableInTheDocumentsIsASetting: what is misspelt there is set in vain.
func TestEveryVariableInTheDocumentsIsASetting(t *testing.T) {
	t.Parallel()
	known := []string{"NEW_DATABASE_URL"} // an example of a variable that a command line names
	for _, v := range settingsRead() {
		known = append(known, v.Names...)
	}
	quoted, found := regexp.MustCompile("`[^`\n]*`|(?m)^export .*$"), 0
	variable := regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)*_(?:URL|KEY|KEYS|SECRET|FILE|ADDR|TOKEN|AUTH|TIMEOUT|SECONDS|CACHING|WEBHOOKS|METRICS|DAYS)\b|\bRATE_LIMIT_[A-Z]+(?:_[A-Z]+)*\b`)
	for _, page := range []string{"README.md", "docs/serve.md", "docs/fetch.md", "docs/store.md"} {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range quoted.FindAllString(string(text), -1) {
			for _, name := range variable.FindAllString(code, -1) {
				found++
				if !slices.Contains(known, name) && !slices.Contains(known, strings.TrimSuffix(name, "_FILE")) {
					t.Errorf("%s has %s, which is no setting", page, name)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d variables were found: the test has gone blind", found)
	}
}

// TestNoVariableIsReadBehindTheExamplesBack looks for names of variables in the
// sources of whatever reads settings.
func TestNoVariableIsReadBehindTheExamplesBack(t *testing.T) {
	t.Parallel()
	var known []string
	for _, v := range settingsRead() {
		known = append(known, v.Names...)
	}
	variable := regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)
	found := 0
	for _, dir := range []string{"../config", "../../server", "."} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !reads(call) {
					return true
				}
				for _, arg := range call.Args {
					literal, ok := arg.(*ast.BasicLit)
					if !ok || literal.Kind != token.STRING {
						continue
					}
					name, _ := strconv.Unquote(literal.Value)
					if !variable.MatchString(name) || slices.Contains(notSettings, name) {
						continue
					}
					found++
					if !slices.Contains(known, strings.TrimSuffix(name, "_FILE")) {
						t.Errorf("%s reads %s, which no group of settings names", path, name)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 25 {
		t.Errorf("only %d variables were found: the test has gone blind", found)
	}
}

// reads tells calls that read a setting, among them all that hand a reader on.
func reads(call *ast.CallExpr) bool {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
	case *ast.Ident:
		name = f.Name
	}
	return slices.Contains([]string{"String", "Int", "Duration", "Bool", "Choice", "Secret", "URL", "Find", "Getenv", "LookupEnv", "Secrets"}, name)
}
