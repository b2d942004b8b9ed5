package transport

import (
	"testing"
	"time"
)

// TestAnUpstreamThatMeansItIsNotHammered: of 500 gates that stay closed, as many are looked
// behind as the logarithm says, and then one in 64.
func TestAnUpstreamThatMeansItIsNotHammered(t *testing.T) {
	t.Parallel()
	const gates = 500
	var g gate
	var now time.Duration
	looks := 0
	for range gates {
		now = g.until + time.Second
		g.close(Grant{at: now - 1, ok: true}, now, time.Second, 0)
		if at := g.opens(); at < g.until {
			looks++
			if at-now < lookAfter {
				t.Errorf("a look after %v, want at least %v", at-now, lookAfter)
			}
			g.depart(at)
			if !g.lookedIn(Grant{at: at, ok: true}, at+1) {
				t.Fatal("the one who looked in is not known as such")
			}
			g.confirm()
			g.close(Grant{at: at, ok: true}, at+1, time.Second, 0)
			if g.opens() < at+1+time.Second {
				t.Error("a second look behind the same gate")
			}
		}
	}
	if most := 7 + gates/64; looks == 0 || looks > most {
		t.Errorf("%d of %d gates were looked behind, want some, at most %d", looks, gates, most)
	}
	g.open(Grant{at: now, ok: true}, now)
	g.skip = 0
	g.close(Grant{at: now, ok: true}, now+time.Second, time.Second, 0)
	if g.opens() == g.until || g.doubt != 0 {
		t.Error("one who was let in does not end the doubt")
	}
}

// TestOnlyShortGatesAreLookedBehind: a wait that is no rounding is meant.
func TestOnlyShortGatesAreLookedBehind(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]bool{
		80 * time.Millisecond: false, // over before the answer would be in
		time.Second:           true,
		tooLong - 1:           true,
		tooLong:               false,
		time.Minute:           false,
	} {
		var g gate
		g.close(Grant{at: 1, ok: true}, time.Second, asked, 0)
		if got := g.opens() < g.until; got != want {
			t.Errorf("a gate of %v is looked behind: %v, want %v", asked, got, want)
		}
	}
}
