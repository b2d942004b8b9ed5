package transport

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// The policies alone, under any sequence of what can happen to them. Each byte of a
// history is one event.

// passTime lets up to 2.5 s go by, in a bubble.
func passTime(op byte) { time.Sleep(time.Duration(op>>3) * 80 * time.Millisecond) }

func FuzzBudget(f *testing.F) {
	f.Add(3.0, 0.1, 1.0, []byte{0, 0, 0, 0, 1, 2, 3, 255, 0, 1, 1, 1, 1})
	f.Add(100.0, 5.0, 0.0, []byte("a long and winding history of calls"))
	f.Fuzz(func(t *testing.T, tokens, credit, perSecond float64, history []byte) {
		b, err := NewBudget(BudgetConfig{Tokens: tokens, Credit: credit, PerSecond: perSecond})
		if err != nil || b == nil {
			return
		}
		history = history[:min(len(history), 500)]
		synctest.Test(t, func(t *testing.T) {
			b, _ := NewBudget(b.cfg)
			start, taken, earned := time.Now(), 0.0, tokens
			for _, op := range history {
				before := b.Stats().Tokens
				switch op % 5 {
				case 0, 1:
					if b.take() {
						taken++
					} else if before >= 1 {
						t.Fatalf("a retry was refused with %v tokens there", before)
					}
				case 2:
					if b.spare() {
						taken++
						if left := b.Stats().Tokens; left < tokens/2-1e-6 {
							t.Fatalf("what can be done without has left %v of %v tokens", left, tokens)
						}
					}
				case 3:
					b.refund()
					earned++
				case 4:
					b.credit()
					earned += b.cfg.Credit
					passTime(op)
				}
				if s := b.Stats(); s.Tokens < 0 || s.Tokens > tokens || math.IsNaN(s.Tokens) {
					t.Fatalf("%+v", s)
				}
			}
			most := earned + b.cfg.PerSecond*time.Since(start).Seconds()
			if taken > most*(1+1e-6)+1e-6*float64(len(history)) {
				t.Fatalf("%v tokens were taken of %v", taken, most)
			}
		})
	})
}

func FuzzBreaker(f *testing.F) {
	f.Add([]byte{1, 1, 1, 1, 1, 255, 3, 2, 4, 0, 4, 0, 4})
	f.Add([]byte("\x01\x02\x01\x02\x01\x02\xff\xff\xff\x04\x0c\x14\x1c\x24\x2c\x34"))
	f.Fuzz(func(t *testing.T, history []byte) {
		history = history[:min(len(history), 500)]
		synctest.Test(t, func(t *testing.T) {
			all, err := NewBreakers(BreakerConfig{Failures: 3, OpenFor: 4 * time.Second, ProbeLease: 2 * time.Second, Rand: func() float64 { return 0.5 }})
			if err != nil {
				t.Fatal(err)
			}
			playBreaker(t, all.Of(KindGet), history)
		})
	})
}

// playBreaker plays attempts that begin, end and are given up in any order.
func playBreaker(t *testing.T, b *Breaker, history []byte) {
	t.Helper()
	var flying []permit
	call := &Call{}
	for _, op := range history {
		passTime(op)
		switch op % 8 {
		case 0, 1, 2: // an attempt begins
			before := b.Stats()
			leave, err := b.enter(t.Context(), call)
			if err != nil {
				if before.State == BreakerClosed {
					t.Fatalf("refused while closed: %v", err)
				}
				continue
			}
			if before.State == BreakerOpen && time.Now().Before(before.Until) {
				t.Fatalf("let in %v before the next probe", time.Until(before.Until))
			}
			if p, err := b.admit(leave); err == nil {
				flying = append(flying, p)
			}
			leave.drop()
		case 3, 4, 5: // one ends
			if len(flying) > 0 {
				i := int(op>>3) % len(flying)
				flying[i].report([]error{nil, errFailed, errExcluded}[op%8-3])
				flying = slices.Delete(flying, i, i+1)
			}
		case 6: // a call gives up before it is sent
			if leave, err := b.enter(t.Context(), call); err == nil {
				leave.drop()
			}
		case 7: // one that nobody needs
			state := b.Stats().State
			if p, ok := b.admitClosed(); ok != (state == BreakerClosed) {
				t.Fatalf("a second request was admitted %v while %v", ok, state)
			} else if ok {
				flying = append(flying, p)
			}
		}
		leased := 0
		for _, p := range flying {
			if p.probe != nil && p.probe.epoch == b.epoch && time.Now().Before(p.probe.ends) {
				leased++
			}
		}
		if s := b.Stats(); leased > 1 || s.Failures > s.Calls || s.InARow > s.Failures || s.Waiting != 0 {
			t.Fatalf("%d probes within their leases; %+v", leased, s)
		}
	}
	healBreaker(t, b, call)
}

// healBreaker makes sure that a breaker closes for an upstream that is well again,
// whatever it has been through.
func healBreaker(t *testing.T, b *Breaker, call *Call) {
	t.Helper()
	for range 4 {
		time.Sleep(5 * time.Second) // leases end, too
		leave, err := b.enter(t.Context(), call)
		if err != nil {
			continue
		}
		if p, err := b.admit(leave); err == nil {
			p.report(nil)
		}
		leave.drop()
	}
	if s := b.Stats(); s.State != BreakerClosed {
		t.Fatalf("an upstream that is well leaves it %v", s.State)
	}
}

func FuzzBulkhead(f *testing.F) {
	f.Add(4, 1, []byte{0, 1, 0, 1, 2, 2, 3, 0, 1})
	f.Fuzz(func(t *testing.T, limit, reserve int, history []byte) {
		b, err := NewBulkhead(BulkheadConfig{Limit: limit % 50, Reserve: reserve % 50})
		if err != nil || b == nil {
			return
		}
		var held []Slot
		most := b.limit
		for _, op := range history {
			switch op % 5 {
			case 0, 1:
				lane := Lane(op % 5)
				before := b.Stats()
				s, ok := b.TryAcquire(lane)
				switch free := before.InFlight < before.Limit; {
				case ok:
					held = append(held, s)
				case lane == Interactive && free:
					t.Fatalf("an interactive call was refused with %+v", before)
				}
			case 2:
				if len(held) > 0 {
					i := int(op) % len(held)
					held[i].Release()
					held[i].Release() // once more does nothing
					held = slices.Delete(held, i, i+1)
				}
			case 3:
				if b.Resize(int(op>>3)+1) == nil {
					most = max(b.limit, len(held))
				}
			case 4:
				var none Slot
				none.Release()
			}
			if s := b.Stats(); s.InFlight != len(held) || s.InFlight > most {
				t.Fatalf("%d slots are held, at most %d: %+v", len(held), most, s)
			}
		}
	})
}

func FuzzLatencyQuantile(f *testing.F) {
	f.Add(0.95, uint8(20), []byte("some calls are slower than others"))
	f.Add(0.5, uint8(1), []byte{1})
	f.Fuzz(func(t *testing.T, quantile float64, least uint8, history []byte) {
		h, err := NewHedge(HedgeConfig{Quantile: quantile, MinSamples: int(least)})
		if err != nil || h == nil {
			return
		}
		var window []time.Duration
		for i, took := range history {
			h.learn(KindGet, time.Duration(took)+1, Outcome{Class: ClassOK, Status: 200}, false)
			window = append(window, time.Duration(took)+1)
			window = window[max(0, len(window)-latencyWindow):]
			got := h.seen[KindGet].quantile()
			switch known := i+1 >= h.cfg.MinSamples; {
			case known != (got > 0):
				t.Fatalf("after %d of %d samples the quantile is %v", i+1, h.cfg.MinSamples, got)
			case i+1 == h.cfg.MinSamples:
				sorted := slices.Sorted(slices.Values(window))
				if want := sorted[max(0, int(math.Ceil(quantile*float64(len(sorted))))-1)]; got != want {
					t.Fatalf("the quantile %v of %v is %v, want %v", quantile, sorted, got, want)
				}
			}
		}
	})
}

func BenchmarkBudgetAlone(b *testing.B) {
	budget, _ := NewBudget(DefaultBudget())
	b.ReportAllocs()
	for b.Loop() {
		if budget.take() {
			budget.refund()
		}
		budget.credit()
	}
}

func BenchmarkBreakerAlone(b *testing.B) {
	all, _ := NewBreakers(DefaultBreaker())
	breaker, call, ctx := all.Of(KindGet), &Call{}, context.Background()
	b.Run("closed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			leave, _ := breaker.enter(ctx, call)
			p, _ := breaker.admit(leave)
			p.report(nil)
		}
	})
	b.Run("open", func(b *testing.B) {
		_ = breaker.SetMode(ModeForcedOpen)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := breaker.enter(ctx, call); err == nil {
				b.Fatal("not refused")
			}
		}
	})
}

func BenchmarkLatencyQuantile(b *testing.B) {
	h, _ := NewHedge(HedgeConfig{Quantile: 0.95})
	var took time.Duration
	b.ReportAllocs()
	for b.Loop() {
		took = (took*1103515245 + 12345) % time.Second
		h.learn(KindGet, took, Outcome{Class: ClassOK}, false)
		_ = h.delay(KindGet)
	}
}

// freely is a limiter that never waits.
type freely struct{}

func (freely) Reserve(context.Context, int, time.Duration) (time.Duration, bool, error) {
	return 0, true, nil
}
func (freely) Feedback(bool, time.Duration) {}

func BenchmarkSharedLimiter(b *testing.B) {
	s, _ := NewShared(freely{}, nil, 0)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		g, err := s.take(ctx)
		if err != nil {
			b.Fatal(err)
		}
		s.feedback(g, Feedback{})
	}
}
