package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

var orderRules = []rule{
	{"an update keeps created_at and moves updated_at", "", keepsCreated},
	{"older and equal news change nothing", "", olderNews},
	{"a settled report outlives later unsettled news", "", settledWins},
	{"any order of arrival ends the same", "", permutations},
	{"a session named twice in a batch ends as its newest", "", batchTwice},
}

func keepsCreated(f *fixture) {
	f.put(store.Created, session("s1", "u1", t0, 0))
	a := f.get("s1")
	f.eventually("the next millisecond", func() bool { return time.Now().After(a.CreatedAt.Add(2 * time.Millisecond)) })
	y := session("s1", "u1", t0.Add(time.Minute), 1)
	y.Epochs, y.End = store.Epochs{}, time.Time{} // what is gone must go
	y.Metrics = store.Metrics{}
	f.put(store.Updated, y)
	b := f.get("s1")
	same(f, b, y)
	if !b.CreatedAt.Equal(a.CreatedAt) || !b.UpdatedAt.After(a.UpdatedAt) {
		f.Errorf("created %v -> %v, updated %v -> %v", a.CreatedAt, b.CreatedAt, a.UpdatedAt, b.UpdatedAt)
	}
	f.put(store.Unchanged, session("s1", "u1", t0, 0))
	if c := f.get("s1"); !c.UpdatedAt.Equal(b.UpdatedAt) {
		f.Error("old news moved updated_at")
	}
}

func olderNews(f *fixture) {
	f.put(store.Created, session("s1", "u1", t0, 5))
	for _, n := range []int{5, 4} {
		y := session("s1", "u1", t0.Add(time.Hour), n)
		f.put(store.Unchanged, y)
	}
	same(f, f.get("s1"), session("s1", "u1", t0, 5))
	summary := session("s1", "u1", t0, 5)
	summary.Form = store.FormSummary
	f.put(store.Unchanged, summary)
	open := session("s2", "u1", t0, 5)
	open.State = asleep.SessionStateOpen
	f.put(store.Created, open)
	f.put(store.Updated, session("s2", "u1", t0, 5)) // the same moment, a later state
}

func settledWins(f *fixture) {
	settled := session("s1", "u1", t0, 0)
	settled.Settled = true
	f.put(store.Created, session("s1", "u1", t0, 5))
	f.put(store.Updated, settled)
	f.put(store.Unchanged, session("s1", "u1", t0, 9))
	same(f, f.get("s1"), settled)
	again := session("s1", "u1", t0, 10)
	again.Settled = true
	f.put(store.Updated, again)
}

func permutations(f *fixture) {
	for p := range 6 {
		id := fmt.Sprint("p", p)
		order := rand.Perm(8)
		for _, n := range order {
			s := session(id, "u1", t0, n)
			s.Settled = n == 4 || n == 5
			for range 2 {
				if _, err := f.sessions().Put(f.Context(), s); err != nil {
					f.Fatal(err)
				}
			}
		}
		want := session(id, "u1", t0, 5)
		want.Settled = true
		same(f, f.get(id), want)
		if f.Failed() {
			f.Fatalf("order %v", order)
		}
	}
}

func batchTwice(f *fixture) {
	f.put(store.Created, session("b", "u1", t0, 9))
	out, err := f.sessions().Put(f.Context(),
		session("a", "u1", t0, 1), session("a", "u1", t0.Add(time.Hour), 2), session("a", "u1", t0, 0), session("b", "u1", t0, 3), session("c", "u1", t0, 0))
	if err != nil || len(out) != 5 {
		f.Fatal(out, err)
	}
	if out[3] != store.Unchanged || out[4] != store.Created {
		f.Errorf("outcomes %v", out)
	}
	same(f, f.get("a"), session("a", "u1", t0.Add(time.Hour), 2))
	same(f, f.get("b"), session("b", "u1", t0, 9))
}
