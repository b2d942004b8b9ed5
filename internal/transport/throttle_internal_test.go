package transport

import (
	"math"
	"testing"
	"time"
)

// FuzzBucket plays any history of waits, rate changes, drains and greedy takes to
// a bucket, with jumps of the clock as after a stall: no interval lets more than
// rate*t + burst through, rate being the highest used.
func FuzzBucket(f *testing.F) {
	f.Add(uint8(3), []byte{0, 10, 1, 200, 2, 7, 3, 255, 0, 0})
	f.Add(uint8(1), []byte{3, 255, 3, 255, 0, 1, 0, 1, 2, 0, 4, 9})
	f.Fuzz(func(t *testing.T, burst uint8, history []byte) {
		const highest = 256.0
		b := bucket{burst: float64(burst%32) + 1, tokens: float64(burst%32) + 1}
		full := b.burst
		rate := highest
		var now time.Duration
		var taken []time.Duration
		for i := 0; i+1 < len(history) && len(taken) < 300; i += 2 {
			v := time.Duration(history[i+1])
			switch history[i] % 5 {
			case 0:
				now += v * 100 * time.Microsecond
			case 1:
				now += b.wait(1, rate)
			case 2:
				b.refill(now, rate)
				rate = float64(v) + 1
			case 3:
				b.drain(now + v*time.Millisecond)
			case 4:
				b.resume(now)
			}
			b.refill(now, rate)
			for b.wait(1, rate) == 0 {
				b.take()
				taken = append(taken, now)
			}
		}
		for i := range taken {
			for j := i; j < len(taken); j++ {
				if bound := highest*(taken[j]-taken[i]).Seconds() + full; float64(j-i+1) > bound+1e-6 {
					t.Fatalf("%d taken between %v and %v, bound %v", j-i+1, taken[i], taken[j], bound)
				}
			}
		}
	})
}

// FuzzAdapt plays any order of departures and answers, late and repeated ones too:
// the rate stays a number between floor and ceiling, and no hold lasts longer
// than the longest probe.
func FuzzAdapt(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 2, 2, 3, 50, 0, 1, 1, 1})
	f.Add([]byte(";0222B1C0010000\xab\x8f12")) // once a limit of nothing
	f.Add([]byte{0, 3, 255, 2, 0, 3, 255, 6, 9, 4, 0, 3, 1, 1, 5})
	f.Fuzz(func(t *testing.T, history []byte) {
		a := newAdapt(100, 2, 5)
		var now time.Duration
		var grants []Grant
		answered := func() Grant {
			if len(grants) == 0 {
				return a.depart(now)
			}
			g := grants[int(now/time.Millisecond)%len(grants)]
			if len(grants) > 1 && g.at%2 == 0 {
				grants = grants[1:]
			}
			return g
		}
		for i, op := range history {
			switch op % 7 {
			case 0:
				grants = append(grants, a.depart(now))
			case 1:
				a.accept(answered(), now)
			case 2:
				a.reject(answered(), now, 0)
			case 3:
				now += time.Duration(op) * time.Millisecond
			case 4:
				now += time.Duration(op) * time.Hour
			case 5:
				a.setCeiling(float64(op) + 1)
			case 6:
				a.reject(answered(), now, time.Duration(op)*time.Second)
			}
			a.settle(now)
			if math.IsNaN(a.rate) || a.rate < a.floor || a.rate > a.ceiling || a.floor <= 0 {
				t.Fatalf("after step %d: rate %v outside %v to %v: %+v", i, a.rate, a.floor, a.ceiling, a.curve)
			}
			if a.hold-now > maxProbe {
				t.Fatalf("after step %d: held for %v", i, a.hold-now)
			}
			if a.ramp.wait(now, a.rate) > rampTime {
				t.Fatalf("after step %d: the ramp holds back for %v", i, a.ramp.wait(now, a.rate))
			}
		}
	})
}

// TestCutLandsOnTheMeasuredLimit: between two dry moments the upstream took what it
// allows, whatever its burst.
func TestCutLandsOnTheMeasuredLimit(t *testing.T) {
	t.Parallel()
	const trip = 20 * time.Millisecond
	for _, burst := range []float64{5, 10, 40} {
		a := newAdapt(150, 1, 1)
		up := bucket{burst: burst, tokens: burst}
		const allowed = 100
		var open time.Duration // when the next request leaves
		for a.cuts < 3 {
			now := max(open, a.hold)
			a.settle(now)
			g := a.depart(now)
			up.refill(now, allowed)
			if up.wait(1, allowed) == 0 {
				up.take()
				a.accept(g, now+trip)
			} else {
				a.reject(g, now+trip, 0)
			}
			open = max(now, a.hold) + seconds(1/a.rate)
			if now > time.Minute {
				t.Fatal("no third cut in a minute")
			}
		}
		if a.rate < 0.9*allowed || a.rate > allowed {
			t.Errorf("burst %v: rate %v after the third cut, want just below %v", burst, a.rate, allowed)
		}
	}
}

func TestCurvePassesItsLimitAtItsSpan(t *testing.T) {
	t.Parallel()
	for _, c := range []curve{firmCurve(100, 0), firmCurve(100, 1), unsureCurve(40), looseCurve(7, 0), looseCurve(7, 3)} {
		for _, start := range []float64{0.1, 0.8, 0.97, 1} {
			from := c.from(start * c.limit)
			if got := from.advance(0); math.Abs(got-start*c.limit) > 1e-6*c.limit {
				t.Errorf("%+v starts at %v, want %v", from, got, start*c.limit)
			}
			if got := from.advance(from.span - from.clock); math.Abs(got-c.limit) > 1e-6*c.limit {
				t.Errorf("%+v is at %v after its span, want %v", from, got, c.limit)
			}
			last := 0.0
			for range 100 {
				if next := from.advance(0.1); next < last {
					t.Errorf("%+v falls from %v to %v", from, last, next)
				} else {
					last = next
				}
			}
		}
	}
}

func TestSecondsSaturates(t *testing.T) {
	t.Parallel()
	if got := seconds(math.Inf(1)); got <= 0 || time.Hour+got < got {
		t.Errorf("seconds(Inf) = %v", got)
	}
	if got := seconds(1e-12); got != 1 {
		t.Errorf("seconds(1e-12) = %d ns, want it rounded up to 1", got)
	}
}
