package fleet

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestAStockHandsOutWhatIsInTimeAndGivesBackTheRest(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := stock{late: 25 * ms}
	s.add(now, 0, 0, 10*ms, 20*ms)
	if wait, ok := s.take(now.Add(25*ms), 0); !ok || wait != 0 {
		t.Errorf("a token that is as late as it may be: %v, %v", wait, ok)
	}
	if n := s.expire(now.Add(26 * ms)); n != 1 {
		t.Errorf("%d expired, want 1", n)
	}
	if wait, ok := s.take(now.Add(4*ms), 5*ms); ok {
		t.Errorf("a token beyond the patience: %v", wait)
	}
	if wait, ok := s.take(now.Add(4*ms), 6*ms); !ok || wait != 6*ms {
		t.Errorf("a token to come: %v, %v", wait, ok)
	}
	if at := s.nextExpiry(); !at.Equal(now.Add(46 * ms)) {
		t.Errorf("expires at %v", at.Sub(now))
	}
	if n := s.drop(); n != 1 || !s.nextExpiry().IsZero() {
		t.Errorf("%d dropped", n)
	}
}

func TestAShareEarnsItsPartAndNothingBefore(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var s share
	s.start(now.Add(time.Second)) // until then others use what was booked
	s.level = 0                   // instead of a random part
	for i := range 3 {
		if wait, ok := s.take(now, 1, 10, 5, time.Hour); !ok || wait != time.Second+time.Duration(i+1)*100*ms {
			t.Errorf("token %d after %v, %v", i, wait, ok)
		}
	}
	if wait, ok := s.take(now, 1, 10, 5, time.Second); ok || wait != 1400*ms || s.booked(now, 10) != 3 || s.booked(now.Add(1200*ms), 10) != 1 {
		t.Errorf("beyond its patience: %v, %v, %v booked", wait, ok, s.booked(now, 10))
	}
	now = now.Add(time.Hour)
	for i := range 6 {
		if wait, _ := s.take(now, 1, 10, 5, time.Hour); (wait == 0) != (i < 5) {
			t.Errorf("after an hour, token %d of a burst of 5 after %v", i, wait)
		}
	}
	s.start(now)
	if s.taken != 9 {
		t.Errorf("started twice: %v taken", s.taken)
	}
}

func TestSharesThatStartTogetherDoNotSendTogether(t *testing.T) {
	t.Parallel()
	now, early := time.Now(), 0
	for range 1000 {
		var s share
		s.start(now)
		if wait, _ := s.take(now, 1, 1, 1, time.Hour); wait < time.Second || wait > 2*time.Second {
			t.Fatalf("%v for a first token at 1/s", wait)
		} else if wait < 1500*ms {
			early++
		}
	}
	if early < 400 || early > 600 {
		t.Errorf("%d of 1000 send in the first half of the time", early)
	}
}
