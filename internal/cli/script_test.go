//go:build unix

package cli_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/canary"
	"github.com/asleep-sdk/asleep/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(canary.Suite{M: m}, map[string]func(){
		"asleep":   func() { os.Exit(cli.Main()) },
		"stubborn": stubborn,
	})
}

// fixtures has the bodies of the contract, seen from this directory.
var fixtures, _ = filepath.Abs("../../testdata/fixtures")

// apiKey is in the environment of every script, and in no output of any.
const apiKey = canary.Key

// TestScripts runs testdata/script. Each script has a fake service of its own,
// with the users user-0001 to user-0003 in Seoul, each of whom has slept from 22:00
// to 06:00 in the twelve nights from 3 to 14 March 2026: sessions
// 20260303130000_user1 to 20260314130000_user1 are those of the first. There are
// these commands beside the usual ones:
//
//	answer OP FIXTURE     answer the next call of OP with a body of the contract's
//	code N asleep ARGS…   run it and want exit code N
//	fault JSON            inject a fault, as POST /_fake/faults
//	sent N                want N requests to the service since the last time
//	clear                 take all faults away
//	mkbad DOS BAD         write the lists of users dos and bad, which no archive can hold
//	infile FILE TEXT      want a text among the bytes of a file, with ! none
//	damage FILE           overwrite half of a database
//	schema FILE N         have a database say that its schema has version N
//	oldstore FILE         make a store with the first version of the schema
//	tear FILE             append half a line
//	violations            the script breaks the contract on purpose
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, scripts("testdata/script"))
}

// scripts is how the scripts of a directory are run.
func scripts(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		Setup:               setupScript,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":       codeCommand,
			"answer":     answerCommand,
			"fault":      faultCommand,
			"sent":       sentCommand,
			"clear":      clearCommand,
			"mkbad":      mkbadCommand,
			"tear":       tearCommand,
			"infile":     infileCommand,
			"damage":     damageCommand,
			"schema":     schemaCommand,
			"oldstore":   oldstoreCommand,
			"violations": func(ts *testscript.TestScript, _ bool, _ []string) { fakeOf(ts).tolerant = true },
		},
	}
}

// fake is the service of a script.
type fake struct {
	*asleeptest.Server

	tolerant bool
	seen     int // requests that sent has counted
}

type fakeKey struct{}

func fakeOf(ts *testscript.TestScript) *fake { return ts.Value(fakeKey{}).(*fake) }

func setupScript(env *testscript.Env) error {
	srv := asleeptest.New(asleeptest.Config{
		Users: 3, Zones: []string{"Asia/Seoul"}, APIKeys: []string{apiKey},
	})
	if err := addNights(srv); err != nil {
		return err
	}
	url, err := srv.Start()
	if err != nil {
		return err
	}
	f := &fake{Server: srv}
	tb := env.T()
	env.Defer(func() {
		_ = srv.Close()
		for _, v := range srv.Violations() {
			if !f.tolerant {
				tb.Log(fmt.Sprintf("request outside the contract: %s", v))
				tb.FailNow()
			}
		}
	})
	env.Values[fakeKey{}] = f
	env.Setenv(quickExit())
	env.Setenv("ASLEEP_BASE_URL", url)
	env.Setenv("ASLEEP_API_KEY", apiKey)
	return nil
}

// quickExit is the variable that keeps the race detector from waiting a second
// at the end of every process.
func quickExit() (name, value string) { return "GORACE", "atexit_sleep_ms=0 " + os.Getenv("GORACE") }

func addNights(srv *asleeptest.Server) error {
	seoul, err := time.LoadLocation("Asia/Seoul")
	if err != nil {
		return err
	}
	for user := 1; user <= 3; user++ {
		for day := 3; day <= 14; day++ {
			_, err := srv.AddSession(fmt.Sprintf("user-%04d", user), asleeptest.Session{
				ID:     fmt.Sprintf("202603%02d130000_user%d", day, user),
				Start:  time.Date(2026, time.March, day, 22, 0, 0, 0, seoul),
				Length: 8 * time.Hour,
				Zone:   "Asia/Seoul",
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// answerCommand has the service answer once with a body of the contract's.
func answerCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answer OP FIXTURE")
	}
	body, err := os.ReadFile(filepath.Join(fixtures, filepath.Base(args[1])))
	ts.Check(err)
	fakeOf(ts).Inject(asleeptest.Fault{Op: args[0], Times: 1, Status: http.StatusOK, Body: string(body)})
}

// codeCommand runs a program and wants its exit code. Nothing that the program
// prints may hold the API key.
func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	for _, name := range []string{"stdout", "stderr"} {
		record(name, ts.ReadFile(name))
		if strings.Contains(ts.ReadFile(name), apiKey) {
			ts.Fatalf("%s holds the API key", name)
		}
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// record lets the canary look at what the command wrote. Its data is on stdout, and
// there users have names; on stderr only where it is asked for.
func record(name, text string) {
	if name == "stdout" {
		canary.Record("stdout of the command", text, asked...)
		return
	}
	canary.Record("stderr of the command", text, named...)
}

var (
	asked = []*regexp.Regexp{regexp.MustCompile("")}
	named = []*regexp.Regexp{
		regexp.MustCompile(`^Delete (user|session|all sessions)\b.*\? \[y/N\] `), // the person is asked about the user named
		regexp.MustCompile(`is one too many: remove it$`),                        // an argument as it was typed
		regexp.MustCompile(`^\{"user_id":"[^"]*","line":`),                       // the list of failures, which names them
		regexp.MustCompile(`^  asleep [a-z]+ `),                                  // an example in a help text
	}
)

func faultCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fault JSON")
	}
	r, err := http.NewRequest(http.MethodPost, ts.Getenv("ASLEEP_BASE_URL")+"/_fake/faults", strings.NewReader(args[0]))
	ts.Check(err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := new(http.Client).Do(r)
	ts.Check(err)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		ts.Fatalf("the fake refuses the fault: %s", answer.Status)
	}
}

func sentCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sent N")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	f := fakeOf(ts)
	all := len(f.Requests())
	got := all - f.seen
	if f.seen = all; got != want {
		ts.Fatalf("%d requests were sent, want %d", got, want)
	}
}
