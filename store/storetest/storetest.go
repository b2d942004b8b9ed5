package storetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// Harness is how the suite reaches a backend.
type Harness struct {
	// Open returns an empty store. The suite closes it.
	Open func(t *testing.T) store.Store

	// Reopen closes the store and opens the same database again. Nil for a
	// backend that forgets; Lacks must then name "reopen".
	Reopen func(t *testing.T, s store.Store) store.Store

	// Lacks names what the backend cannot do and why: "inbox", "apply", "reopen",
	// or the name of one rule.
	Lacks map[string]string
}

// rule is one thing that every backend keeps.
type rule struct {
	name  string
	needs string // capabilities that may be lacking
	check func(f *fixture)
}

// Run runs every rule.
func Run(t *testing.T, h Harness) {
	t.Helper()
	lacks := map[string]string{}
	maps.Copy(lacks, h.Lacks)
	if h.Reopen == nil && lacks["reopen"] == "" {
		t.Fatal(`the harness has no Reopen, and Lacks does not say why: name "reopen" there`)
	}
	all := slices.Concat(sessionRules, orderRules, queryRules, statsRules, windowRules, eraseRules, inboxRules, deadRules, applyRules, raceRules, modelRules)
	known := map[string]bool{"inbox": true, "apply": true, "reopen": true}
	for _, r := range all {
		if known[r.name] {
			t.Fatalf("two rules are called %q", r.name)
		}
		known[r.name] = true
	}
	var skipped []string
	for what := range lacks {
		if !known[what] {
			t.Errorf("Lacks names %q, which is neither a rule nor a capability", what)
		}
	}
	for _, r := range all {
		why := lacks[r.name]
		for need := range strings.FieldsSeq(r.needs) {
			why = cmp.Or(why, lacks[need])
		}
		if why != "" {
			skipped = append(skipped, fmt.Sprintf("%s (%s)", r.name, why))
		}
		t.Run(r.name, func(t *testing.T) {
			if why != "" {
				t.Skipf("this backend lacks it: %s", why)
			}
			t.Parallel()
			r.check(newFixture(t, h))
		})
	}
	t.Logf("%d rules, %d of them skipped: %s", len(all), len(skipped), strings.Join(skipped, "; "))
}

// fixture is the store of one rule.
type fixture struct {
	*testing.T
	h     Harness
	store store.Store
}

func newFixture(t *testing.T, h Harness) *fixture {
	t.Helper()
	f := &fixture{T: t, h: h, store: h.Open(t)}
	t.Cleanup(func() {
		if err := f.store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func (f *fixture) sessions() store.Sessions { return f.store.Sessions() }

func (f *fixture) inbox() store.Inbox {
	f.Helper()
	i, err := f.store.Inbox()
	if err != nil {
		f.Fatalf("inbox: %v", err)
	}
	return i
}

func (f *fixture) reopen() {
	f.Helper()
	f.store = f.h.Reopen(f.T, f.store)
}

func (f *fixture) put(want store.Outcome, s store.Session) {
	f.Helper()
	out, err := f.sessions().Put(f.Context(), s)
	if err != nil || len(out) != 1 || out[0] != want {
		f.Fatalf("Put(%s of %s, rev %d) = %v, %v; want %v", s.ID, s.UserID, s.Rev(), out, err, want)
	}
}

func (f *fixture) get(id string) store.Session {
	f.Helper()
	s, err := f.sessions().Get(f.Context(), id)
	if err != nil {
		f.Fatalf("Get(%s): %v", id, err)
	}
	return s
}

// ids lists what a query selects, over all its pages.
func (f *fixture) ids(q store.Query) []string {
	f.Helper()
	list := []string{}
	for s, err := range store.All(f.Context(), f.sessions(), q) {
		if err != nil {
			f.Fatalf("List(%+v): %v", q, err)
		}
		list = append(list, s.ID)
	}
	return list
}

func (f *fixture) wantIDs(q store.Query, want ...string) {
	f.Helper()
	if got := f.ids(q); !slices.Equal(got, want) {
		f.Errorf("%+v selects %q, want %q", q, got, want)
	}
}

func (f *fixture) queue(want store.Result, e store.Event) store.Receipt {
	f.Helper()
	r, err := f.inbox().Put(f.Context(), e)
	if err != nil || len(r) != 1 || r[0].Result != want {
		f.Fatalf("Put(%s) = %+v, %v; want %v", e.Key, r, err, want)
	}
	return r[0]
}

func (f *fixture) claim(want int) []store.Claim {
	f.Helper()
	c, err := f.inbox().Claim(f.Context(), max(want, 1)+10, time.Hour)
	if err != nil || len(c) != want {
		f.Fatalf("Claim = %d events, %v; want %d", len(c), err, want)
	}
	return c
}

func (f *fixture) settle(list ...store.Settlement) {
	f.Helper()
	if lost, err := f.inbox().Settle(f.Context(), list...); err != nil || len(lost) > 0 {
		f.Fatalf("Settle lost %q, %v", lost, err)
	}
}

func (f *fixture) entry(id string) store.Entry {
	f.Helper()
	e, err := f.inbox().Get(f.Context(), id)
	if err != nil {
		f.Fatalf("entry %s: %v", id, err)
	}
	return e
}

// eventually waits for something that only time brings, and fails after a while.
func (f *fixture) eventually(what string, holds func() bool) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Fatalf("waited in vain for: %s", what)
		}
	}
}

// t0 is when the sessions of the suite begin; its nanoseconds must be cut off.
var t0 = time.Date(2026, 3, 1, 22, 30, 0, 123_456_789, time.FixedZone("", 9*3600))

// session makes news number n of a night: a later n is newer.
func session(id, user string, start time.Time, n int) store.Session {
	s := store.Session{
		ID: id, UserID: user, State: asleep.SessionStateComplete, Start: start, End: start.Add(8 * time.Hour),
		Zone: "Asia/Seoul", Offset: 9 * time.Hour, Form: store.FormReport,
		Raw:      fmt.Sprintf("{\"unknown\" : \"\\u0000 é\",\n \"n\":%d.0}", n),
		Epochs:   store.Epochs{Sleep: asleep.Stages{0, 1, 2, 3, -1, -128, 127}, Breath: asleep.BreathStages{}},
		Observed: t0.Add(10*time.Hour + time.Duration(n)*time.Second),
	}
	s.Metrics.Set(store.SleepIndex, 60+float64(n))
	s.Metrics.Set(store.TimeInSleep, 25_000.5)
	return s
}

func event(key, user, session string) store.Event {
	return store.Event{Key: key, Kind: asleep.WebhookEventSessionComplete, UserID: user, SessionID: session, Body: `{"key":"` + key + `"}`, Received: time.Now()}
}

func window(id, user string, seq int, stage asleep.Stage) store.Window {
	return store.Window{SessionID: id, UserID: user, Seq: seq, Observed: t0.Add(time.Duration(seq) * 5 * time.Minute), Epochs: store.Epochs{
		Sleep: slices.Repeat(asleep.Stages{stage}, 10), Snoring: slices.Repeat(asleep.SnoringStages{0}, 10),
	}}
}
