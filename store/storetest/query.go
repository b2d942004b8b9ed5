package storetest

import (
	"fmt"
	"math"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

var queryRules = []rule{
	{"ranges are half-open and newest first", "", ranges},
	{"ranges of dates are inclusive and local, also over clock changes", "", dateRanges},
	{"pages follow each other over equal times", "", paging},
	{"a cursor outlives its session", "", cursorOutlives},
	{"a brief list leaves out what is large", "", brief},
	{"a page is as long as asked", "", pageSizes},
}

var statsRules = []rule{
	{"statistics over all, by day and by hour", "", statistics},
	{"statistics count a session once, as it is now", "", statisticsOnce},
}

func day(d int) time.Time { return time.Date(2026, 5, d, 0, 0, 0, 0, time.UTC) }

func ranges(f *fixture) {
	var list []store.Session
	for d := 1; d <= 9; d++ {
		list = append(list, session(fmt.Sprint("d", d), "u1", day(d), 0), session(fmt.Sprint("x", d), "u2", day(d), 0))
	}
	if _, err := f.sessions().Put(f.Context(), list...); err != nil {
		f.Fatal(err)
	}
	f.wantIDs(store.Query{UserID: "u1", From: day(3), To: day(6)}, "d5", "d4", "d3")
	f.wantIDs(store.Query{UserID: "u1", From: day(8)}, "d9", "d8")
	f.wantIDs(store.Query{UserID: "u1", To: day(2)}, "d1")
	f.wantIDs(store.Query{UserID: "u1", From: day(3), To: day(3)})
	seoul := time.FixedZone("", 9*3600)
	f.wantIDs(store.Query{UserID: "u1", From: day(8).In(seoul), To: day(9).In(seoul)}, "d8")
	f.wantIDs(store.Query{UserID: "u1", From: day(3).Add(1), To: day(5).Add(1)}, "d5", "d4")
	f.wantIDs(store.Query{From: day(3), To: day(4)}, "x3", "d3")
	recent, err := store.Recent(f.Context(), f.sessions(), "u1", 2)
	if err != nil || len(recent) != 2 || recent[0].ID != "d9" || recent[1].ID != "d8" {
		f.Errorf("Recent: %v, %v", recent, err)
	}
	n := 0
	for s, err := range store.Between(f.Context(), f.sessions(), "u1", day(3), day(6)) {
		if err != nil || s.UserID != "u1" {
			f.Fatal(s.UserID, err)
		}
		n++
	}
	if n != 3 {
		f.Errorf("Between: %d sessions, want 3", n)
	}
}

func dateRanges(f *fixture) {
	// In New York the clocks went forward on 8 March 2026 and back on 1 November.
	put := func(id string, utc time.Time, offset int) {
		s := session(id, "u1", utc, 0)
		s.Zone, s.Offset, s.Observed = "America/New_York", time.Duration(offset)*time.Hour, utc.Add(9*time.Hour)
		f.put(store.Created, s)
	}
	put("7-2330", time.Date(2026, 3, 8, 4, 30, 0, 0, time.UTC), -5)
	put("8-0130", time.Date(2026, 3, 8, 6, 30, 0, 0, time.UTC), -5)
	put("8-2330", time.Date(2026, 3, 9, 3, 30, 0, 0, time.UTC), -4)
	put("9-0010", time.Date(2026, 3, 9, 4, 10, 0, 0, time.UTC), -4)
	put("o31-2350", time.Date(2026, 11, 1, 3, 50, 0, 0, time.UTC), -4)
	put("n1-0130a", time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC), -4)
	put("n1-0130b", time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC), -5)
	put("n1-2350", time.Date(2026, 11, 2, 4, 50, 0, 0, time.UTC), -5)
	far := session("east", "u1", time.Date(2026, 3, 7, 10, 30, 0, 0, time.UTC), 0)
	far.Offset, far.Observed = 14*time.Hour, far.End
	f.put(store.Created, far) // half past midnight on the 8th, on Kiritimati
	on := func(m time.Month, from, to int) store.Query {
		return store.Query{UserID: "u1", FromDate: asleep.Date{Year: 2026, Month: m, Day: from}, ToDate: asleep.Date{Year: 2026, Month: m, Day: to}}
	}
	f.wantIDs(on(3, 7, 7), "7-2330")
	f.wantIDs(on(3, 8, 8), "8-2330", "8-0130", "east")
	f.wantIDs(on(3, 8, 9), "9-0010", "8-2330", "8-0130", "east")
	f.wantIDs(on(11, 1, 1), "n1-2350", "n1-0130b", "n1-0130a")
	f.wantIDs(store.Query{UserID: "u1", FromDate: asleep.Date{Year: 2026, Month: 11, Day: 1}}, "n1-2350", "n1-0130b", "n1-0130a")
	f.wantIDs(store.Query{UserID: "u1", ToDate: asleep.Date{Year: 2026, Month: 3, Day: 7}}, "7-2330")
}

func paging(f *fixture) {
	var want []string
	for i := range 25 {
		f.put(store.Created, session(fmt.Sprintf("s%02d", i), fmt.Sprint("u", i%2), t0.Add(time.Duration(i/5)*time.Hour), 0))
		want = append([]string{fmt.Sprintf("s%02d", i)}, want...)
	}
	for _, limit := range []int{1, 4, 5, 25, 26, 0} {
		f.wantIDs(store.Query{Limit: limit}, want...)
	}
	var odd []string
	for i := 1; i < 25; i += 2 {
		odd = append(odd, want[i])
	}
	f.wantIDs(store.Query{UserID: "u1", Limit: 3}, odd...)
	text := store.CursorOf(f.get("s22")).String()
	after, err := store.ParseCursor(text)
	if err != nil {
		f.Fatal(err)
	}
	f.wantIDs(store.Query{After: after, From: t0.Add(4*time.Hour - time.Minute)}, "s21", "s20")
}

func cursorOutlives(f *fixture) {
	for i := range 6 {
		f.put(store.Created, session(fmt.Sprint("s", i), "u1", t0.Add(time.Duration(i)*time.Hour), 0))
	}
	after := store.CursorOf(f.get("s3"))
	if _, err := f.sessions().Delete(f.Context(), "u1", "s3", t0); err != nil {
		f.Fatal(err)
	}
	f.wantIDs(store.Query{UserID: "u1", After: after, Limit: 2}, "s2", "s1", "s0")
	f.put(store.Created, session("none", "u1", time.Time{}, 0))
	f.put(store.Created, session("nona", "u1", time.Time{}, 0))
	f.wantIDs(store.Query{UserID: "u1", After: store.Cursor{ID: "none"}}, "nona")
}

func brief(f *fixture) {
	f.put(store.Created, session("s1", "u1", t0, 0))
	list, err := f.sessions().List(f.Context(), store.Query{UserID: "u1", Brief: true})
	if err != nil || len(list) != 1 {
		f.Fatal(list, err)
	}
	want := session("s1", "u1", t0, 0)
	want.Raw, want.Epochs = "", store.Epochs{}
	same(f, list[0], want)
}

func pageSizes(f *fixture) {
	var list []store.Session
	for i := range 120 {
		list = append(list, session(fmt.Sprint("s", i), "u1", t0, 0))
	}
	if _, err := f.sessions().Put(f.Context(), list...); err != nil {
		f.Fatal(err)
	}
	for limit, want := range map[int]int{0: store.DefaultLimit, 1: 1, 119: 119, store.MaxLimit: 120} {
		if got, err := f.sessions().List(f.Context(), store.Query{Limit: limit}); err != nil || len(got) != want {
			f.Errorf("limit %d: %d sessions, %v; want %d", limit, len(got), err, want)
		}
	}
}

func statistics(f *fixture) {
	put := func(id string, start time.Time, index float64) {
		s := session(id, "u1", start, 0)
		s.Metrics = store.Metrics{}
		if index > 0 {
			s.Metrics.Set(store.SleepIndex, index)
		}
		f.put(store.Created, s)
	}
	seoul := time.FixedZone("", 9*3600)
	put("a", time.Date(2026, 5, 1, 22, 10, 0, 0, seoul), 70)
	put("b", time.Date(2026, 5, 2, 22, 50, 0, 0, seoul), 90)
	put("c", time.Date(2026, 5, 2, 22, 5, 0, 0, seoul), 50)
	put("d", time.Date(2026, 5, 3, 3, 0, 0, 0, seoul), 0)
	other := session("x", "u2", t0, 0)
	f.put(store.Created, other)
	want := func(q store.StatsQuery, count, sessions []int, mean, latest []float64) {
		f.Helper()
		q.UserID = "u1"
		got, err := f.sessions().Stats(f.Context(), q)
		if err != nil || len(got) != len(count) {
			f.Fatalf("%+v: %d buckets, %v; want %d", q, len(got), err, len(count))
		}
		for i, b := range got {
			x := b.Figure(store.SleepIndex)
			if b.Sessions != sessions[i] || x.Count != count[i] || math.Abs(x.Mean-mean[i]) > 1e-9 || x.Latest != latest[i] {
				f.Errorf("%+v bucket %d: %d sessions, %+v; want %d sessions, %d figures, mean %v, latest %v", q, i, b.Sessions, x, sessions[i], count[i], mean[i], latest[i])
			}
			if b.Figure(store.TimeInREM) != (store.Figure{}) {
				f.Errorf("a figure that nobody has: %+v", b.Figure(store.TimeInREM))
			}
		}
	}
	want(store.StatsQuery{}, []int{3}, []int{4}, []float64{70}, []float64{90})
	want(store.StatsQuery{Period: store.PeriodDaily}, []int{1, 2, 0}, []int{1, 2, 1}, []float64{70, 70, 0}, []float64{70, 90, 0})
	want(store.StatsQuery{Period: store.PeriodHourly}, []int{1, 2, 0}, []int{1, 2, 1}, []float64{70, 70, 0}, []float64{70, 90, 0})
	want(store.StatsQuery{From: time.Date(2026, 5, 2, 22, 5, 0, 0, seoul), To: time.Date(2026, 5, 2, 22, 50, 0, 0, seoul)}, []int{1}, []int{1}, []float64{50}, []float64{50})
	all, err := f.sessions().Stats(f.Context(), store.StatsQuery{UserID: "u1"})
	if err != nil {
		f.Fatal(err)
	}
	if x := all[0].Figure(store.SleepIndex); x.Min != 50 || x.Max != 90 {
		f.Errorf("min %v, max %v; want 50, 90", x.Min, x.Max)
	}
}

func statisticsOnce(f *fixture) {
	for _, n := range []int{3, 3, 1, 7, 7} {
		if _, err := f.sessions().Put(f.Context(), session("s1", "u1", t0, n)); err != nil {
			f.Fatal(err)
		}
	}
	got, err := f.sessions().Stats(f.Context(), store.StatsQuery{UserID: "u1"})
	if err != nil || len(got) != 1 || got[0].Sessions != 1 || got[0].Figure(store.SleepIndex).Mean != 67 {
		f.Errorf("%+v, %v: want one session with index 67", got, err)
	}
}
