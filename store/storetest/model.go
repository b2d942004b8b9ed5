package storetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

var modelRules = []rule{
	{"random sessions end as in the oracle", "", inRounds(modelSessions)},
	{"random events end as in the oracle", "inbox", inRounds(modelInbox)},
}

// inRounds runs a model once, or as often as STORETEST_ROUNDS says, each time on an
// empty store.
func inRounds(model func(*fixture)) func(*fixture) {
	return func(f *fixture) {
		model(f)
		rounds, _ := strconv.Atoi(os.Getenv("STORETEST_ROUNDS"))
		for n := 1; n < rounds && !f.Failed(); n++ {
			f.Run(strconv.Itoa(n), func(t *testing.T) { model(newFixture(t, f.h)) })
		}
	}
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

// both runs one step on the backend and on the oracle and compares the results. A
// list that is empty and one that is nil are the same.
func both[T any](f *fixture, what string, oracle, backend func() (T, error)) {
	f.Helper()
	want, wantErr := oracle()
	got, err := backend()
	if err != nil || wantErr != nil || !alike(got, want) {
		f.Fatalf("%s:\n got %+v, %v\nwant %+v, %v%s", what, got, err, want, wantErr, firstOf(got, want))
	}
}

// firstOf is where two lists of one length differ first.
func firstOf(got, want any) string {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	if g.Kind() == reflect.Slice && w.Kind() == reflect.Slice && g.Len() == w.Len() {
		for n := range g.Len() {
			if a, b := g.Index(n).Interface(), w.Index(n).Interface(); !reflect.DeepEqual(a, b) {
				return fmt.Sprintf("\n got [%d] %+v\nwant [%d] %+v", n, a, n, b)
			}
		}
	}
	return ""
}

func alike(got, want any) bool {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	if g.Kind() == reflect.Slice && w.Kind() == reflect.Slice && g.Len()+w.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(got, want)
}

// dice draws what the models do. What they draw from is small, so that the same
// ids, instants and revisions meet often: what is rare elsewhere is the rule here.
type dice struct {
	*rand.Rand
	users, nights []string
	past          []store.Session // what has been put, to come again
}

func newDice(f *fixture) *dice {
	f.Helper()
	return &dice{Rand: f.random(), users: []string{"u1", "U1", "u2"}, nights: []string{"a", "A", "b", "b ", "é", "z", "10"}}
}

func pick[T any](d *dice, list ...T) T { return list[d.IntN(len(list))] }

func (d *dice) user() string { return pick(d, d.users...) }
func (d *dice) id() string   { return pick(d, d.nights...) }

// instant is one of few, three hours apart; or beside one, within a millisecond of
// it or a millisecond off.
func (d *dice) instant() time.Time {
	beside := pick[time.Duration](d, 0, 0, 0, 0, -1, 1, 999_999, time.Millisecond)
	return t0.Add(time.Duration(d.IntN(14))*3*time.Hour + beside)
}

// until is the end of an erasure, which spares the later half of the instants.
func (d *dice) until() time.Time { return t0.Add(time.Duration(d.IntN(8)) * 3 * time.Hour) }

// instants and dates bound a query, each of them half the time.
func (d *dice) maybeInstant() (t time.Time) {
	if d.IntN(2) == 0 {
		t = d.instant()
	}
	return t
}

func (d *dice) maybeDate() (date asleep.Date) {
	if d.IntN(4) == 0 {
		date = pick(d, asleep.DateOf(t0).AddDays(d.IntN(5)-1), asleep.Date{Year: 1, Month: 1, Day: 1}, asleep.Date{Year: 9999, Month: 12, Day: 31})
	}
	return date
}

// session is news: new ones, or such as have been put lately, as they were or with
// another start or user.
func (d *dice) session() store.Session {
	if len(d.past) > 0 && d.IntN(5) < 2 {
		s := pick(d, d.past[max(0, len(d.past)-20):]...)
		switch d.IntN(4) {
		case 0, 1:
			s.Start = pick(d, d.instant(), time.Time{})
		case 2:
			s.UserID = d.user()
		}
		return s
	}
	s := session(d.id(), d.user(), d.instant(), d.IntN(20))
	s.Observed = d.instant()
	s.Settled = d.IntN(6) == 0
	s.Form = pick(d, store.FormSummary, store.FormReport)
	s.Offset = time.Duration(d.IntN(49)-24) * time.Hour
	s.State = pick(d, asleep.SessionStateOpen, asleep.SessionStateClosed, asleep.SessionStateComplete, asleep.SessionStateComplete, "NEW")
	switch d.IntN(16) {
	case 0, 1:
		s.Start = time.Time{}
	case 2:
		s.Start = pick(d, time.Date(1, 1, 1, 0, 0, 0, 1_000_000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC))
	}
	if d.IntN(8) == 0 {
		s.End = time.Time{}
	}
	d.past = append(d.past, s)
	return s
}

// early is later than some sessions begin, and earlier than any window.
var early = t0.Add(7 * time.Hour)

func (d *dice) window() store.Window {
	w := window(d.id(), d.user(), d.IntN(6), asleep.Stage(d.IntN(4))) //nolint:gosec // 0 to 3
	w.Observed = d.instant().Add(9 * time.Hour)
	return w
}

// some draws one mostly, or up to five.
func some[T any](d *dice, draw func() T) []T {
	list := []T{draw()}
	if d.IntN(4) == 0 {
		for range d.IntN(5) {
			list = append(list, draw())
		}
	}
	return list
}

// query has a cursor at a session that was put, or at none.
func (d *dice) query() store.Query {
	q := store.Query{
		UserID: pick(d, d.user(), d.user(), ""), From: d.maybeInstant(), To: d.maybeInstant(), FromDate: d.maybeDate(), ToDate: d.maybeDate(),
		Limit: 1 + d.IntN(4), Brief: d.IntN(2) == 0,
	}
	switch d.IntN(4) {
	case 0:
		q.After = store.Cursor{Start: d.maybeInstant(), ID: d.id()}
	case 1:
		if len(d.past) > 0 {
			q.After = store.CursorOf(pick(d, d.past...))
		}
	}
	return q
}

func (d *dice) stats() store.StatsQuery {
	return store.StatsQuery{UserID: d.user(), From: d.maybeInstant(), To: d.maybeInstant(), Period: pick(d, store.PeriodAll, store.PeriodDaily, store.PeriodHourly)}
}
