package server

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestManyReadersAtOnceAreServedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := make(slotKind, 1)
		begun := time.Now()
		held, err := k.take(t.Context())
		if err != nil || time.Since(begun) != 0 {
			t.Fatal("a free slot was not taken at once", err)
		}
		if _, err := k.take(t.Context()); judge(err).status != http.StatusServiceUnavailable || time.Since(begun) != slotTime {
			t.Errorf("%v after %v, want a refusal after %v", err, time.Since(begun), slotTime)
		}
		time.AfterFunc(slotTime/2, held.free)
		begun = time.Now()
		if _, err := k.take(t.Context()); err != nil || time.Since(begun) != slotTime/2 {
			t.Errorf("%v after %v, want the slot that became free", err, time.Since(begun))
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		begun = time.Now()
		if _, err := k.take(gone); err == nil || time.Since(begun) != 0 {
			t.Errorf("%v after %v for one who has gone", err, time.Since(begun))
		}
	})
}

func TestWhoWaitsForTheServiceHoldsUpNobodyHere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slots{here: make(slotKind, 1), away: make(slotKind, 1)}
		held, _ := s.here.take(t.Context())
		for range 2 { // the second time it is there already
			if err := held.move(t.Context(), s.away); err != nil || len(s.here) != 0 || len(s.away) != 1 {
				t.Fatalf("%v: %d here, %d away", err, len(s.here), len(s.away))
			}
		}
		next, err := s.here.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := next.move(t.Context(), s.away); judge(err).status != http.StatusServiceUnavailable || len(s.here) != 1 {
			t.Errorf("%v: %d here", err, len(s.here))
		}
		next.free()
		held.free()
		if len(s.here)+len(s.away) != 0 {
			t.Errorf("%d here, %d away after all", len(s.here), len(s.away))
		}
	})
}
