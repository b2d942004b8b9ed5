package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

var inboxRules = []rule{
	{"an event comes back as it was put", "inbox", eventRoundTrip},
	{"a duplicate is told in every state", "inbox", duplicates},
	{"the same key with another body is a revision", "inbox", revisions},
	{"duplicates are told within a batch", "inbox", batchDuplicates},
	{"a batch is queued in its order, revisions too", "inbox", batchOrder},
	{"the same key of another user or session is another event", "inbox", keyScope},
	{"claims come in the order of receipt, as many as asked", "inbox", claimOrder},
	{"a claimed event is claimed once", "inbox", claimedOnce},
	{"a lease that runs out hands the event out again, and fences the old claim", "inbox", leaseRunsOut},
	{"extending keeps a lease alive", "inbox", extendLease},
	{"a lease that ran out is good while nobody else claims", "inbox", lateSettle},
	{"a retry waits for its time and burns an attempt", "inbox", retryWaits},
	{"a release burns no attempt", "inbox", releaseBurnsNothing},
	{"steps stay marked over retries", "inbox", stepsStay},
	{"settlements are carried out in order", "inbox", settleOrder},
	{"a done event keeps no body, and no claim", "inbox", finished},
	{"sweeping forgets what is old and done, never within the dedupe window", "inbox", sweep},
	{"depth counts what is not done", "inbox", depth},
	{"wake tells of what became claimable", "inbox", wake},
	{"invalid inbox arguments are ErrInvalid", "inbox", invalidInbox},
	{"queued events, dedupe and claims survive a reopening", "inbox reopen", reopenInbox},
}

func (f *fixture) token(c store.Claim, a store.Action) store.Settlement {
	return store.Settlement{Token: c.Token, Action: a}
}

func eventRoundTrip(f *fixture) {
	e := event("k\x00\xff", "u1", "s1") // a key may be any bytes
	e.Body = "{\"a\" : \"\\u0000é\"}\x00\xff"
	e.Kind = "NEW_EVENT"
	r := f.queue(store.Stored, e)
	if r.Revision != 1 || r.ID == "" {
		f.Errorf("receipt %+v", r)
	}
	c := f.claim(1)[0]
	want, _ := e.Normalize(time.Now())
	if c.Event != want || c.ID != r.ID || c.Claims != 1 || c.Attempts != 0 || c.Revision != 1 || len(c.Steps) > 0 || !c.Until.After(time.Now()) {
		f.Errorf("claim %+v, want %+v", c, want)
	}
	got := f.entry(r.ID)
	if got.Event != want || got.State != store.Leased || !got.Due.Equal(c.Until) {
		f.Errorf("entry %+v", got)
	}
	bare := store.Event{Key: "bare"}
	f.queue(store.Stored, bare)
	if c := f.claim(1)[0]; c.Key != "bare" || c.Body != "" || time.Since(c.Received).Abs() > time.Minute {
		f.Errorf("bare event: %+v", c)
	}
}

func duplicates(f *fixture) {
	e := event("k", "u1", "s1")
	r := f.queue(store.Stored, e)
	again := func() {
		f.Helper()
		if d := f.queue(store.Duplicate, e); d.ID != r.ID || d.Revision != 1 {
			f.Errorf("duplicate %+v of %+v", d, r)
		}
	}
	again()
	c := f.claim(1)[0]
	again()
	f.settle(store.Settlement{Token: c.Token, Action: store.Retry, At: time.Now().Add(time.Hour)})
	again()
	f.claim(0)
	other := event("other", "u1", "s1")
	f.queue(store.Stored, other)
	c = f.claim(1)[0]
	f.settle(f.token(c, store.Bury))
	f.queue(store.Duplicate, other)
	f.queue(store.Stored, event("third", "u1", "s1"))
	c = f.claim(1)[0]
	f.settle(f.token(c, store.Finish))
	f.queue(store.Duplicate, event("third", "u1", "s1"))
	f.claim(0)
}

func revisions(f *fixture) {
	e := event("k", "u1", "s1")
	f.queue(store.Stored, e)
	f.settle(f.token(f.claim(1)[0], store.Finish))
	e.Body = "second"
	if r := f.queue(store.Revised, e); r.Revision != 2 {
		f.Errorf("receipt %+v", r)
	}
	e.Body = "third"
	if r := f.queue(store.Revised, e); r.Revision != 3 {
		f.Errorf("receipt %+v", r)
	}
	f.queue(store.Duplicate, event("k", "u1", "s1"))
	for i, c := range f.claim(2) {
		if c.Revision != i+2 || c.Body != []string{"second", "third"}[i] {
			f.Errorf("claim %+v", c)
		}
	}
}

func batchOrder(f *fixture) {
	body := func(key, body string) store.Event {
		e := event(key, "u", "s")
		e.Body = body
		return e
	}
	out, err := f.inbox().Put(f.Context(), body("a", "1"), body("b", "2"), body("a", "3"), body("a", "1"), body("c", "4"), body("a", "5"), body("d", "6"))
	if err != nil || len(out) != 7 || out[3].Result != store.Duplicate || out[3].ID != out[0].ID || out[5].Revision != 3 {
		f.Fatalf("%+v, %v", out, err)
	}
	entries, err := f.inbox().List(f.Context(), store.InboxQuery{})
	if err != nil || len(entries) != 6 {
		f.Fatalf("%+v, %v", entries, err)
	}
	for n, c := range f.claim(6) {
		if want := strconv.Itoa(n + 1); c.Body != want || entries[n].Body != want {
			f.Errorf("at place %d is claimed %q and listed %q, want %q", n, c.Body, entries[n].Body, want)
		}
	}
}

func keyScope(f *fixture) {
	for _, e := range []store.Event{event("k", "u1", "s1"), event("k", "u2", "s1"), event("k", "u1", "s2"), event("k", "", "s1"), event("k", "u1", "")} {
		f.queue(store.Stored, e)
		f.queue(store.Duplicate, e)
	}
	f.claim(5)
}

func batchDuplicates(f *fixture) {
	e := event("k", "u1", "s1")
	other := e
	other.Body = "other"
	r, err := f.inbox().Put(f.Context(), e, e, other, event("k2", "u1", "s1"), other)
	if err != nil {
		f.Fatal(err)
	}
	want := []store.Result{store.Stored, store.Duplicate, store.Revised, store.Stored, store.Duplicate}
	for i := range want {
		if r[i].Result != want[i] {
			f.Errorf("receipt %d is %+v, want %v", i, r[i], want[i])
		}
	}
	f.claim(3)
}

func claimOrder(f *fixture) {
	for i := range 30 {
		f.queue(store.Stored, event(fmt.Sprintf("k%02d", i), "u", "s"))
	}
	next := 0
	for _, n := range []int{1, 7, 20, 20} {
		c, err := f.inbox().Claim(f.Context(), n, time.Hour)
		if err != nil || len(c) != min(n, 30-next) {
			f.Fatalf("asked for %d, got %d, %v", n, len(c), err)
		}
		for _, x := range c {
			if x.Key != fmt.Sprintf("k%02d", next) {
				f.Fatalf("%s came at place %d", x.Key, next)
			}
			next++
		}
	}
}

func claimedOnce(f *fixture) {
	f.queue(store.Stored, event("k", "u", "s"))
	f.claim(1)
	f.claim(0)
}

// short is a lease that is over before anything else has happened.
const short = time.Millisecond

func leaseRunsOut(f *fixture) {
	f.queue(store.Stored, event("k", "u", "s"))
	old, err := f.inbox().Claim(f.Context(), 1, short)
	if err != nil || len(old) != 1 {
		f.Fatal(old, err)
	}
	var again []store.Claim
	f.eventually("the lease to run out", func() bool {
		again, err = f.inbox().Claim(f.Context(), 1, time.Hour)
		return err != nil || len(again) == 1
	})
	if err != nil || again[0].Claims != 2 || again[0].Attempts != 0 || again[0].Token == old[0].Token {
		f.Fatalf("%+v, %v", again, err)
	}
	held := f.entry(again[0].ID)
	for a := store.StepDone; a <= store.Release; a++ {
		late := store.Settlement{Token: old[0].Token, Action: a, Step: "late", At: time.Now(), Reason: "late"}
		if lost, err := f.inbox().Settle(f.Context(), late); err != nil || !slices.Equal(lost, []store.Token{old[0].Token}) {
			f.Errorf("action %d of the old claim: lost %q, %v", a, lost, err)
		}
	}
	if lost, err := f.inbox().Extend(f.Context(), 3*time.Hour, old[0].Token); err != nil || !slices.Equal(lost, []store.Token{old[0].Token}) {
		f.Errorf("extending the old claim: lost %q, %v", lost, err)
	}
	if e := f.entry(again[0].ID); !reflect.DeepEqual(e, held) || e.State != store.Leased {
		f.Errorf("the old claim has changed the event: %+v, want %+v", e, held)
	}
	if lost, err := f.inbox().Extend(f.Context(), time.Hour, old[0].Token, again[0].Token); err != nil || !slices.Equal(lost, []store.Token{old[0].Token}) {
		f.Errorf("extending both: lost %q, %v", lost, err)
	}
	f.settle(f.token(again[0], store.Finish))
	for a := store.StepDone; a <= store.Release; a++ {
		s := f.token(again[0], a)
		s.Step = "late"
		if lost, err := f.inbox().Settle(f.Context(), s); err != nil || len(lost) != 1 {
			f.Errorf("action %d on a settled event: lost %q, %v", a, lost, err)
		}
	}
	if lost, err := f.inbox().Extend(f.Context(), time.Hour, again[0].Token); err != nil || len(lost) != 1 {
		f.Errorf("extending a settled event: lost %q, %v", lost, err)
	}
	if e := f.entry(again[0].ID); e.State != store.Done || len(e.Steps)+len(e.History) > 0 {
		f.Errorf("a settled event was changed: %+v", e)
	}
}

func extendLease(f *fixture) {
	f.queue(store.Stored, event("k", "u", "s"))
	c, err := f.inbox().Claim(f.Context(), 1, 200*time.Millisecond)
	if err != nil || len(c) != 1 {
		f.Fatal(c, err)
	}
	if lost, err := f.inbox().Extend(f.Context(), time.Hour, c[0].Token); err != nil || len(lost) > 0 {
		f.Fatal(lost, err)
	}
	if e := f.entry(c[0].ID); time.Until(e.Due) < 50*time.Minute {
		f.Errorf("the lease ends %v, want in an hour", e.Due)
	}
	f.eventually("the first lease to be over", func() bool { return time.Now().After(c[0].Until) })
	f.claim(0)
	f.settle(f.token(c[0], store.Finish))
}

func lateSettle(f *fixture) {
	f.queue(store.Stored, event("k", "u", "s"))
	c, err := f.inbox().Claim(f.Context(), 1, short)
	if err != nil || len(c) != 1 {
		f.Fatal(c, err)
	}
	f.eventually("the lease to run out", func() bool { return time.Now().After(c[0].Until.Add(2 * time.Millisecond)) })
	f.settle(f.token(c[0], store.Finish))
	f.claim(0)
}

func retryWaits(f *fixture) {
	f.queue(store.Stored, event("later", "u", "s"))
	f.settle(store.Settlement{Token: f.claim(1)[0].Token, Action: store.Retry, At: time.Now().Add(time.Hour)})
	f.claim(0)
	f.queue(store.Stored, event("k", "u", "s"))
	at := time.Now().Add(150 * time.Millisecond)
	f.settle(store.Settlement{Token: f.claim(1)[0].Token, Action: store.Retry, At: at, Reason: "handler failed"})
	var c []store.Claim
	var err error
	f.eventually("the retry", func() bool {
		c, err = f.inbox().Claim(f.Context(), 1, time.Hour)
		return err != nil || len(c) == 1
	})
	if err != nil || c[0].Attempts != 1 || c[0].Claims != 2 || time.Now().Before(store.Milli(at)) {
		f.Errorf("%+v, %v, %v early", c, err, time.Until(at))
	}
	if h := f.entry(c[0].ID).History; len(h) != 1 || h[0].What != "retry" || h[0].Reason != "handler failed" || time.Since(h[0].At).Abs() > time.Minute {
		f.Errorf("history %+v", h)
	}
}

func releaseBurnsNothing(f *fixture) {
	f.queue(store.Stored, event("k", "u", "s"))
	f.settle(f.token(f.claim(1)[0], store.Release))
	c := f.claim(1)[0]
	if c.Attempts != 0 || c.Claims != 2 {
		f.Errorf("%+v, want no attempt burnt", c)
	}
	f.settle(store.Settlement{Token: c.Token, Action: store.Release, At: time.Now().Add(time.Hour), Reason: "redis is away"})
	f.claim(0)
	if e := f.entry(c.ID); e.State != store.Ready || e.Attempts != 0 || len(e.History) != 1 || e.History[0].Reason != "redis is away" {
		f.Errorf("%+v", e)
	}
}

func stepsStay(f *fixture) {
	f.queue(store.Stored, event("k", "u", "s"))
	c := f.claim(1)[0]
	step := func(name string) store.Settlement {
		return store.Settlement{Token: c.Token, Action: store.StepDone, Step: name}
	}
	f.settle(step("store"))
	f.settle(step("store"), step("notify-2"), f.token(c, store.Retry))
	c = f.claim(1)[0]
	if !slices.Equal(c.Steps, []string{"store", "notify-2"}) {
		f.Errorf("steps %q", c.Steps)
	}
	f.settle(f.token(c, store.Bury))
	if n, err := f.inbox().Replay(f.Context(), c.ID); err != nil || n != 1 {
		f.Fatal(n, err)
	}
	if c = f.claim(1)[0]; !slices.Equal(c.Steps, []string{"store", "notify-2"}) {
		f.Errorf("steps %q after a replay", c.Steps)
	}
}

func settleOrder(f *fixture) {
	f.queue(store.Stored, event("k", "u", "s"))
	f.queue(store.Stored, event("k2", "u", "s"))
	c := f.claim(2)
	lost, err := f.inbox().Settle(f.Context(), f.token(c[0], store.Finish), f.token(c[0], store.Retry), f.token(c[1], store.Bury), store.Settlement{Token: "nonsense", Action: store.Finish})
	if err != nil || !slices.Equal(lost, []store.Token{c[0].Token, "nonsense"}) {
		f.Errorf("lost %q, %v", lost, err)
	}
	if a, b := f.entry(c[0].ID).State, f.entry(c[1].ID).State; a != store.Done || b != store.Dead {
		f.Errorf("states %v, %v; want done, dead", a, b)
	}
}

func finished(f *fixture) {
	r := f.queue(store.Stored, event("k", "u1", "s"))
	f.settle(f.token(f.claim(1)[0], store.Finish))
	if e := f.entry(r.ID); e.State != store.Done || e.Body != "" || e.Key != "k" {
		f.Errorf("%+v, want no body", e)
	}
	f.claim(0)
}

func sweep(f *fixture) {
	old := time.Now().Add(-store.DedupeWindow - time.Hour)
	put := func(key string, received time.Time, finish bool) {
		e := event(key, "u", "s")
		e.Received = received
		f.queue(store.Stored, e)
		c := f.claim(1)[0]
		if finish {
			f.settle(f.token(c, store.Finish))
		}
	}
	for i := range 5 {
		put(fmt.Sprint("old", i), old.Add(time.Duration(i)*time.Second), true)
	}
	put("pending", old, false)
	put("recent", time.Now().Add(-store.DedupeWindow+time.Hour), true)
	for _, want := range []int{3, 2, 0} {
		if n, err := f.inbox().Sweep(f.Context(), time.Now(), 3); err != nil || n != want {
			f.Errorf("%d swept, %v; want %d", n, err, want)
		}
	}
	f.queue(store.Stored, event("old0", "u", "s"))
	f.queue(store.Duplicate, event("recent", "u", "s"))
	f.queue(store.Duplicate, event("pending", "u", "s"))
}

func depth(f *fixture) {
	first := event("k0", "u", "s")
	first.Received = time.Now().Add(-time.Hour)
	f.queue(store.Stored, first)
	for i := 1; i < 8; i++ {
		f.queue(store.Stored, event(fmt.Sprint("k", i), "u", "s"))
	}
	c, err := f.inbox().Claim(f.Context(), 5, time.Hour)
	if err != nil || len(c) != 5 {
		f.Fatal(c, err)
	}
	f.settle(f.token(c[1], store.Finish), f.token(c[2], store.Bury), store.Settlement{Token: c[3].Token, Action: store.Retry, At: time.Now().Add(time.Hour)})
	want := store.Depth{Ready: 3, Delayed: 1, Leased: 2, Dead: 1, Oldest: store.Milli(first.Received)}
	if d, err := f.inbox().Depth(f.Context()); err != nil || d != want || d.Backlog() != 6 {
		f.Errorf("%+v, %v; want %+v", d, err, want)
	}
	f.settle(f.token(c[0], store.Finish))
	if d, err := f.inbox().Depth(f.Context()); err != nil || !d.Oldest.After(want.Oldest) {
		f.Errorf("%+v, %v; want a younger oldest", d, err)
	}
}

func wake(f *fixture) {
	i := f.inbox()
	awake := func(after string) {
		f.Helper()
		select {
		case <-i.Wake():
		case <-time.NewTimer(10 * time.Second).C:
			f.Fatalf("not woken after %s", after)
		}
	}
	f.queue(store.Stored, event("k", "u", "s"))
	awake("a put")
	f.settle(f.token(f.claim(1)[0], store.Release))
	awake("a release")
	c := f.claim(1)[0]
	f.settle(f.token(c, store.Bury))
	if _, err := i.Replay(f.Context(), c.ID); err != nil {
		f.Fatal(err)
	}
	awake("a replay")
}

func invalidInbox(f *fixture) {
	i := f.inbox()
	_, key := i.Put(f.Context(), event("good", "u", "s"), store.Event{Body: "x"})
	_, user := i.Put(f.Context(), store.Event{Key: "k", UserID: "\xff"})
	_, limit := i.Claim(f.Context(), 0, time.Hour)
	_, lease := i.Claim(f.Context(), 1, 0)
	_, extend := i.Extend(f.Context(), 0, "x")
	_, action := i.Settle(f.Context(), store.Settlement{Token: "x"})
	_, step := i.Settle(f.Context(), store.Settlement{Token: "x", Action: store.StepDone, Step: "a,b"})
	_, swept := i.Sweep(f.Context(), t0, 0)
	_, list := i.List(f.Context(), store.InboxQuery{Limit: -1})
	_, after := i.List(f.Context(), store.InboxQuery{After: "nonsense"})
	for name, err := range map[string]error{
		"no key": key, "user": user, "limit": limit, "lease": lease, "extend": extend, "action": action, "step": step, "sweep": swept, "list": list, "after": after,
	} {
		if !errors.Is(err, store.ErrInvalid) {
			f.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if _, err := i.Get(f.Context(), "nonsense"); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("Get: %v", err)
	}
	f.claim(0)
}

func reopenInbox(f *fixture) {
	done, leased, ready := event("done", "u", "s"), event("leased", "u", "s"), event("ready", "u", "s")
	f.queue(store.Stored, done)
	f.settle(f.token(f.claim(1)[0], store.Finish))
	f.queue(store.Stored, leased)
	c := f.claim(1)[0]
	f.settle(store.Settlement{Token: c.Token, Action: store.StepDone, Step: "store"})
	f.queue(store.Stored, ready)
	f.reopen()
	for _, e := range []store.Event{done, leased, ready} {
		f.queue(store.Duplicate, e)
	}
	// The lease may be over at once (its owner is gone) or still run.
	got, err := f.inbox().Claim(f.Context(), 10, time.Hour)
	if err != nil || len(got) == 0 || len(got) > 2 {
		f.Fatal(got, err)
	}
	for _, x := range got {
		switch {
		case x.Key == "ready" && x.Claims == 1 && x.Body == ready.Body:
		case x.Key == "leased" && x.Claims == 2 && x.Attempts == 0 && strings.Join(x.Steps, "") == "store":
		default:
			f.Errorf("%+v", x)
		}
	}
}
