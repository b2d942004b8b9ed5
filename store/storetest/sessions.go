package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

var sessionRules = []rule{
	{"a session comes back as it was put", "", roundTrip},
	{"a body of a megabyte comes back", "", largeBody},
	{"an open session has no end and no start", "", openSession},
	{"what is not there is ErrNotFound", "", notFound},
	{"invalid arguments are ErrInvalid and write nothing", "", invalidPut},
	{"an ended context writes nothing", "", endedContext},
	{"a closed store answers ErrClosed", "", closedStore},
	{"ids differ by case, accent and space", "", exactIDs},
	{"hostile ids stay data", "", hostileIDs},
	{"a session of another user is not overwritten", "", foreignSession},
	{"nothing is shared with the caller", "", noSharing},
	{"a batch is stored whole", "", wholeBatch},
	{"stored sessions survive a reopening", "reopen", reopenSessions},
	{"ping answers", "", func(f *fixture) {
		if err := f.store.Ping(f.Context()); err != nil {
			f.Error(err)
		}
	}},
}

// same compares sessions but for the two times that the store sets.
func same(f *fixture, got, want store.Session) {
	f.Helper()
	want, err := want.Normalize()
	if err != nil {
		f.Fatal(err)
	}
	want.CreatedAt, want.UpdatedAt = got.CreatedAt, got.UpdatedAt
	if !reflect.DeepEqual(got, want) {
		f.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func roundTrip(f *fixture) {
	before := store.Milli(time.Now())
	x := session("s1", "u1", t0, 0)
	x.Metrics.Set(store.UnstableBreathCount, math.SmallestNonzeroFloat64)
	f.put(store.Created, x)
	got := f.get("s1")
	same(f, got, x)
	if got.CreatedAt.Before(before) || got.CreatedAt.After(time.Now()) || !got.UpdatedAt.Equal(got.CreatedAt) || got.CreatedAt.Location() != time.UTC {
		f.Errorf("created %v, updated %v: want both now, in UTC", got.CreatedAt, got.UpdatedAt)
	}
	same(f, got, x)
	y := store.Session{ID: "bare", UserID: "u1", Observed: t0, Zone: "Mars/Olympus", State: "NEW_STATE", Offset: -12 * time.Hour}
	f.put(store.Created, y)
	same(f, f.get("bare"), y)
}

func largeBody(f *fixture) {
	b := make([]byte, 1<<20)
	_, _ = rand.Read(b)
	x := session("s1", "u1", t0, 0)
	x.Raw = string(b)
	f.put(store.Created, x)
	same(f, f.get("s1"), x)
}

func openSession(f *fixture) {
	x := session("s1", "u1", time.Time{}, 0)
	x.End, x.State, x.Raw, x.Epochs, x.Metrics = time.Time{}, asleep.SessionStateOpen, "", store.Epochs{}, store.Metrics{}
	f.put(store.Created, x)
	got := f.get("s1")
	same(f, got, x)
	if !got.Start.IsZero() || !got.End.IsZero() || !got.LocalDate().IsZero() {
		f.Errorf("start %v, end %v: want none", got.Start, got.End)
	}
	f.put(store.Created, session("s2", "u1", time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), 0))
	f.wantIDs(store.Query{UserID: "u1"}, "s2", "s1")
	f.wantIDs(store.Query{UserID: "u1", From: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)}, "s2")
	f.wantIDs(store.Query{UserID: "u1", FromDate: asleep.Date{Year: 1, Month: 1, Day: 1}}, "s2")
}

func notFound(f *fixture) {
	if _, err := f.sessions().Get(f.Context(), "none"); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("Get: %v", err)
	}
	if _, err := f.sessions().Partial(f.Context(), "none"); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("Partial: %v", err)
	}
	f.wantIDs(store.Query{UserID: "none"})
	if b, err := f.sessions().Stats(f.Context(), store.StatsQuery{UserID: "none"}); err != nil || len(b) > 0 {
		f.Errorf("Stats: %v, %v", b, err)
	}
	if out, err := f.sessions().Put(f.Context()); err != nil || len(out) > 0 {
		f.Errorf("Put of none: %v, %v", out, err)
	}
	if out, err := f.sessions().PutWindow(f.Context()); err != nil || len(out) > 0 {
		f.Errorf("PutWindow of none: %v, %v", out, err)
	}
}

func invalidPut(f *fixture) {
	good := session("good", "u1", t0, 0)
	for name, edit := range map[string]func(*store.Session){
		"no id":       func(s *store.Session) { s.ID = "" },
		"no user":     func(s *store.Session) { s.UserID = "" },
		"zero byte":   func(s *store.Session) { s.UserID = "a\x00b" },
		"not UTF-8":   func(s *store.Session) { s.ID = "\xff" },
		"no observed": func(s *store.Session) { s.Observed = time.Time{} },
	} {
		bad := good
		edit(&bad)
		if _, err := f.sessions().Put(f.Context(), good, bad); !errors.Is(err, store.ErrInvalid) {
			f.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if _, err := f.sessions().List(f.Context(), store.Query{Limit: store.MaxLimit + 1}); !errors.Is(err, store.ErrInvalid) {
		f.Errorf("limit: %v", err)
	}
	if _, err := f.sessions().Expire(f.Context(), t0, 0); !errors.Is(err, store.ErrInvalid) {
		f.Errorf("expire: %v", err)
	}
	if _, err := f.sessions().EraseUser(f.Context(), "", t0); !errors.Is(err, store.ErrInvalid) {
		f.Errorf("erase nobody: %v", err)
	}
	if _, err := f.sessions().PutWindow(f.Context(), window("s", "u", -1, 0)); !errors.Is(err, store.ErrInvalid) {
		f.Errorf("window: %v", err)
	}
	f.wantIDs(store.Query{})
}

func endedContext(f *fixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	if _, err := f.sessions().Put(ctx, session("s1", "u1", t0, 0)); !errors.Is(err, context.Canceled) {
		f.Errorf("Put: %v", err)
	}
	if _, err := f.sessions().List(ctx, store.Query{}); !errors.Is(err, context.Canceled) {
		f.Errorf("List: %v", err)
	}
	if _, err := f.sessions().EraseUser(ctx, "u1", t0.AddDate(1, 0, 0)); !errors.Is(err, context.Canceled) {
		f.Errorf("EraseUser: %v", err)
	}
	f.wantIDs(store.Query{})
	f.put(store.Created, session("s1", "u1", t0, 0))
}

func closedStore(f *fixture) {
	f.put(store.Created, session("s1", "u1", t0, 0))
	for range 2 {
		if err := f.store.Close(); err != nil {
			f.Errorf("Close: %v", err)
		}
	}
	_, put := f.sessions().Put(f.Context(), session("s2", "u1", t0, 0))
	_, get := f.sessions().Get(f.Context(), "s1")
	_, list := f.sessions().List(f.Context(), store.Query{})
	_, erase := f.sessions().EraseUser(f.Context(), "u1", t0)
	for name, err := range map[string]error{"Put": put, "Get": get, "List": list, "EraseUser": erase, "Ping": f.store.Ping(f.Context())} {
		if !errors.Is(err, store.ErrClosed) || !errors.Is(err, store.ErrUnavailable) {
			f.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

func exactIDs(f *fixture) {
	for i, u := range []string{"User", "user", "usér", "use\u0301r", "user ", " user"} {
		f.put(store.Created, session("S"+u, u, t0, 0))
		f.put(store.Created, session(fmt.Sprint("s", i), u, t0.Add(-time.Hour), 0))
	}
	f.wantIDs(store.Query{UserID: "user"}, "Suser", "s1")
	f.wantIDs(store.Query{UserID: "use\u0301r"}, "Suse\u0301r", "s3")
	if _, err := f.sessions().Get(f.Context(), "suser"); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("another case: %v", err)
	}
}

func hostileIDs(f *fixture) {
	for _, u := range []string{`'; DROP TABLE sessions;--`, `$where`, `{"$gt":""}`, "a.b.$c", `%_\`, "?1", "\u202ex", strings.Repeat("x", 512)} {
		f.put(store.Created, session(u, u, t0, 0))
		f.wantIDs(store.Query{UserID: u}, u)
		same(f, f.get(u), session(u, u, t0, 0))
	}
}

func foreignSession(f *fixture) {
	f.put(store.Created, session("s1", "u1", t0, 0))
	f.put(store.Foreign, session("s1", "u2", t0, 9))
	same(f, f.get("s1"), session("s1", "u1", t0, 0))
	f.wantIDs(store.Query{UserID: "u2"})
	if out, err := f.sessions().PutWindow(f.Context(), window("s1", "u2", 1, 1)); err != nil || out[0] != store.Foreign {
		f.Errorf("window of another user: %v, %v", out, err)
	}
	if out, err := f.sessions().PutWindow(f.Context(), window("s2", "u1", 1, 1), window("s2", "u2", 2, 1)); err != nil || out[1] != store.Foreign {
		f.Errorf("windows of two users: %v, %v", out, err)
	}
}

func noSharing(f *fixture) {
	x := session("s1", "u1", t0, 0)
	x.Epochs = x.Epochs.Clone()
	f.put(store.Created, x)
	x.Epochs.Sleep[0] = 9
	f.get("s1").Epochs.Sleep[0] = 8
	if list, err := f.sessions().List(f.Context(), store.Query{}); err != nil || list[0].Epochs.Sleep[0] != 0 {
		f.Errorf("the stored epochs were changed from outside: %v", err)
	}
	w := window("s2", "u1", 1, 1)
	if _, err := f.sessions().PutWindow(f.Context(), w); err != nil {
		f.Fatal(err)
	}
	w.Epochs.Sleep[9] = 7
	if p, err := f.sessions().Partial(f.Context(), "s2"); err != nil || p.Epochs.Sleep[19] != 1 {
		f.Errorf("the stored window was changed from outside: %v", err)
	}
}

func wholeBatch(f *fixture) {
	const n = 1200
	list := make([]store.Session, n)
	for i := range list {
		list[i] = session(fmt.Sprintf("s%04d", i), fmt.Sprint("u", i%7), t0.Add(time.Duration(i)*time.Minute), 0)
	}
	for _, want := range []store.Outcome{store.Created, store.Unchanged} {
		out, err := f.sessions().Put(f.Context(), list...)
		if err != nil || len(out) != n {
			f.Fatalf("%d outcomes, %v", len(out), err)
		}
		for i, o := range out {
			if o != want {
				f.Fatalf("session %d is %v, want %v", i, o, want)
			}
		}
	}
	if got := f.ids(store.Query{Limit: 7}); len(got) != n || got[0] != "s1199" || got[n-1] != "s0000" {
		f.Errorf("%d sessions, want %d, newest first", len(got), n)
	}
}

func reopenSessions(f *fixture) {
	f.put(store.Created, session("s1", "u1", t0, 0))
	f.put(store.Created, session("s2", "u2", t0, 0))
	if _, err := f.sessions().EraseUser(f.Context(), "u2", t0.AddDate(1, 0, 0)); err != nil {
		f.Fatal(err)
	}
	created := f.get("s1").CreatedAt
	f.reopen()
	same(f, f.get("s1"), session("s1", "u1", t0, 0))
	if !f.get("s1").CreatedAt.Equal(created) {
		f.Error("created_at changed")
	}
	f.put(store.Erased, session("s2", "u2", t0, 5))
}
