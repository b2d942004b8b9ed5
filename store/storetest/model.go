package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
)

var modelRules = []rule{
	{"random sessions end as in the oracle", "", modelSessions},
	{"random events end as in the oracle", "inbox", modelInbox},
}

func (f *fixture) random() *rand.Rand {
	f.Helper()
	seed := uint64(time.Now().UnixNano())
	if v, err := strconv.ParseUint(os.Getenv("STORETEST_SEED"), 10, 64); err == nil {
		seed = v
	}
	f.Cleanup(func() {
		if f.Failed() {
			f.Logf("STORETEST_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}

// both runs one step on the backend and on the oracle and compares the results.
func both[T any](f *fixture, what string, oracle, backend func() (T, error)) {
	f.Helper()
	want, wantErr := oracle()
	got, err := backend()
	if err != nil || wantErr != nil || !reflect.DeepEqual(got, want) {
		f.Fatalf("%s:\n got %+v, %v\nwant %+v, %v", what, got, err, want, wantErr)
	}
}

func modelSessions(f *fixture) {
	r := f.random()
	oracle := memory.New()
	users, ids := []string{"u1", "u2", "u3"}, []string{"a", "b", "c", "d", "e", "f", "g"}
	pick := func(l []string) string { return l[r.IntN(len(l))] }
	instant := func() time.Time { return t0.Add(time.Duration(r.IntN(40)) * time.Hour) }
	for range 400 {
		id, user := pick(ids), pick(users)
		step := func(what string, do func(store.Sessions) (any, error)) {
			both(f, what, func() (any, error) { return do(oracle.Sessions()) }, func() (any, error) { return do(f.sessions()) })
		}
		switch n := r.IntN(20); {
		case n < 11:
			s := randomSession(r, id, user, instant())
			step(fmt.Sprintf("put %+v", s), func(x store.Sessions) (any, error) { return x.Put(f.Context(), s) })
		case n < 14:
			w := window(id, user, r.IntN(6), asleep.Stage(r.IntN(4))) //nolint:gosec // 0 to 3
			w.Observed = instant()
			step(fmt.Sprintf("window %+v", w), func(x store.Sessions) (any, error) { return x.PutWindow(f.Context(), w) })
		case n < 15:
			until := t0.Add(time.Duration(r.IntN(20)) * time.Hour)
			step(fmt.Sprint("delete ", user, id, until), func(x store.Sessions) (any, error) { return x.Delete(f.Context(), user, id, until) })
		case n < 16:
			until := t0.Add(time.Duration(r.IntN(20)) * time.Hour)
			step(fmt.Sprint("erase ", user, until), func(x store.Sessions) (any, error) { return x.EraseUser(f.Context(), user, until) })
		case n < 17:
			before := t0.Add(time.Duration(r.IntN(8)) * time.Hour)
			step(fmt.Sprint("expire ", before), func(x store.Sessions) (any, error) { return x.Expire(f.Context(), before, 1000) })
		default:
			q := store.Query{UserID: user, From: instant(), Limit: 1 + r.IntN(4), Brief: r.IntN(2) == 0}
			if r.IntN(2) == 0 {
				q.To, q.From = q.From, time.Time{}
			}
			step(fmt.Sprintf("list %+v", q), func(x store.Sessions) (any, error) { return timeless(x.List(f.Context(), q)) })
		}
	}
	for _, user := range append(users, "") {
		q := store.Query{UserID: user, Limit: store.MaxLimit}
		both(f, "all of "+user, func() ([]store.Session, error) { return timeless(oracle.Sessions().List(f.Context(), q)) },
			func() ([]store.Session, error) { return timeless(f.sessions().List(f.Context(), q)) })
	}
	for _, user := range users {
		for _, period := range []store.Period{store.PeriodAll, store.PeriodDaily, store.PeriodHourly} {
			q := store.StatsQuery{UserID: user, Period: period}
			both(f, fmt.Sprintf("stats %+v", q), func() ([]store.Bucket, error) { return oracle.Sessions().Stats(f.Context(), q) },
				func() ([]store.Bucket, error) { return f.sessions().Stats(f.Context(), q) })
		}
	}
	for _, user := range users {
		both(f, "partial nights of "+user, func() (any, error) { return partials(oracle.Sessions().Partials(f.Context(), user)) },
			func() (any, error) { return partials(f.sessions().Partials(f.Context(), user)) })
	}
	for _, id := range ids {
		want, wantErr := oracle.Sessions().Partial(f.Context(), id)
		got, err := f.sessions().Partial(f.Context(), id)
		if errors.Is(err, store.ErrNotFound) != errors.Is(wantErr, store.ErrNotFound) || !reflect.DeepEqual(got, want) {
			f.Errorf("partial %s: got %+v, %v, want %+v, %v", id, got, err, want, wantErr)
		}
	}
}

func randomSession(r *rand.Rand, id, user string, start time.Time) store.Session {
	s := session(id, user, start, r.IntN(20))
	s.Observed = start.Add(time.Duration(r.IntN(20)) * time.Hour)
	s.Settled = r.IntN(6) == 0
	s.Form = store.Form(r.IntN(2)) //nolint:gosec // 0 or 1
	s.Offset = time.Duration(r.IntN(25)-12) * time.Hour
	s.State = []asleep.SessionState{asleep.SessionStateOpen, asleep.SessionStateClosed, asleep.SessionStateComplete, "NEW"}[r.IntN(4)]
	if r.IntN(8) == 0 {
		s.Start = time.Time{}
	}
	return s
}

// timeless forgets the two times that each store sets for itself.
func timeless(list []store.Session, err error) ([]store.Session, error) {
	out := []store.Session{}
	for _, s := range list {
		s.CreatedAt, s.UpdatedAt = time.Time{}, time.Time{}
		out = append(out, s)
	}
	return out, err
}

// partials makes a list that is empty and one that is nil the same.
func partials(list []store.Partial, err error) (any, error) {
	return append([]store.Partial{}, list...), err
}

// pair is one event in the hands of both.
type pair struct{ got, want store.Claim }

func modelInbox(f *fixture) {
	r := f.random()
	backend := f.inbox()
	oracle, err := memory.New().Inbox()
	if err != nil {
		f.Fatal(err)
	}
	var held []pair
	received := time.Now()
	for range 300 {
		switch n := r.IntN(10); {
		case n < 4:
			e := event(fmt.Sprint("k", r.IntN(30)), "u", "s")
			e.Received = received
			e.Body = fmt.Sprint("body ", r.IntN(3))
			put := func(i store.Inbox) func() (store.Receipt, error) {
				return func() (store.Receipt, error) {
					out, err := i.Put(f.Context(), e)
					if err != nil {
						return store.Receipt{}, err
					}
					out[0].ID = ""
					return out[0], nil
				}
			}
			both(f, "put "+e.Key, put(oracle), put(backend))
		case n < 6:
			held = append(held, f.claimBoth(oracle, backend)...)
		default:
			if len(held) > 0 {
				at := r.IntN(len(held))
				if f.settleBoth(r, oracle, backend, held[at]) {
					held = slices.Delete(held, at, at+1)
				}
			}
		}
	}
	depth := func(i store.Inbox) func() (store.Depth, error) {
		return func() (store.Depth, error) { return i.Depth(f.Context()) }
	}
	both(f, "depth", depth(oracle), depth(backend))
}

// claimBoth claims everything that is due, so that the order, which depends on
// the millisecond in which each store did what, does not matter.
func (f *fixture) claimBoth(oracle, backend store.Inbox) (pairs []pair) {
	f.Helper()
	want, err := oracle.Claim(f.Context(), 1000, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	got, err := backend.Claim(f.Context(), 1000, time.Hour)
	if err != nil || len(got) != len(want) {
		f.Fatalf("claimed %d events, %v; want %d", len(got), err, len(want))
	}
	for _, w := range want {
		at := slices.IndexFunc(got, func(g store.Claim) bool { return g.Key == w.Key && g.Body == w.Body })
		if at < 0 {
			f.Fatalf("did not claim %s %q", w.Key, w.Body)
		}
		g := got[at]
		if g.Revision != w.Revision || g.Attempts != w.Attempts || g.Claims != w.Claims || !slices.Equal(g.Steps, w.Steps) {
			f.Fatalf("claimed %+v, want %+v", g, w)
		}
		pairs = append(pairs, pair{g, w})
	}
	return pairs
}

// settleBoth does something random to an event and reports whether its claim is
// over.
func (f *fixture) settleBoth(r *rand.Rand, oracle, backend store.Inbox, p pair) bool {
	f.Helper()
	s := store.Settlement{Action: store.Action(1 + r.IntN(5)), Step: fmt.Sprint("step", r.IntN(3)), Reason: "because"} //nolint:gosec // 1 to 5
	if r.IntN(4) == 0 {
		s.At = time.Now().Add(time.Hour)
	}
	settle := func(i store.Inbox, t store.Token) func() (int, error) {
		return func() (int, error) {
			s := s
			s.Token = t
			lost, err := i.Settle(f.Context(), s)
			return len(lost), err
		}
	}
	both(f, fmt.Sprintf("settle %+v", s), settle(oracle, p.want.Token), settle(backend, p.got.Token))
	if s.Action == store.Bury {
		replay := func(i store.Inbox, id string) func() (int, error) {
			return func() (int, error) { return i.Replay(f.Context(), id) }
		}
		both(f, "replay", replay(oracle, p.want.ID), replay(backend, p.got.ID))
	}
	return s.Action != store.StepDone
}
