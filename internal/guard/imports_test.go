package guard_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/asleep-sdk/asleep"

// A room is what the packages of one directory may import directly. Paths of
// the module are relative to its root, "." is the root package; "x/..." is x
// and everything below it. The standard library is free to all.
type room struct {
	dir   string   // the package, or "x/..." for all below x
	house []string // of this module
	links []string // of others: import path prefixes
}

// shared are the small rooms that any package but the root may use.
var shared = []string{"internal/config", "internal/redact", "internal/seal", "internal/sign"}

// rooms is the plan of the house, from the bottom up. The first line whose dir
// fits a package is the one that counts.
var rooms = []room{
	{dir: "."},
	{dir: "internal/config"},
	{dir: "internal/redact"},
	{dir: "internal/seal"},
	{dir: "internal/sign"},
	{dir: "internal/api", house: []string{"."}, links: []string{"github.com/oapi-codegen/runtime"}},
	{dir: "internal/redisconn", links: []string{"github.com/redis/go-redis/v9"}},
	{dir: "internal/pipenet"},
	{dir: "internal/standstill"},
	{dir: "internal/canary"},
	{dir: "internal/canary/scan", house: []string{"internal/canary"}},
	{dir: "internal/transport", links: []string{"github.com/hashicorp/go-retryablehttp", "github.com/sony/gobreaker/v2", "golang.org/x/time/rate"}},
	{dir: "internal/dbtest"},
	{dir: "internal/filelock", links: []string{"github.com/gofrs/flock"}},
	{dir: "internal/guard"},
	{dir: "hypnogram", house: []string{"."}},
	{dir: "cache", house: []string{"."}},
	{dir: "cache/cachetest", house: []string{".", "cache"}},
	{dir: "cache/journal", house: []string{".", "cache", "internal/filelock"}},
	{dir: "cache/memory", house: []string{".", "cache"}, links: []string{"github.com/maypok86/otter/v2"}},
	{dir: "cache/rediscache", house: []string{".", "cache", "internal/redisconn"}, links: []string{"github.com/redis/go-redis/v9"}},
	{dir: "store", house: []string{"."}},
	{dir: "store/memory", house: []string{".", "store"}},
	{dir: "store/storetest", house: []string{".", "store", "store/memory"}},
	{dir: "store/sqlite/...", house: []string{".", "store/..."}, links: []string{"modernc.org/sqlite"}},
	{dir: "store/postgres/...", house: []string{".", "store/..."}, links: []string{"github.com/jackc/pgx/v5"}},
	{dir: "store/mongo/...", house: []string{".", "store/..."}, links: []string{"go.mongodb.org/mongo-driver/v2"}},
	{dir: "store/guarded", house: []string{".", "store"}},
	{dir: "store/internal/...", house: []string{".", "store", "store/internal/..."}, links: []string{"github.com/klauspost/compress"}},
	{dir: "client", house: []string{".", "cache", "internal/api", "internal/transport"}},
	{dir: "fleet", house: []string{".", "internal/redisconn", "server/limits"}, links: []string{"github.com/redis/go-redis/v9"}},
	{dir: "asleeptest", house: []string{".", "internal/api", "internal/pipenet"}},
	{dir: "observe/prom", house: []string{".", "client", "store", "webhook"}, links: []string{"github.com/prometheus/client_golang"}},
	{dir: "observe/otel", house: []string{".", "client"}, links: []string{"go.opentelemetry.io"}},
	{dir: "observe/dogstatsd", house: []string{".", "client"}, links: []string{"github.com/DataDog/datadog-go/v5"}},
	{dir: "webhook", house: []string{".", "store"}},
	{dir: "webhook/webhooktest", house: []string{".", "store", "webhook"}},
	{dir: "internal/pipelinelab", house: []string{".", "store/...", "webhook"}},
	{dir: "server/limits"},
	{
		dir:   "server",
		house: []string{".", "cache/...", "client", "fleet", "hypnogram", "observe/...", "server/limits", "store/...", "webhook"},
		links: []string{"github.com/klauspost/compress", "github.com/rs/cors"},
	},
	{
		dir:   "internal/cli/...",
		house: []string{".", "asleeptest", "cache/...", "client", "fleet", "hypnogram", "internal/cli/...", "internal/filelock", "observe/...", "server", "store/...", "webhook/..."},
		links: []string{
			"github.com/coreos/go-systemd/v22/daemon", "github.com/joho/godotenv", "github.com/parquet-go/parquet-go", "github.com/prometheus/client_golang",
			"github.com/redis/go-redis/v9", "github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/vbauerster/mpb/v8", "golang.org/x/term",
		},
	},
	{dir: "cmd/asleep", house: []string{"internal/cli"}},
	// What an example shows must be possible from outside: nothing internal.
	{
		dir:   "examples/...",
		house: []string{".", "asleeptest", "cache/...", "client", "fleet", "hypnogram", "observe/...", "server", "store/...", "webhook/..."},
		links: []string{"github.com/prometheus/client_golang", "github.com/redis/go-redis/v9", "go.opentelemetry.io"},
	},
}

// A weight is something a program must not link because it imports a light
// package, by whatever way. Test files count too, "testing" itself aside: what
// the tests of a package import lands in the go.sum of its importers.
type weight struct {
	light []string // the packages, as in room
	heavy []string // import path prefixes
	why   string
}

var drivers = []string{
	"github.com/DataDog", "github.com/jackc/pgx", "github.com/joho/godotenv", "github.com/maypok86/otter",
	"github.com/parquet-go", "github.com/prometheus", "github.com/redis", "github.com/spf13", "github.com/vbauerster/mpb",
	"go.mongodb.org", "go.opentelemetry.io", "modernc.org",
}

var weights = []weight{
	{
		light: []string{".", "cache", "cache/cachetest", "client", "hypnogram", "store", "store/guarded", "store/memory", "store/storetest", "webhook", "asleeptest", "internal/api", "internal/transport"},
		heavy: drivers,
		why:   "an app pays only for the backends it imports",
	},
	{
		light: []string{
			".", "cache", "cache/memory", "cache/rediscache", "client", "fleet", "hypnogram", "internal/api", "internal/transport", "observe/...",
			"server", "store", "store/memory", "store/internal/...", "store/sqlite/...", "store/postgres/...", "store/mongo/...", "webhook",
		},
		heavy: []string{"testing", "net/http/httptest"},
		why:   "test support stays in asleeptest, cache/cachetest and store/storetest",
	},
}

// listed is the part of `go list -json` that the rules read.
type listed struct {
	ImportPath string
	ForTest    string // set on the test variant of a package
	Standard   bool
	Imports    []string
	Deps       []string
}

func TestImports(t *testing.T) {
	t.Parallel()
	pkgs := list(t)
	for _, p := range unroomed(pkgs, rooms) {
		t.Error(p)
	}
	for _, p := range overweight(pkgs, weights) {
		t.Error(p)
	}
	var absent []string
	for _, r := range rooms {
		if !slices.ContainsFunc(pkgs, func(p listed) bool { return fits(r.dir, rel(p.ImportPath)) }) {
			absent = append(absent, r.dir)
		}
	}
	t.Logf("planned and not there: %s", strings.Join(absent, ", "))
}

// list reports every package the module is built and tested from.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", "-json=ImportPath,ForTest,Standard,Imports,Deps", "./...")
	cmd.Dir = rootDir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var pkgs []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list named no package")
	}
	return pkgs
}

// unroomed tells of packages without a line in the plan and of direct imports
// that their line does not name.
func unroomed(pkgs []listed, plan []room) (problems []string) {
	standard := standardOf(pkgs)
	for _, p := range pkgs {
		if !ours(p.ImportPath) || !production(p) {
			continue
		}
		dir := rel(p.ImportPath)
		at := slices.IndexFunc(plan, func(r room) bool { return fits(r.dir, dir) })
		if at < 0 {
			problems = append(problems, fmt.Sprintf("%s has no line in the table rooms: add one that says what it may import", dir))
			continue
		}
		for _, imp := range p.Imports {
			if standard[imp] || allowed(plan[at], imp) {
				continue
			}
			problems = append(problems, fmt.Sprintf("%s must not import %s: move the code, or, if this is meant, add it to the line of %s in the table rooms",
				dir, imp, plan[at].dir))
		}
	}
	return problems
}

func allowed(r room, imp string) bool {
	if !ours(imp) {
		return slices.ContainsFunc(r.links, func(prefix string) bool { return under(prefix, imp) })
	}
	may := func(dir string) bool { return fits(dir, rel(imp)) }
	return slices.ContainsFunc(r.house, may) || r.dir != "." && slices.ContainsFunc(shared, may)
}

// overweight tells of light packages that link something heavy, directly or not.
func overweight(pkgs []listed, rules []weight) (problems []string) {
	for _, p := range pkgs {
		path, test := strings.CutSuffix(p.ImportPath, ".test")
		if !ours(path) || !test && !production(p) {
			continue
		}
		for _, rule := range rules {
			if !slices.ContainsFunc(rule.light, func(dir string) bool { return fits(dir, rel(path)) }) {
				continue
			}
			for _, dep := range p.Deps {
				dep, _, _ = strings.Cut(dep, " ")
				if !slices.ContainsFunc(rule.heavy, func(prefix string) bool { return under(prefix, dep) }) {
					continue
				}
				if !test {
					problems = append(problems, fmt.Sprintf("%s links %s: %s", rel(path), dep, rule.why))
				} else if strings.Contains(dep, ".") { // a module: tests may use all of the standard library
					problems = append(problems, fmt.Sprintf("the tests of %s link %s: %s", rel(path), dep, rule.why))
				}
			}
		}
	}
	return problems
}

// production reports whether p is a package as importers see it, no test variant.
func production(p listed) bool {
	return p.ForTest == "" && !strings.HasSuffix(p.ImportPath, ".test")
}

func standardOf(pkgs []listed) map[string]bool {
	std := map[string]bool{"C": true, "unsafe": true}
	for _, p := range pkgs {
		if p.Standard {
			std[p.ImportPath] = true
		}
	}
	return std
}

func ours(path string) bool { return under(module, path) }

// rel is the package's directory below the root, "." for the root itself.
func rel(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func fits(dir, path string) bool {
	if all, ok := strings.CutSuffix(dir, "/..."); ok {
		return under(all, path)
	}
	return dir == path
}

// under reports whether path is prefix or lies below it.
func under(prefix, path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}
