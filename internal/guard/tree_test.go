package guard_test

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

const rootDir = "../.."

// A rule reads the tree and returns what breaks it, one line a finding.
type rule struct {
	name  string
	check func(tree) []string
}

// treeRules are the rules about files, each in the file of its kind.
var treeRules = []rule{
	// source_test.go
	{"every package has a doc", packageDocs},
	{"package names say what is inside", packageNames},
	{"files stay short", fileLengths},
	{"functions fit a screen", functionLengths},
	{"generated files are named .gen.go", generatedNames},
	{"tests wait in synctest bubbles", testSleeps},
	{"every fuzz target has a seed", fuzzSeeds},
	{"every parser is fuzzed", fuzzedParsers},
	// documents_test.go
	{"no unfinished business", unfinished},
	{"no machine paths", machinePaths},
	{"links in documents lead somewhere", documentLinks},
	{"the architecture names every package", architecture},
	{"the README leads to every document", readmeLeads},
	{"the README quotes the quickstart", quickstart},
	{"the changelog is kept", changelog},
	{"workflow actions are pinned by commit", pinnedActions},
	// modules_test.go
	{"the root module can be installed", plainRootModule},
	{"all modules name one Go release", oneGoVersion},
	{"the image is built by the module's Go release", imageGoVersion},
	{"tools in two modules have one version", oneToolVersion},
}

func TestTree(t *testing.T) {
	t.Parallel()
	tr := readTree(t, os.DirFS(rootDir))
	if !strings.HasPrefix(tr["go.mod"], "module "+module+"\n") {
		t.Fatalf("%s is not the root of %s", rootDir, module)
	}
	for _, r := range treeRules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, problem := range r.check(tr) {
				t.Error(problem)
			}
		})
	}
}

// A tree is the text of every file the rules may read, by slash path.
type tree map[string]string

// unread are directories that hold no writing of the project: results of the
// make targets, version control, and test data, which is kept as it came.
var unread = []string{".git", "bin", "demo-out", "testdata"}

// textual are the endings of files the rules read; names without one are read too.
var textual = []string{"", ".go", ".md", ".mod", ".yml", ".yaml", ".sh", ".json", ".toml", ".env", ".service", ".sql", ".lua", ".conf"}

const maxTextSize = 1 << 20

func readTree(t *testing.T, fsys fs.FS) tree {
	t.Helper()
	tr := tree{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(unread, d.Name()) {
			if d.Name() == "testdata" {
				tr[name] = "" // known to be there, for fuzz corpora
			}
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil // a worktree's .git is a file
		}
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() || info.Size() > maxTextSize || !slices.Contains(textual, ending(name)) {
			tr[name] = "" // known to be there, for links
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		tr[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatalf("read the tree: %v", err)
	}
	return tr
}

// ending is path.Ext, but none for dot files such as .gitignore.
func ending(name string) string {
	base := path.Base(name)
	if strings.LastIndexByte(base, '.') == 0 {
		return ""
	}
	return path.Ext(base)
}

// names are the files with one of these endings, sorted.
func (tr tree) names(endings ...string) []string {
	var names []string
	for name := range tr {
		if slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(name, e) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
