//go:build unix

package cli_test

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// unhurried makes the command patient with a Redis on a busy machine.
const unhurried = "?read_timeout=30s&write_timeout=30s&pool_timeout=30s&dial_timeout=30s"

// toStdout is a fetch of everybody to standard output, beside the Redis at url.
func toStdout(t *testing.T, url string, env ...string) *fetching {
	t.Helper()
	f := newFetching(t, asleeptest.Config{Users: 5, SessionsPerUser: 8, Seed: 1})
	f.args = []string{"fetch", "--users-file", "users.txt", "--rate", "100000", "--details", "--no-resume"}
	f.env = append(env, "REDIS_URL="+url)
	return f
}

// unhurried runs the command while Redis is quick enough: on a busy machine it may not
// be, which costs calls and is said. The counts of the fake are those of the last run.
func (f *fetching) unhurried() *process {
	f.tb.Helper()
	for range 20 {
		f.srv.Reset()
		if p := f.run(0); !strings.Contains(p.stderr.String(), "Redis was slow") {
			return p
		}
	}
	f.tb.Fatal("Redis is never quick enough")
	return nil
}

func TestTheSecondFetchBesideARedisMakesListCallsOnly(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	f := toStdout(t, "redis://"+s.Addr+unhurried, "ENCRYPTION_KEYS=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")
	first := f.unhurried()
	lists, reports := f.srv.Count("listSessions"), f.srv.Count("getSession")
	if reports == 0 || strings.Contains(first.stderr.String(), "cache") {
		t.Fatalf("%d reports; %s", reports, &first.stderr)
	}
	second := f.unhurried()
	if n := f.srv.Count("listSessions"); n != lists {
		t.Errorf("%d lists after %d", n, lists)
	}
	again := f.srv.Count("getSession")
	unfinished := 0
	for line := range strings.Lines(second.stdout.String()) {
		if !strings.Contains(line, `"state":"COMPLETE"`) {
			unfinished++
		}
	}
	if again != unfinished {
		t.Errorf("%d reports were asked for again, %d are unfinished:\n%s", again, unfinished, &second.stderr)
	}
	if want := strconv.Itoa(reports-again) + " from the cache"; !strings.Contains(second.stderr.String(), want) {
		t.Errorf("the summary does not say %q:\n%s", want, &second.stderr)
	}
	if sorted(first.stdout.String()) != sorted(second.stdout.String()) {
		t.Error("the second run wrote something else")
	}

	f.env = append(f.env, "ENABLE_CACHING=false")
	third := f.unhurried()
	if n := f.srv.Count("getSession"); n != reports || strings.Contains(third.stderr.String(), "cache") {
		t.Errorf("with caching off %d reports were asked for, want %d:\n%s", n, reports, &third.stderr)
	}
}

// TestTheRedisOfACommandMayHaveAPrivateCAOrSentinels: it is used, not only accepted.
func TestTheRedisOfACommandMayHaveAPrivateCAOrSentinels(t *testing.T) {
	t.Parallel()
	ca := dbtest.NewCA(t)
	tls := dbtest.RedisTLS(t, ca, true, "redis.internal")
	cert, key := ca.Issue(t, "asleep")
	for name, url := range map[string]string{
		"tls":       "rediss://" + tls.Addr + unhurried + "&server_name=redis.internal&ca_file=" + ca.File + "&cert_file=" + cert + "&key_file=" + key,
		"sentinels": dbtest.RedisSentinel(t, "sesame").URL("&" + unhurried[1:]),
		"a cluster": "redis://:sesame@" + dbtest.RedisCluster(t, 3, "--requirepass", "sesame")[1].Addr + unhurried + "&cluster=true",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := toStdout(t, url)
			f.unhurried()
			if p := f.unhurried(); !strings.Contains(p.stderr.String(), "from the cache") || strings.Contains(p.stderr.String(), "sesame") {
				t.Errorf("the second run: %s", &p.stderr)
			}
		})
	}
}

func TestAFetchBesideARedisInTroubleSaysSoOnce(t *testing.T) {
	t.Parallel()
	stalled, locked := dbtest.Redis(t), dbtest.Redis(t, "--requirepass", "sesame")
	stalled.Stall()
	for name, url := range map[string]string{
		"strange CA":    "rediss://:hunter2@" + dbtest.RedisTLS(t, dbtest.NewCA(t), false, "127.0.0.1").Addr + unhurried,
		"nobody there":  "redis://127.0.0.1:1",
		"stalled":       "redis://" + stalled.Addr,
		"wrong":         "redis://:hunter2@" + locked.Addr + unhurried,
		"unknown host":  "redis://redis.invalid:6379",
		"not for Redis": "", // a service that is none: the fake
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := toStdout(t, url)
			if url == "" {
				f.env = []string{"REDIS_URL=redis" + strings.TrimPrefix(f.srv.URL, "http") + unhurried}
			}
			p := f.run(0)
			if n := strings.Count(p.stderr.String(), "asleep: Redis"); n != 1 {
				t.Errorf("it is said %d times:\n%s", n, &p.stderr)
			}
			if remedy := map[string]string{"strange CA": "ca_file=", "wrong": "check user and password", "not for Redis": "check host and port"}[name]; !strings.Contains(p.stderr.String(), remedy) {
				t.Errorf("it does not say %q:\n%s", remedy, &p.stderr)
			}
			if n := len(strings.Split(strings.TrimSpace(p.stderr.String()), "\n")); n != 2 { // that, and the summary
				t.Errorf("%d lines:\n%s", n, &p.stderr)
			}
			if lines := strings.Count(p.stdout.String(), "\n"); lines != len(f.truth()) {
				t.Errorf("%d lines, want %d", lines, len(f.truth()))
			}
			if strings.Contains(p.stderr.String(), "hunter2") {
				t.Errorf("the password is told:\n%s", &p.stderr)
			}
			if quiet := f.run(0, "--quiet"); quiet.stderr.String() != "" {
				t.Errorf("quiet, it says %s", &quiet.stderr)
			}
		})
	}
}

func TestOtherCommandsShareWhatRedisKeeps(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	f := toStdout(t, "redis://"+s.Addr+unhurried)
	var user, session string
	for n := range f.truth() {
		if r, ok := f.srv.Report(n.session, ""); ok && strings.Contains(r.Raw, `"COMPLETE"`) {
			user, session = n.user, n.session
		}
	}
	run := func(args ...string) string {
		t.Helper()
		f.args = args
		return f.run(0).stdout.String()
	}
	asked := func() int { return f.srv.Stats().Requests }
	for _, args := range [][]string{
		{"sessions", "get", "--user", user, session},
		{"sessions", "list", "--user", user},
		{"stats", "--user", user, "--from", "2026-01-01", "--to", "2026-03-01"},
	} {
		before := asked() + 1
		first := run(args...)
		for asked() < before { // the fake counts an answer when it is gone
			runtime.Gosched()
		}
		if second := run(args...); second != first || asked() != before {
			t.Errorf("%v: %d requests the second time, the same answer: %v", args, asked()-before, second == first)
		}
	}
	run("sessions", "delete", "--user", user, "--yes", session)
	f.args = []string{"sessions", "get", "--user", user, session}
	if p := f.start(); p.code() != 1 {
		t.Errorf("a deleted session is still shown: %s", &p.stdout)
	}
	if list := run("sessions", "list", "--user", user, "-o", "ndjson"); strings.Contains(list, session) {
		t.Error("a deleted session is still listed")
	}

	s.Kill()
	f.args = []string{"sessions", "delete", "--user", user, "--all", "--yes"}
	if p := f.run(5); !strings.Contains(p.stderr.String(), `could not be told`) || !strings.Contains(p.stderr.String(), "users forget") {
		t.Errorf("nobody hears that Redis still has it:\n%s", &p.stderr)
	}
	f.args = []string{"users", "delete", user, "--yes"}
	if p := f.run(5); !strings.Contains(p.stderr.String(), "the user was deleted") || !strings.Contains(p.stderr.String(), "could not be told") {
		t.Errorf("nobody hears that Redis still has it:\n%s", &p.stderr)
	}
}

// TestAForgottenUserIsAskedForAgain: Redis stood still while the session was deleted.
func TestAForgottenUserIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	f := toStdout(t, "redis://"+s.Addr+unhurried)
	var user, session string
	for n := range f.truth() {
		if r, ok := f.srv.Report(n.session, ""); ok && strings.Contains(r.Raw, `"COMPLETE"`) {
			user, session = n.user, n.session
		}
	}
	f.args = []string{"sessions", "get", "--user", user, session}
	f.run(0)
	s.Stall()
	f.args = []string{"sessions", "delete", "--user", user, "--yes", session}
	f.run(5)
	f.args = []string{"users", "forget", user}
	f.run(5)
	s.Resume()
	f.args = []string{"sessions", "get", "--user", user, session}
	if p := f.run(0); !strings.Contains(p.stdout.String(), session) {
		t.Fatal("Redis has forgotten it by itself")
	}
	f.args = []string{"users", "forget", user}
	if p := f.run(0); !strings.Contains(p.stderr.String(), "was taken back") {
		t.Errorf("%s", &p.stderr)
	}
	f.args = []string{"sessions", "get", "--user", user, session}
	f.run(1)
	f.env = nil
	f.args = []string{"users", "forget", user}
	if p := f.run(2); !strings.Contains(p.stderr.String(), "REDIS_URL is not set") {
		t.Errorf("%s", &p.stderr)
	}
}

// sorted is a text with its lines in order.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
