package storetest

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

var windowRules = []rule{
	{"windows are placed by number in any order", "", placed},
	{"a window that comes again changes nothing unless it is newer", "", windowAgain},
	{"a settled report ends the partial night", "", settledEndsPartial},
	{"nights that only windows are known of are listed by user", "", partialsOfUser},
}

func placed(f *fixture) {
	var want store.Partial
	for round := range 4 {
		id := string(rune('a' + round))
		list := []store.Window{window(id, "u1", 0, 0), window(id, "u1", 1, 1), window(id, "u1", 2, 2), window(id, "u1", 4, 3)}
		list[2].Epochs.Sleep = make(asleep.Stages, 15) // reaches back into window 1
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, w := range list {
			for _, o := range []store.Outcome{store.Created, store.Unchanged} {
				if out, err := f.sessions().PutWindow(f.Context(), w); err != nil || out[0] != o {
					f.Fatalf("window %d: %v, %v; want %v", w.Seq, out, err, o)
				}
			}
		}
		got, err := f.sessions().Partial(f.Context(), id)
		if err != nil {
			f.Fatal(err)
		}
		if want.Windows == 0 {
			want = got
			if len(got.Epochs.Sleep) != 50 || got.Epochs.Sleep[14] != 1 || got.Epochs.Sleep[15] != 0 || got.Epochs.Sleep[35] != -1 || got.Epochs.Sleep[49] != 3 {
				f.Fatalf("placed wrongly: %v", got.Epochs.Sleep)
			}
			if got.Epochs.Breath != nil || got.Windows != 4 || got.Seq != 4 || got.UserID != "u1" || !got.UpdatedAt.Equal(window(id, "u1", 4, 0).Observed.Truncate(time.Millisecond)) {
				f.Errorf("partial night: %+v", got)
			}
		}
		if !reflect.DeepEqual(got.Epochs, want.Epochs) {
			f.Errorf("another order gave other epochs: %v", got.Epochs.Sleep)
		}
	}
}

func windowAgain(f *fixture) {
	w := window("s1", "u1", 3, 1)
	older, newer := w, w
	older.Observed, newer.Observed = w.Observed.Add(-time.Second), w.Observed.Add(time.Second)
	older.Epochs, newer.Epochs = window("s1", "u1", 3, 2).Epochs, window("s1", "u1", 3, 3).Epochs
	out, err := f.sessions().PutWindow(f.Context(), w, older, newer, w)
	if want := []store.Outcome{store.Created, store.Unchanged, store.Updated, store.Unchanged}; err != nil || !reflect.DeepEqual(out, want) {
		f.Errorf("%v, %v; want %v", out, err, want)
	}
	if p, err := f.sessions().Partial(f.Context(), "s1"); err != nil || p.Epochs.Sleep[39] != 3 || p.Windows != 1 {
		f.Errorf("%+v, %v", p, err)
	}
}

func settledEndsPartial(f *fixture) {
	put := func(want store.Outcome, seq int) {
		f.Helper()
		if out, err := f.sessions().PutWindow(f.Context(), window("s1", "u1", seq, 1)); err != nil || out[0] != want {
			f.Errorf("window %d: %v, %v; want %v", seq, out, err, want)
		}
	}
	put(store.Created, 0)
	unsettled := session("s1", "u1", t0, 0)
	f.put(store.Created, unsettled)
	put(store.Created, 1)
	settled := session("s1", "u1", t0, 1)
	settled.Settled = true
	f.put(store.Updated, settled)
	put(store.Unchanged, 2)
	if _, err := f.sessions().Partial(f.Context(), "s1"); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("the partial night is still there: %v", err)
	}
}

func partialsOfUser(f *fixture) {
	at := func(id, user string, seq, minute int) store.Window {
		w := window(id, user, seq, 1)
		w.Observed = t0.Add(time.Duration(minute) * time.Minute)
		return w
	}
	_, err := f.sessions().PutWindow(f.Context(), at("old", "u1", 0, 0), at("old", "u1", 3, 20), at("old", "u1", 1, 10),
		at("new", "u1", 1, 30), at("same", "u1", 1, 30), at("theirs", "u2", 1, 40), at("known", "u1", 1, 50), at("U1", "U1", 1, 60))
	if err != nil {
		f.Fatal(err)
	}
	f.put(store.Created, session("known", "u1", t0, 0))
	want := []store.Partial{
		{SessionID: "same", UserID: "u1", Seq: 1, Windows: 1, UpdatedAt: store.Milli(t0.Add(30 * time.Minute))},
		{SessionID: "new", UserID: "u1", Seq: 1, Windows: 1, UpdatedAt: store.Milli(t0.Add(30 * time.Minute))},
		{SessionID: "old", UserID: "u1", Seq: 3, Windows: 3, UpdatedAt: store.Milli(t0.Add(20 * time.Minute))},
	}
	got, err := f.sessions().Partials(f.Context(), "u1")
	if err != nil || !reflect.DeepEqual(got, want) {
		f.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if none, err := f.sessions().Partials(f.Context(), "u3"); err != nil || len(none) > 0 {
		f.Errorf("of nobody: %+v, %v", none, err)
	}
	if _, err := f.sessions().Partials(f.Context(), ""); !errors.Is(err, store.ErrInvalid) {
		f.Errorf("without a user: %v", err)
	}
	if began := want[2].Began(); !began.Equal(store.Milli(t0)) { // four windows of five minutes
		f.Errorf("the night began at %v, want %v", began, t0)
	}
}
