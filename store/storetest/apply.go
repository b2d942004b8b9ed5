package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

var applyRules = []rule{
	{"applying writes and marks in one commit", "inbox apply", applies},
	{"a step that is marked writes nothing", "inbox apply", appliedOnce},
	{"a lost lease writes nothing", "inbox apply", applyLost},
	{"an invalid write marks nothing", "inbox apply", applyInvalid},
}

func (f *fixture) applier() store.Applier {
	f.Helper()
	a, ok := f.inbox().(store.Applier)
	if !ok {
		f.Fatal(`the inbox is no store.Applier: name "apply" in Lacks, with the reason`)
	}
	return a
}

func applies(f *fixture) {
	f.queue(store.Stored, event("k", "u1", "s1"))
	c := f.claim(1)[0]
	f.put(store.Created, session("s2", "u1", t0, 5))
	out, err := f.applier().Apply(f.Context(), c.Token, "store", store.Write{
		Sessions: []store.Session{session("s1", "u1", t0, 0), session("s2", "u1", t0, 1)},
		Windows:  []store.Window{window("s3", "u1", 0, 1)},
	})
	if want := []store.Outcome{store.Created, store.Unchanged, store.Created}; err != nil || !slices.Equal(out, want) {
		f.Fatalf("%v, %v; want %v", out, err, want)
	}
	if e := f.entry(c.ID); !slices.Equal(e.Steps, []string{"store"}) || e.State != store.Leased {
		f.Errorf("%+v", e)
	}
	same(f, f.get("s1"), session("s1", "u1", t0, 0))
	f.settle(f.token(c, store.Finish))
}

func appliedOnce(f *fixture) {
	f.queue(store.Stored, event("k", "u1", "s1"))
	c := f.claim(1)[0]
	for i, want := range []int{1, 0} {
		out, err := f.applier().Apply(f.Context(), c.Token, "store", store.Write{Sessions: []store.Session{session("s1", "u1", t0, i)}})
		if err != nil || len(out) != want {
			f.Errorf("time %d: %v, %v", i, out, err)
		}
	}
	same(f, f.get("s1"), session("s1", "u1", t0, 0))
	if out, err := f.applier().Apply(f.Context(), c.Token, "stats", store.Write{Sessions: []store.Session{session("s1", "u1", t0, 2)}}); err != nil || len(out) != 1 {
		f.Errorf("another step: %v, %v", out, err)
	}
}

func applyLost(f *fixture) {
	f.queue(store.Stored, event("k", "u1", "s1"))
	c := f.claim(1)[0]
	f.settle(store.Settlement{Token: c.Token, Action: store.Release})
	again := f.claim(1)[0]
	for _, t := range []store.Token{c.Token, "nonsense", "1-99", ""} {
		out, err := f.applier().Apply(f.Context(), t, "store", store.Write{Sessions: []store.Session{session("s1", "u1", t0, 0)}})
		if !errors.Is(err, store.ErrLeaseLost) || len(out) > 0 {
			f.Errorf("token %q: %v, %v", t, out, err)
		}
	}
	f.wantIDs(store.Query{})
	if e := f.entry(again.ID); e.State != store.Leased || len(e.Steps) > 0 {
		f.Errorf("a lost lease has changed the event: %+v", e)
	}
	f.settle(f.token(again, store.Finish))
	if _, err := f.applier().Apply(f.Context(), again.Token, "store", store.Write{Sessions: []store.Session{session("s1", "u1", t0, 0)}}); !errors.Is(err, store.ErrLeaseLost) {
		f.Errorf("a finished event: %v", err)
	}
	f.wantIDs(store.Query{})
}

func applyInvalid(f *fixture) {
	f.queue(store.Stored, event("k", "u1", "s1"))
	c := f.claim(1)[0]
	_, write := f.applier().Apply(f.Context(), c.Token, "store", store.Write{Sessions: []store.Session{session("s1", "u1", t0, 0), session("", "u1", t0, 0)}})
	_, step := f.applier().Apply(f.Context(), c.Token, "no step", store.Write{})
	_, seq := f.applier().Apply(f.Context(), c.Token, "store", store.Write{Windows: []store.Window{{SessionID: "s", UserID: "u", Seq: -1, Observed: time.Now()}}})
	for name, err := range map[string]error{"session": write, "step": step, "window": seq} {
		if !errors.Is(err, store.ErrInvalid) {
			f.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	f.wantIDs(store.Query{})
	if e := f.entry(c.ID); len(e.Steps) > 0 {
		f.Errorf("steps %q", e.Steps)
	}
}
