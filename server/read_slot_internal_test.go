package server

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAReadWaitsASecondForASlotAndIsThenTurnedAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &readAPI{running: make(chan struct{}, 1)}
		begun := time.Now()
		if !a.begin(t.Context()) || time.Since(begun) != 0 {
			t.Fatal("the first has to wait")
		}
		if a.begin(t.Context()) || time.Since(begun) != slotTime {
			t.Errorf("the second was not turned away after %v", time.Since(begun))
		}
		free := time.AfterFunc(slotTime/2, func() { <-a.running })
		defer free.Stop()
		if begun = time.Now(); !a.begin(t.Context()) || time.Since(begun) != slotTime/2 {
			t.Errorf("the third was not let in after %v", time.Since(begun))
		}
	})
}
