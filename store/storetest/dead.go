package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

var deadRules = []rule{
	{"a dead event keeps its reason and its body", "inbox", buried},
	{"a replay of a replay keeps the history", "inbox", replayTwice},
	{"replay and purge touch dead events only", "inbox", deadOnly},
	{"entries are listed by state and user, page by page", "inbox", listEntries},
}

func buried(f *fixture) {
	r := f.queue(store.Stored, event("k", "u", "s"))
	for i := range 3 {
		f.settle(store.Settlement{Token: f.claim(1)[0].Token, Action: store.Retry, Reason: fmt.Sprint("failure ", i)})
	}
	f.settle(store.Settlement{Token: f.claim(1)[0].Token, Action: store.Bury, Reason: "failure 3"})
	f.claim(0)
	e := f.entry(r.ID)
	if e.State != store.Dead || e.Attempts != 4 || e.Claims != 4 || e.Body != event("k", "u", "s").Body {
		f.Errorf("%+v", e)
	}
	for i, n := range e.History {
		if n.Reason != fmt.Sprint("failure ", i) || n.What != []string{"retry", "retry", "retry", "bury"}[i] {
			f.Errorf("note %d: %+v", i, n)
		}
	}
	if len(e.History) != 4 {
		f.Errorf("%d notes, want 4", len(e.History))
	}
}

func replayTwice(f *fixture) {
	r := f.queue(store.Stored, event("k", "u", "s"))
	var want []string
	for range 3 {
		c := f.claim(1)[0]
		if c.Attempts != 0 {
			f.Errorf("%d attempts burnt after a replay", c.Attempts)
		}
		f.settle(f.token(c, store.Bury))
		if n, err := f.inbox().Replay(f.Context(), r.ID, r.ID); err != nil || n != 1 {
			f.Fatal(n, err)
		}
		want = append(want, "bury", "replay")
	}
	var got []string
	for _, n := range f.entry(r.ID).History {
		got = append(got, n.What)
	}
	if !slices.Equal(got, want) {
		f.Errorf("history %q, want %q", got, want)
	}
}

func deadOnly(f *fixture) {
	var ids []string
	for _, k := range []string{"ready", "leased", "done", "dead"} {
		ids = append(ids, f.queue(store.Stored, event(k, "u", "s")).ID)
	}
	c := f.claim(4)
	f.settle(store.Settlement{Token: c[0].Token, Action: store.Release, At: time.Now().Add(time.Hour)}, f.token(c[2], store.Finish), f.token(c[3], store.Bury))
	ids = append(ids, "nonsense", "999999")
	if n, err := f.inbox().Replay(f.Context(), ids...); err != nil || n != 1 {
		f.Errorf("%d replayed, %v; want 1", n, err)
	}
	if n, err := f.inbox().Purge(f.Context(), ids...); err != nil || n != 0 {
		f.Errorf("%d purged, %v; want 0", n, err)
	}
	f.settle(f.token(f.claim(1)[0], store.Bury))
	if n, err := f.inbox().Purge(f.Context(), ids...); err != nil || n != 1 {
		f.Errorf("%d purged, %v; want 1", n, err)
	}
	if _, err := f.inbox().Get(f.Context(), ids[3]); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("purged: %v", err)
	}
	for i, want := range []store.EntryState{store.Ready, store.Leased, store.Done} {
		if got := f.entry(ids[i]).State; got != want {
			f.Errorf("%v became %v", want, got)
		}
	}
	f.queue(store.Stored, event("dead", "u", "s")) // forgotten with its key
}

func listEntries(f *fixture) {
	for i := range 9 {
		f.queue(store.Stored, event(fmt.Sprint("k", i), fmt.Sprint("u", i%2), "s"))
	}
	for i, c := range f.claim(9) {
		if i%3 == 0 {
			f.settle(f.token(c, store.Bury))
		}
	}
	list := func(q store.InboxQuery) (keys []string) {
		for {
			page, err := f.inbox().List(f.Context(), q)
			if err != nil {
				f.Fatal(err)
			}
			for _, e := range page {
				keys = append(keys, e.Key)
				q.After = e.ID
			}
			if len(page) < q.Limit || len(page) == 0 {
				return keys
			}
		}
	}
	for _, x := range []struct {
		q    store.InboxQuery
		want []string
	}{
		{store.InboxQuery{State: store.Dead, Limit: 2}, []string{"k0", "k3", "k6"}},
		{store.InboxQuery{State: store.Dead, UserID: "u1"}, []string{"k3"}},
		{store.InboxQuery{UserID: "u0", Limit: 2}, []string{"k0", "k2", "k4", "k6", "k8"}},
		{store.InboxQuery{State: store.Done}, nil},
	} {
		if got := list(x.q); !slices.Equal(got, x.want) {
			f.Errorf("%+v: %q, want %q", x.q, got, x.want)
		}
	}
}
