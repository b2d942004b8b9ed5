package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

var eraseRules = []rule{
	{"an erased user is gone, and late news refused", "", eraseUser},
	{"erasing one user leaves the others", "", eraseOthers},
	{"refused news leave what is stored", "", eraseRefused},
	{"an erasure takes events and windows along", "inbox", eraseEvents},
	{"a deleted session stays away", "", deleteSession},
	{"deleting a session takes its events and windows along", "inbox", deleteEvents},
	{"an earlier erasure does not lower the tombstone", "", eraseEarlier},
	{"what expires is the oldest, as much as asked", "", expire},
	{"an erasure beside writers leaves nothing", "", eraseRace},
}

// year is later than all that the suite observes.
var year = t0.AddDate(1, 0, 0)

func (f *fixture) erase(user string, until time.Time) store.Erasure {
	f.Helper()
	e, err := f.sessions().EraseUser(f.Context(), user, until)
	if err != nil {
		f.Fatalf("erase %s: %v", user, err)
	}
	return e
}

func eraseUser(f *fixture) {
	for i := range 5 {
		f.put(store.Created, session(fmt.Sprint("s", i), "u1", t0, i))
	}
	until := session("", "", t0, 30).Observed
	if e := f.erase("u1", until); e.Sessions != 5 {
		f.Errorf("%+v, want 5 sessions", e)
	}
	f.wantIDs(store.Query{UserID: "u1"})
	f.put(store.Erased, session("s1", "u1", t0, 30))
	f.put(store.Erased, session("new", "u1", t0, 3))
	f.put(store.Erased, session("old", "u1", t0, 40)) // observed later, yet it began before
	f.put(store.Erased, session("future", "u1", t0.AddDate(0, 0, 1), 30))
	f.put(store.Created, session("back", "u1", until.Add(time.Second), 31))
	if out, err := f.sessions().PutWindow(f.Context(), window("w", "u1", 0, 1)); err != nil || out[0] != store.Erased {
		f.Errorf("window: %v, %v", out, err)
	}
	f.wantIDs(store.Query{}, "back")
}

func eraseOthers(f *fixture) {
	for _, u := range []string{"u1", "u2", "U1", "u1 ", "u", "u11", "%"} {
		f.put(store.Created, session("s-"+u, u, t0, 0))
	}
	f.erase("u1", year)
	f.erase("%", t0)
	f.wantIDs(store.Query{}, "s-u2", "s-u11", "s-u1 ", "s-u", "s-U1")
}

// eraseRefused refuses news for their start, which the stored ones, as new as
// they are, do not know: those stay.
func eraseRefused(f *fixture) {
	f.erase("u1", t0.Add(time.Hour))
	stored := session("s1", "u1", time.Time{}, 0)
	stored.Observed = t0.Add(2 * time.Hour)
	f.put(store.Created, stored)
	refused := stored
	refused.Start = t0
	f.put(store.Erased, refused)
	f.wantIDs(store.Query{}, "s1")
	f.put(store.Unchanged, stored)
}

func eraseEvents(f *fixture) {
	for _, e := range []store.Event{event("k1", "u1", "s1"), event("k2", "", "s1"), event("k3", "u2", "s2"), event("k4", "", "")} {
		f.queue(store.Stored, e)
	}
	f.put(store.Created, session("s1", "u1", t0, 0))
	if _, err := f.sessions().PutWindow(f.Context(), window("s3", "u1", 0, 1), window("s3", "u1", 1, 1), window("s4", "u2", 0, 1)); err != nil {
		f.Fatal(err)
	}
	var token store.Token
	for _, c := range f.claim(4) {
		if c.Key == "k1" {
			token = c.Token
		}
	}
	until := time.Now().Add(time.Hour)
	if e := f.erase("u1", until); e != (store.Erasure{Sessions: 1, Windows: 2, Events: 2}) {
		f.Errorf("%+v, want 1 session, 2 windows, 2 events", e)
	}
	if lost, err := f.inbox().Settle(f.Context(), store.Settlement{Token: token, Action: store.Retry}); err != nil || len(lost) != 1 {
		f.Errorf("settling an erased event: lost %v, %v", lost, err)
	}
	f.queue(store.Refused, event("late", "u1", "s9"))
	f.queue(store.Refused, event("k1", "u1", "s1"))
	f.queue(store.Stored, event("other", "u2", "s2"))
	after := event("after", "u1", "s10")
	after.Received = until.Add(time.Second)
	f.queue(store.Stored, after)
	if _, err := f.sessions().Partial(f.Context(), "s4"); err != nil {
		f.Errorf("the window of another user: %v", err)
	}
}

func deleteSession(f *fixture) {
	f.put(store.Created, session("s1", "u1", t0, 0))
	f.put(store.Created, session("s2", "u1", t0, 0))
	for _, want := range []bool{true, false} {
		if found, err := f.sessions().Delete(f.Context(), "u1", "s1", year); err != nil || found != want {
			f.Errorf("found %v, %v; want %v", found, err, want)
		}
	}
	f.put(store.Erased, session("s1", "u1", t0, 50))
	if out, err := f.sessions().PutWindow(f.Context(), window("s1", "u1", 0, 1)); err != nil || out[0] != store.Erased {
		f.Errorf("window: %v, %v", out, err)
	}
	f.wantIDs(store.Query{}, "s2")
	if found, err := f.sessions().Delete(f.Context(), "u2", "s2", year); err != nil || found {
		f.Errorf("a session of another user: found %v, %v", found, err)
	}
	f.put(store.Unchanged, session("s2", "u1", t0, 0))
	for user, id := range map[string]string{"u1": "", "": "s1"} {
		if _, err := f.sessions().Delete(f.Context(), user, id, year); !errors.Is(err, store.ErrInvalid) {
			f.Errorf("deleting session %q of user %q: %v", id, user, err)
		}
	}
}

func deleteEvents(f *fixture) {
	for _, e := range []store.Event{event("k1", "u1", "s1"), event("k2", "", "s1"), event("k3", "u2", "s1"), event("k4", "u1", "s2"), event("k5", "u1", "")} {
		f.queue(store.Stored, e)
	}
	if _, err := f.sessions().PutWindow(f.Context(), window("s1", "u1", 0, 1), window("s2", "u1", 0, 1)); err != nil {
		f.Fatal(err)
	}
	if found, err := f.sessions().Delete(f.Context(), "u1", "s1", time.Now().Add(time.Hour)); err != nil || !found {
		f.Errorf("found %v, %v", found, err)
	}
	var left []string
	for _, c := range f.claim(3) {
		left = append(left, c.Key)
	}
	if !slices.Equal(left, []string{"k3", "k4", "k5"}) {
		f.Errorf("%q are left, want those of other users and sessions", left)
	}
	if _, err := f.sessions().Partial(f.Context(), "s1"); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("the window is still there: %v", err)
	}
	f.queue(store.Refused, event("late", "u1", "s1"))
	f.queue(store.Stored, event("late", "u1", "s3"))
}

func eraseEarlier(f *fixture) {
	late := session("s1", "u1", t0, 100)
	f.erase("u1", late.Observed)
	f.erase("u1", t0)
	f.put(store.Erased, late)
}

func expire(f *fixture) {
	for i := range 10 {
		f.put(store.Created, session(fmt.Sprint("s", i), "u1", t0.Add(time.Duration(i)*time.Hour), 0))
	}
	f.put(store.Created, session("unknown start", "u1", time.Time{}, 0))
	cut := store.Milli(t0.Add(6 * time.Hour))
	for i, want := range []int{4, 2, 0} {
		if n, err := f.sessions().Expire(f.Context(), cut, 4); err != nil || n != want {
			f.Errorf("%d sessions, %v; want %d", n, err, want)
		}
		if i == 0 {
			f.wantIDs(store.Query{To: cut, From: t0.Add(-time.Hour)}, "s5", "s4")
		}
	}
	f.wantIDs(store.Query{}, "s9", "s8", "s7", "s6", "unknown start")
	if n, err := f.sessions().Expire(f.Context(), time.Now().Add(time.Hour), 100); err != nil || n != 5 {
		f.Errorf("%d sessions, %v; want 5, those without a start by their creation", n, err)
	}
	if _, err := f.sessions().PutWindow(f.Context(), window("w", "u1", 0, 1)); err != nil {
		f.Fatal(err)
	}
	if _, err := f.sessions().Expire(f.Context(), year, 1); err != nil {
		f.Fatal(err)
	}
	if _, err := f.sessions().Partial(f.Context(), "w"); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("an old window stays: %v", err)
	}
}

func eraseRace(f *fixture) {
	for round := range 10 {
		u := fmt.Sprint("u", round)
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 6 {
					if _, err := f.sessions().Put(f.Context(), session(fmt.Sprint(u, g, i), u, t0, i)); err != nil {
						f.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			pause := time.NewTimer(time.Duration(rand.IntN(4)) * time.Millisecond)
			<-pause.C
			if _, err := f.sessions().EraseUser(f.Context(), u, year); err != nil {
				f.Error(err)
			}
		})
		wg.Wait()
		f.wantIDs(store.Query{UserID: u})
	}
}
