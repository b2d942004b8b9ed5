//go:build unix

package mongo_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/mongo"
)

// TestABatchIsStoredWhole: more sessions than go into one command, one of them
// there, one of another user.
func TestABatchIsStoredWhole(t *testing.T) {
	t.Parallel()
	s := open(t, database(t, server(t)), mongo.Config{}, store.Options{}).Sessions()
	put(t, s, store.Created, session("s07", "u", 5))
	put(t, s, store.Created, session("s08", "other", 5))
	put(t, s, store.Created, session("s09", "u", 0))
	list := make([]store.Session, 60)
	want := make([]store.Outcome, len(list))
	for i := range list {
		list[i], want[i] = session(fmt.Sprintf("s%02d", i), "u", 1), store.Created
	}
	want[7], want[8], want[9] = store.Unchanged, store.Foreign, store.Updated
	out, err := s.Put(t.Context(), list...)
	if err != nil || !slices.Equal(out, want) {
		t.Errorf("%v, %v; want %v", out, err, want)
	}
	for i := range want {
		want[i] = store.Unchanged
	}
	want[8] = store.Foreign
	if out, err = s.Put(t.Context(), list...); err != nil || !slices.Equal(out, want) {
		t.Errorf("again: %v, %v", out, err)
	}
	n := 0
	for _, err := range store.All(t.Context(), s, store.Query{UserID: "u", Limit: 25}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 59 {
		t.Errorf("%d sessions, want 59", n)
	}
}

func put(t *testing.T, s store.Sessions, want store.Outcome, v store.Session) {
	t.Helper()
	if out, err := s.Put(t.Context(), v); err != nil || len(out) != 1 || out[0] != want {
		t.Fatalf("Put(%s) = %v, %v; want %v", v.ID, out, err, want)
	}
}

// theirs are documents of programs before this one: with an _id by the server or
// the session's, with dates or texts, with less and with more than is usual.
func theirs() []any {
	at := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
	return []any{
		bson.D{
			{Key: "_id", Value: bson.NewObjectID()},
			{Key: "session_id", Value: "by server"},
			{Key: "user_id", Value: "u"},
			{Key: "session_start_time", Value: at(0)},
			{Key: "session_end_time", Value: at(8)},
			{Key: "sleep_stages", Value: bson.A{0, 1, nil, 3}},
			{Key: "statistics", Value: bson.D{{Key: "sleep_index", Value: 71}, {Key: "sleep_efficiency", Value: 0.9}, {Key: "time_in_deep", Value: nil}}},
			{Key: "created_at", Value: at(9)},
			{Key: "updated_at", Value: at(10)},
		},
		bson.D{
			{Key: "_id", Value: "by session"},
			{Key: "session_id", Value: "by session"},
			{Key: "user_id", Value: "u"},
			{Key: "session_start_time", Value: "2026-03-14T21:00:00+09:00"},
			{Key: "session_end_time", Value: nil},
			{Key: "statistics", Value: nil},
			{Key: "state", Value: "OPEN"},
			{Key: "created_at", Value: at(1)},
			{Key: "note", Value: bson.D{{Key: "kept", Value: true}}},
		},
		bson.D{{Key: "_id", Value: bson.NewObjectID()}, {Key: "session_id", Value: "bare"}, {Key: "user_id", Value: "u"}},
	}
}

func TestDocumentsOfOtherProgramsAreSessions(t *testing.T) {
	t.Parallel()
	u := database(t, server(t))
	beside := raw(t, u).Collection("sleep_sessions")
	if _, err := beside.InsertMany(t.Context(), theirs()); err != nil {
		t.Fatal(err)
	}
	db := open(t, u, mongo.Config{}, store.Options{})
	s := db.Sessions()

	first, err := s.Get(t.Context(), "by server")
	if err != nil {
		t.Fatal(err)
	}
	index, _ := first.Metrics.Get(store.SleepIndex)
	if first.Settled || !first.Start.Equal(noon) || !first.End.Equal(noon.Add(8*time.Hour)) || index != 71 ||
		!first.CreatedAt.Equal(noon.Add(9*time.Hour)) || !first.UpdatedAt.Equal(noon.Add(10*time.Hour)) ||
		!slices.Equal(first.Epochs.Sleep, asleep.Stages{0, 1, -1, 3}) {
		t.Errorf("%+v", first)
	}
	if r, err := first.Report(); err != nil || r.Session.ID != "by server" || *r.Stat.SleepIndex != 71 {
		t.Errorf("its report: %+v, %v", r, err)
	}

	// One at a time, so that the cursor has to tell equal starts apart.
	var ids []string
	for v, err := range store.All(t.Context(), s, store.Query{UserID: "u", Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, v.ID)
	}
	if want := []string{"by session", "by server", "bare"}; !slices.Equal(ids, want) {
		t.Errorf("%q, want %q", ids, want)
	}
	day := asleep.Date{Year: 2026, Month: 3, Day: 14}
	if list, err := s.List(t.Context(), store.Query{UserID: "u", FromDate: day, ToDate: day, Brief: true}); err != nil || len(list) != 2 {
		t.Errorf("on %v: %d sessions, %v", day, len(list), err)
	}
	if list, err := s.List(t.Context(), store.Query{UserID: "u", FromDate: day.AddDays(1)}); err != nil || len(list) != 0 {
		t.Errorf("on the next: %d sessions, %v", len(list), err)
	}
	if b, err := s.Stats(t.Context(), store.StatsQuery{UserID: "u"}); err != nil || b[0].Sessions != 3 || b[0].Figure(store.SleepIndex).Latest != 71 {
		t.Errorf("statistics: %+v, %v", b, err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}

	// News replace them in place: one document a session, with its created_at.
	put(t, s, store.Foreign, session("by server", "somebody", 0))
	put(t, s, store.Updated, session("by server", "u", 0))
	put(t, s, store.Updated, session("by session", "u", 0))
	again, err := s.Get(t.Context(), "by server")
	if err != nil || !again.CreatedAt.Equal(first.CreatedAt) || again.Raw != session("by server", "u", 0).Raw {
		t.Errorf("%+v, %v", again, err)
	}
	if n, err := beside.CountDocuments(t.Context(), bson.D{}); err != nil || n != 3 {
		t.Errorf("%d documents, %v; want 3", n, err)
	}
	var doc bson.M
	if err := beside.FindOne(t.Context(), bson.D{{Key: "_id", Value: "by session"}}).Decode(&doc); err != nil || doc["note"] == nil {
		t.Errorf("%v, %v: want what others have put into the document kept", doc, err)
	}
	if e, err := s.EraseUser(t.Context(), "u", noon.AddDate(1, 0, 0)); err != nil || e.Sessions != 3 {
		t.Errorf("erased %+v, %v", e, err)
	}
}

// TestADocumentThatIsNoSessionIsNamed: whoever has to mend it can find it.
func TestADocumentThatIsNoSessionIsNamed(t *testing.T) {
	t.Parallel()
	u := database(t, server(t))
	db := open(t, u, mongo.Config{}, store.Options{})
	for name, doc := range map[string]bson.D{
		"odd-1": {{Key: "_id", Value: "odd-1"}, {Key: "session_id", Value: 5}, {Key: "user_id", Value: "u"}},
		"odd-2": {{Key: "_id", Value: "odd-2"}, {Key: "user_id", Value: "u"}},
	} {
		beside := raw(t, u).Collection("sleep_sessions")
		if _, err := beside.InsertOne(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"check": db.Check(t.Context()), "list": listed(t, db)} {
			if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), `"`+name+`"`) {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
		if _, err := beside.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: name}}); err != nil {
			t.Fatal(err)
		}
	}
}

func listed(t *testing.T, db store.Store) error {
	t.Helper()
	_, err := db.Sessions().List(t.Context(), store.Query{UserID: "u"})
	return err
}

// TestOtherProgramsReadOurDocuments: they find the members that they know.
func TestOtherProgramsReadOurDocuments(t *testing.T) {
	t.Parallel()
	at := server(t)
	read := func(cfg mongo.Config, o store.Options) (doc bson.M) {
		u := database(t, at)
		put(t, open(t, u, cfg, o).Sessions(), store.Created, session("s", "u", 0))
		if err := raw(t, u).Collection("sleep_sessions").FindOne(t.Context(), bson.D{{Key: "session_id", Value: "s"}}).Decode(&doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	doc := read(mongo.Config{}, store.Options{})
	want := bson.D{{Key: "new_figure", Value: "x"}, {Key: "sleep_efficiency", Value: 93.5}, {Key: "sleep_index", Value: 60.0}, {Key: "time_in_rem", Value: nil}}
	if got := doc["statistics"]; !reflect.DeepEqual(got, want) {
		t.Errorf("statistics %v, want %v", got, want)
	}
	if got := doc["sleep_stages"]; !reflect.DeepEqual(got, bson.A{int32(0), int32(1), int32(2), int32(3), int32(-1)}) {
		t.Errorf("sleep_stages %v", got)
	}
	if doc["_id"] != "s" || doc["user_id"] != "u" || doc["session_start_time"] != bson.NewDateTimeFromTime(noon) ||
		doc["session_end_time"] != bson.NewDateTimeFromTime(noon.Add(8*time.Hour)) || doc["created_at"] == nil || doc["updated_at"] == nil {
		t.Errorf("%v", doc)
	}
	if doc := read(mongo.Config{Lean: true}, store.Options{}); doc["statistics"] != nil || doc["sleep_stages"] != nil {
		t.Errorf("lean: %v", doc)
	}
	sealed := read(mongo.Config{}, store.Options{Sealer: keys(t, 1)})
	if text := fmt.Sprint(sealed); sealed["statistics"] != nil || sealed["sleep_stages"] != nil || strings.Contains(text, "new_figure") {
		t.Errorf("with a Sealer: %v", sealed)
	}
}

func TestResealClosesWhatWasOpen(t *testing.T) {
	t.Parallel()
	u := database(t, server(t))
	plain := open(t, u, mongo.Config{}, store.Options{})
	put(t, plain.Sessions(), store.Created, session("s", "u", 0))
	w := store.Window{SessionID: "w", UserID: "u", Seq: 3, Observed: noon, Epochs: store.Epochs{Sleep: asleep.Stages{1, 2}}}
	if _, err := plain.Sessions().PutWindow(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	db := open(t, u, mongo.Config{}, store.Options{Sealer: keys(t, 1)})
	for _, want := range []int{2, 0} {
		if n, err := db.Reseal(t.Context()); err != nil || n != want {
			t.Errorf("resealed %d rows, %v; want %d", n, err, want)
		}
	}
	if v, err := db.Sessions().Get(t.Context(), "s"); err != nil || v.Raw != session("s", "u", 0).Raw {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := plain.Sessions().Get(t.Context(), "s"); !errors.Is(err, store.ErrSealed) {
		t.Errorf("without keys: %v", err)
	}
	if err := plain.Check(t.Context()); !errors.Is(err, store.ErrSealed) {
		t.Errorf("check without keys: %v", err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	var doc bson.M
	if err := raw(t, u).Collection("sleep_sessions").FindOne(t.Context(), bson.D{}).Decode(&doc); err != nil || doc["statistics"] != nil || doc["sleep_stages"] != nil {
		t.Errorf("%v, %v: want nothing in the clear", doc, err)
	}
}
