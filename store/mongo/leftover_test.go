//go:build unix

package mongo_test

import (
	"encoding/hex"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/mongo"
)

// TestTheSamePutAgainTakesBackWhatAnErasureMissed: a put that died between its
// write and its second look has left a session, and a window, of an erased user.
func TestTheSamePutAgainTakesBackWhatAnErasureMissed(t *testing.T) {
	t.Parallel()
	u := database(t, server(t))
	db := open(t, u, mongo.Config{}, store.Options{})
	s := db.Sessions()
	w := store.Window{SessionID: "w", UserID: "u", Seq: 1, Observed: noon, Epochs: store.Epochs{Sleep: asleep.Stages{1}}}
	put(t, s, store.Created, session("s", "u", 0))
	if _, err := s.PutWindow(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	stones := raw(t, u).Collection("sleep_tombstones")
	hash := store.UserTombstone("u")
	until := bson.NewDateTimeFromTime(noon.AddDate(1, 0, 0))
	if _, err := stones.InsertOne(t.Context(), bson.D{{Key: "_id", Value: hex.EncodeToString(hash[:])}, {Key: "until", Value: until}}); err != nil {
		t.Fatal(err)
	}
	put(t, s, store.Erased, session("s", "u", 0))
	if _, err := s.Get(t.Context(), "s"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session is still there: %v", err)
	}
	if out, err := s.PutWindow(t.Context(), w); err != nil || out[0] != store.Erased {
		t.Errorf("%v, %v", out, err)
	}
	if _, err := s.Partial(t.Context(), "w"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the window is still there: %v", err)
	}
}

func TestNoMoreWindowsExpireThanAsked(t *testing.T) {
	t.Parallel()
	s := open(t, database(t, server(t)), mongo.Config{}, store.Options{}).Sessions()
	for seq := range 4 {
		w := store.Window{SessionID: "w", UserID: "u", Seq: seq, Observed: noon, Epochs: store.Epochs{Sleep: asleep.Stages{1}}}
		if _, err := s.PutWindow(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{3, 2} {
		if _, err := s.Expire(t.Context(), noon.AddDate(1, 0, 0), 1); err != nil {
			t.Fatal(err)
		}
		if p, err := s.Partial(t.Context(), "w"); err != nil || p.Windows != want {
			t.Errorf("%d windows, %v; want %d", p.Windows, err, want)
		}
	}
}
