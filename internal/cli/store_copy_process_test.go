//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/cli"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/seal"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/mongo"
	"github.com/asleep-sdk/asleep/store/postgres"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

// copying is a copy from one database to another, in processes of its own as often
// as it takes. What is in FROM is sealed with one key, what goes to TO with
// another.
type copying struct {
	*testing.T

	from, to       string // URLs
	fromKey, toKey byte
	nights         []store.Session
}

func testKey(first byte) []byte { return append([]byte{first}, make([]byte, seal.KeySize-1)...) }

func backends() []store.Backend {
	return []store.Backend{sqlite.Backend(), postgres.Backend(), mongo.Backend()}
}

// open opens a database with one key, until the end of the test.
func (c *copying) open(url string, key byte) store.Store {
	c.Helper()
	keys, err := seal.New(testKey(key))
	if err != nil {
		c.Fatal(err)
	}
	s, err := store.Open(c.Context(), url, store.Options{Sealer: keys}, backends()...)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = s.Close() })
	return s
}

// servers are those that copies go from and to.
type servers struct {
	cluster *dbtest.Cluster
	ferret  string
	n       int
}

// url is that of a new database of a kind.
func (s *servers) url(t *testing.T, kind string) string {
	t.Helper()
	s.n++
	switch kind {
	case "postgres":
		return s.cluster.Database(t)
	case "mongo":
		return fmt.Sprintf("mongodb://%s/copy%d", s.ferret, s.n)
	}
	return "sqlite:" + filepath.Join(t.TempDir(), "copy.db")
}

// newCopying fills a database with so many nights, and with two that are still
// recorded.
func newCopying(t *testing.T, from, to string, nights int) *copying {
	t.Helper()
	c := &copying{T: t, from: from, to: to, fromKey: 1, toKey: 2}
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 1, SessionsPerUser: 8})
	source := c.open(from, c.fromKey).Sessions()
	for n := range nights {
		s := srv.Sessions("user-0001")[n%8]
		r, _ := srv.Report(s.ID, "")
		v, err := store.FromReport(fmt.Sprintf("user-%d", n%7), r, time.Date(2026, 3, 20, 0, 0, n, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		v.ID, v.Start = fmt.Sprintf("s%05d", n), v.Start.Add(-time.Duration(n/3)*time.Hour) // several begin at once
		c.nights = append(c.nights, v)
	}
	for n := range 2 {
		v := store.Session{
			ID: fmt.Sprint("open-", n), UserID: "user-1", State: asleep.SessionStateOpen, Start: time.Date(2026, 3, 20, 22, n, 0, 0, time.UTC), Form: store.FormSummary,
			Raw: "{}", Observed: time.Date(2026, 3, 20, 23, 0, 0, 0, time.UTC),
		}
		c.nights = append(c.nights, v)
		for seq := range 3 {
			w := store.Window{SessionID: v.ID, UserID: v.UserID, Seq: 2 * seq, Observed: v.Observed, Epochs: store.Epochs{Sleep: asleep.Stages{0, 1, 2, 3, 3, 3, 2, 2, 1, asleep.Stage(seq)}}}
			if _, err := source.PutWindow(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.put(source, c.nights...)
	return c
}

func (c *copying) put(s store.Sessions, list ...store.Session) {
	c.Helper()
	for len(list) > 0 {
		n := min(len(list), 500)
		if _, err := s.Put(c.Context(), list[:n]...); err != nil {
			c.Fatal(err)
		}
		list = list[n:]
	}
}

func (c *copying) command() *exec.Cmd {
	cmd := exec.CommandContext(c.Context(), "asleep", "store", "copy", c.from, c.to)
	name, value := quickExit()
	keys := base64.StdEncoding.EncodeToString(testKey(c.toKey)) + "," + base64.StdEncoding.EncodeToString(testKey(c.fromKey))
	cmd.Env = append(os.Environ(), name+"="+value, "ENCRYPTION_KEYS="+keys, "TERM=xterm")
	return cmd
}

// run copies to the end and returns what it says and its exit code.
func (c *copying) run() (stderr string, code int) {
	c.Helper()
	cmd := c.command()
	var text bytes.Buffer
	cmd.Stderr = &text
	if err := cmd.Run(); cmd.ProcessState == nil {
		c.Fatal(err)
	}
	record("stderr", text.String())
	return text.String(), cmd.ProcessState.ExitCode()
}

// finish copies what is left, and wants all to be there.
func (c *copying) finish() (copied, before int) {
	c.Helper()
	stderr, code := c.run()
	found := regexp.MustCompile(`^asleep: ([\d,]+) sessions copied to .*, ([\d,]+) sessions there before, .*; all ([\d,]+) are there\n$`).FindStringSubmatch(stderr)
	if code != 0 || found == nil {
		c.Fatalf("exit code %d: %s", code, stderr)
	}
	all := 0
	for i, n := range []*int{&copied, &before, &all} {
		if _, err := fmt.Sscan(strings.ReplaceAll(found[i+1], ",", ""), n); err != nil {
			c.Fatal(err)
		}
	}
	if copied+before != all {
		c.Errorf("%d and %d are not %d", copied, before, all)
	}
	return copied, before
}

// all reads every session and every night under way, without the instants at which
// a store heard of them.
func (c *copying) all(s store.Sessions) map[string]any {
	c.Helper()
	all := map[string]any{}
	for v, err := range store.All(c.Context(), s, store.Query{Limit: store.MaxLimit}) {
		if err != nil {
			c.Fatal(err)
		}
		v.CreatedAt, v.UpdatedAt = time.Time{}, time.Time{}
		if _, twice := all[v.ID]; twice {
			c.Errorf("%s is there twice", v.ID)
		}
		all[v.ID] = v
		if !v.Settled {
			p, err := s.Partial(c.Context(), v.ID)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				c.Fatal(err)
			}
			all["partial "+v.ID] = p.Epochs
		}
	}
	return all
}

// same wants both databases to hold the same.
func (c *copying) same(more ...store.Session) {
	c.Helper()
	from, to := c.all(c.open(c.from, c.fromKey).Sessions()), c.all(c.open(c.to, c.toKey).Sessions())
	for _, v := range more {
		if got, ok := to[v.ID].(store.Session); !ok || got.Raw != v.Raw || got.Rev() != v.Rev() {
			c.Errorf("%s is %+v", v.ID, to[v.ID])
		}
		delete(from, v.ID)
		delete(to, v.ID)
	}
	if len(from)+len(more) < len(c.nights) {
		c.Errorf("%d of %d are in FROM", len(from), len(c.nights))
	}
	for id, want := range from {
		if !reflect.DeepEqual(to[id], want) {
			c.Fatalf("%s is %+v, want %+v", id, to[id], want)
		}
	}
	if len(from) != len(to) {
		c.Errorf("%d are there, want %d", len(to), len(from))
	}
}

// there counts what has come so far; nothing while there is no database.
func (c *copying) there() (n int) {
	keys, err := seal.New(testKey(c.toKey))
	if err != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
	defer cancel()
	s, err := store.Open(ctx, c.to, store.Options{Sealer: keys, ReadOnly: true}, backends()...)
	if err != nil {
		return 0
	}
	defer func() { _ = s.Close() }()
	for _, err := range store.All(ctx, s.Sessions(), store.Query{Brief: true, Limit: store.MaxLimit}) {
		if err != nil {
			return n
		}
		n++
	}
	return n
}

func newServers(t *testing.T) *servers {
	t.Helper()
	return &servers{cluster: dbtest.Postgres(t), ferret: dbtest.Ferret(t).Addr}
}

// However a copy ends, the next one goes on where it was: nothing is lost, and
// nothing there twice. A source may be written to meanwhile: what a copy has missed
// it says, and the next one brings it. What is newer in the target stays.
func TestACopyThatWasInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	at := newServers(t)
	// As many nights as are copied in three rounds and more: 25 at a time to a
	// MongoDB, 500 elsewhere. FerretDB takes its time, as it uses no index, and so
	// does SQLite under the race detector.
	many := 3500
	if raceEnabled {
		many = 1750
	}
	for _, pair := range []struct {
		from, to string
		nights   int
	}{
		{"sqlite", "sqlite", many},
		{"sqlite", "postgres", many},
		{"postgres", "sqlite", many},
		{"postgres", "postgres", many},
		{"sqlite", "mongo", 400},
		{"postgres", "mongo", 400},
		{"mongo", "mongo", 400},
		{"mongo", "sqlite", 1100},
		{"mongo", "postgres", 1100},
	} {
		from, to := at.url(t, pair.from), at.url(t, pair.to)
		t.Run(pair.from+" to "+pair.to, func(t *testing.T) {
			t.Parallel()
			c := newCopying(t, from, to, pair.nights)
			newer, older := c.nights[3], c.nights[4]
			newer.Observed, newer.Raw = newer.Observed.Add(time.Hour), `{"newer":true}`
			older.Observed, older.Raw = older.Observed.Add(-time.Hour), `{"older":true}`
			c.put(c.open(c.to, c.toKey).Sessions(), newer, older)

			for i, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
				cmd, stderr := c.begin()
				_ = cmd.Process.Signal(sig)
				<-cmd.ended
				switch code := cmd.ProcessState.ExitCode(); {
				case i > 0 && code == 0: // so little was left that it was done before
				case sig == syscall.SIGINT && (code != int(cli.ExitInterrupted) || !strings.Contains(stderr.String(), "were copied so far: the same command goes on")),
					sig == syscall.SIGKILL && code != -1:
					t.Errorf("%v: exit code %d: %s", sig, code, stderr)
				}
				if got := c.there(); i == 0 && got >= len(c.nights) {
					t.Errorf("%d there after the first interruption: this tests nothing", got)
				}
			}
			got := c.there()
			cmd, stderr := c.begin()
			late := make([]store.Session, 40)
			for n := range late {
				late[n] = c.nights[10+n]
				late[n].Observed, late[n].Raw = late[n].Observed.Add(time.Minute), fmt.Sprintf(`{"late":%d}`, n)
				if n%2 == 1 {
					late[n].ID += "-new"
				}
			}
			c.put(c.open(c.from, c.fromKey).Sessions(), late...)
			<-cmd.ended
			code := cmd.ProcessState.ExitCode()
			if code != 0 && (code != 1 || !strings.Contains(stderr.String(), "copy again if FROM was written to meanwhile")) {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			copied, _ := c.finish()
			t.Logf("%d there after two interruptions; written to meanwhile, exit code %d, then %d copied", got, code, copied)
			c.same(newer)
			if copied, _ := c.finish(); copied != 0 {
				t.Errorf("%d copied again", copied)
			}
		})
	}
}

// begin starts a copy and waits until it has put something, or has ended.
func (c *copying) begin() (*process, *logged) {
	c.Helper()
	before := c.there()
	cmd := &process{Cmd: c.command(), ended: make(chan struct{})}
	cmd.Stderr = &cmd.stderr
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(cmd.ended)
	}()
	eventually(c, "some are copied", func() bool {
		select {
		case <-cmd.ended:
			return true
		default:
			return c.there() > before
		}
	})
	return cmd, &cmd.stderr
}

// On a terminal a bar shows how far a copy is, and goes before the last line.
func TestStoreCopyDrawsABarOnATerminal(t *testing.T) {
	t.Parallel()
	master, slave := terminal(t)
	c := newCopying(t, "sqlite:"+filepath.Join(t.TempDir(), "from.db"), "sqlite:"+filepath.Join(t.TempDir(), "to.db"), 2000)
	cmd := c.command()
	var stdout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	screen, _ := io.ReadAll(master) // ends with an error when the terminal is closed
	_ = cmd.Wait()
	record("stderr", string(screen))
	if code := cmd.ProcessState.ExitCode(); code != 0 || stdout.Len() > 0 {
		t.Errorf("exit code %d, stdout %q", code, &stdout)
	}
	for _, want := range []string{
		`\[=+>-*\] +[\d,]+ sessions, back to 20\d\d-\d\d-\d\d`,
		`asleep: 2,002 sessions copied to sqlite:\S+, 0 sessions there before, 6 windows of nights under way; all 2,002 are there\r?\n$`,
	} {
		if !regexp.MustCompile(want).Match(screen) {
			t.Errorf("the terminal does not show %s:\n%q", want, screen)
		}
	}
}
