//go:build unix

package cli_test

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// withDead is a site whose inbox has an event that is dead, as it names no
// session, and one that is done, and the service on it.
func withDead(t *testing.T, env ...string) (*site, *service) {
	t.Helper()
	s := newSite(t, env...)
	p := s.serve(t)
	h := newHook(t, hookSecret)
	h.sender.UserID = "user-0007"
	for _, body := range []string{`{"event":"SESSION_COMPLETE","version":"V3","data":{}}`, completed("user-0008", "session-8")} {
		if status, _ := h.post(p.url, body); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	p.drained(t)
	eventually(t, "one is dead", func() bool { return p.figure(t, `asleep_inbox_events{state="dead"}`) == 1 })
	return s, p
}

func TestTheInboxIsTheSameWithAndWithoutAService(t *testing.T) {
	t.Parallel()
	s, p := withDead(t, "ADMIN_TOKEN=let-me-in")
	free := "ADMIN_ADDR=" + strings.TrimPrefix(p.admin, "http://")
	with := &site{dir: s.dir, env: append(slices.Clip(s.env), free)}
	verbs := [][]string{
		{"list"},
		{"list", "-o", "json", "--ids"},
		{"list", "--state", "dead", "-o", "csv"},
		{"list", "--state", "done", "-o", "ndjson", "--user", "user-0008"},
		{"list", "--limit", "1"},
		{"show", "1", "--body", "--ids"},
		{"show", "1", "-o", "json"},
	}
	var through []string
	for _, args := range verbs {
		through = append(through, with.inbox(t, args...))
	}
	p.signal(t, syscall.SIGTERM)
	for i, args := range verbs {
		if direct := s.inbox(t, args...); direct != through[i] {
			t.Errorf("asleep inbox %q: through the service\n%s\ndirectly\n%s", args, through[i], direct)
		}
	}
	if strings.Contains(through[0], "user-0007") || !strings.Contains(through[0], "user:") || strings.Contains(through[6], "user-0007") {
		t.Errorf("ids are shown unasked: %s %s", through[0], through[6])
	}
	if !strings.Contains(through[1], `"user":"user-0007"`) || !strings.Contains(through[5], "bury") || !strings.Contains(through[5], `{"event":"SESSION_COMPLETE","version":"V3","data":{}}`) {
		t.Errorf("what was asked for is missing: %s %s", through[1], through[5])
	}
	if strings.Count(through[2], "\n") != 2 || strings.Count(through[3], "\n") != 1 || strings.Count(through[4], "\n") != 2 {
		t.Errorf("the selections are %q %q %q", through[2], through[3], through[4])
	}
}

func TestDeadEventsAreReplayedAndPurged(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"through the service": true, "directly": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := withDead(t)
			if running {
				s.env = append(s.env, "ADMIN_ADDR="+strings.TrimPrefix(p.admin, "http://"))
			} else {
				p.signal(t, syscall.SIGTERM)
			}
			if _, stderr, code := s.run(t, "inbox", "replay", "1"); code != 0 || !strings.Contains(stderr, "1 dead events are ready to be worked again") {
				t.Errorf("replay: exit code %d: %s", code, stderr)
			}
			if running { // it fails as it did before
				eventually(t, "it is dead again", func() bool { return p.figure(t, `asleep_inbox_events{state="dead"}`) == 1 })
			} else {
				p = s.serve(t)
				eventually(t, "it is dead again", func() bool { return p.figure(t, `asleep_inbox_events{state="dead"}`) == 1 })
				p.signal(t, syscall.SIGTERM)
			}
			if history := s.inbox(t, "show", "1"); strings.Count(history, "bury") != 2 || strings.Count(history, "replay") != 1 {
				t.Errorf("its history is %s", history)
			}
			if _, stderr, code := s.run(t, "inbox", "purge", "--all", "--yes"); code != 0 || !strings.Contains(stderr, "1 dead events are purged") {
				t.Errorf("purge: exit code %d: %s", code, stderr)
			}
			if _, stderr, code := s.run(t, "inbox", "purge", "1", "2", "--yes"); code != 1 || !strings.Contains(stderr, "2 of 2 ids are of no dead event") {
				t.Errorf("purge what is not dead: exit code %d: %s", code, stderr)
			}
			if _, stderr, code := s.run(t, "inbox", "show", "1"); code != 1 || !strings.Contains(stderr, "there is no such event") {
				t.Errorf("show: exit code %d: %s", code, stderr)
			}
		})
	}
}

func TestWhatKeepsTheInboxAwayIsSaid(t *testing.T) {
	t.Parallel()
	s, p := withDead(t, "ADMIN_TOKEN=let-me-in")
	other := newSite(t, "ADMIN_TOKEN=let-me-in").serve(t)
	at := func(url string) string { return "ADMIN_ADDR=" + strings.TrimPrefix(url, "http://") }
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"nobody there":          {[]string{"ADMIN_ADDR=127.0.0.1:1"}, []string{"list"}, 5, "none answers at ADMIN_ADDR 127.0.0.1:1"},
		"no token":              {[]string{at(p.admin), "ADMIN_TOKEN="}, []string{"list"}, 2, "wants its ADMIN_TOKEN"},
		"a wrong token":         {[]string{at(p.admin), "ADMIN_TOKEN=x"}, []string{"purge", "--all", "--yes"}, 2, "wants its ADMIN_TOKEN"},
		"another service":       {[]string{at(other.admin)}, []string{"purge", "--all", "--yes"}, 1, "works another database"},
		"no database":           {[]string{"DATABASE_URL=sqlite:" + t.TempDir() + "/none.db"}, []string{"list"}, 2, "is not there"},
		"nobody can be asked":   {nil, []string{"purge", "1"}, 2, "--yes is missing"},
		"nothing chosen":        {nil, []string{"replay"}, 2, "EVENT_ID is missing"},
		"too much chosen":       {nil, []string{"replay", "1", "--all"}, 2, "--all goes with no EVENT_ID"},
		"no address":            {[]string{"ADMIN_ADDR=9090"}, []string{"list"}, 2, `ADMIN_ADDR "9090" is not an address`},
		"a database of a while": {[]string{"DATABASE_URL=memory:"}, []string{"list"}, 2, "keeps nothing"},
		"no id":                 {nil, []string{"show"}, 2, "EVENT_ID is missing"},
	} {
		place := &site{dir: s.dir, env: append(slices.Clip(s.env), c.env...)}
		_, stderr, code := place.run(t, append([]string{"inbox"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "let-me-in") {
			t.Errorf("%s: exit code %d: %s", name, code, stderr)
		}
	}
	if n := p.figure(t, `asleep_inbox_events{state="dead"}`); n != 1 {
		t.Errorf("%v events are dead after all of this", n)
	}
}
