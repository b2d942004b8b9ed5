package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// lab is a bucket in a Redis in memory, whose clock the test moves.
type lab struct {
	*testing.T
	redis  *miniredis.Miniredis
	client *redis.Client
	now    time.Time // true time, which the server's clock may not show
	skew   time.Duration
	due    []time.Time // of tokens granted
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, redis: miniredis.RunT(t), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	l.client = redis.NewClient(&redis.Options{Addr: l.redis.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = l.client.Close() })
	l.pass(0)
	return l
}

func (l *lab) pass(d time.Duration) {
	l.now = l.now.Add(d)
	l.redis.SetTime(l.now.Add(l.skew))
}

// peer is one process as the script sees it.
type peer struct {
	*lab
	throttle *Throttle
	epoch    string
	seen     time.Time
	clock    int64
	queue    time.Duration
	tail     time.Time
	wrong    time.Duration // of its wall clock
}

func (l *lab) peer(r Rate) *peer {
	l.Helper()
	f := &Fleet{client: l.client, member: nonce()}
	return &peer{lab: l, throttle: &Throttle{
		fleet: f, rate: r.withDefaults(), state: "bucket", members: "members", channel: "news",
	}}
}

// ask makes an exchange and returns the answer.
func (p *peer) ask(r request, patience ...time.Duration) reply {
	p.Helper()
	r.epoch, r.clock, r.elapsed, r.wall = p.epoch, p.clock, p.now.Sub(p.seen), p.now.Add(p.wrong)
	r.queue, r.tail = p.queue, max(0, p.tail.Sub(p.now))
	for _, w := range patience {
		r.asks = append(r.asks, &ask{cost: 1, maxWait: w})
	}
	got, err := p.throttle.exchange(context.Background(), r)
	if err != nil {
		p.Fatal(err)
	}
	p.epoch, p.seen, p.clock = got.epoch, p.now, got.clock
	p.queue, p.tail = got.tail(), p.now.Add(got.tail())
	for _, w := range got.waits {
		if wait, ok := verdict(w); ok {
			p.grant(wait)
		}
	}
	for _, wait := range got.ahead {
		p.grant(wait)
	}
	return got
}

func (p *peer) grant(wait time.Duration) {
	p.due = append(p.due, p.now.Add(wait))
}

func (p *peer) take() (time.Duration, bool) {
	p.Helper()
	return verdict(p.ask(request{}, maxWait).waits[0])
}

// over is by how much the tokens granted outdid rate*t + burst in the worst interval.
func (l *lab) over(rate, burst float64) float64 {
	slices.SortFunc(l.due, time.Time.Compare)
	worst, lowest := 1-burst, 0.0
	for i, due := range l.due {
		balance := float64(i) - rate*due.Sub(l.due[0]).Seconds()
		lowest = min(lowest, balance)
		worst = max(worst, balance-lowest+1-burst)
	}
	return worst
}

func TestTokensAreBookedInTheOrderAsked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, b := l.peer(Rate{PerSecond: 10, Burst: 1}), l.peer(Rate{PerSecond: 10, Burst: 1})
	for i, p := range []*peer{a, b, a, a, b} {
		if wait, ok := p.take(); !ok || wait != time.Duration(i)*100*time.Millisecond {
			t.Errorf("token %d after %v, %v", i, wait, ok)
		}
	}
	if wait, ok := verdict(a.ask(request{}, 400*time.Millisecond).waits[0]); ok || wait != 500*time.Millisecond {
		t.Errorf("beyond its patience: %v, %v", wait, ok)
	}
	if wait, _ := b.take(); wait != 500*time.Millisecond {
		t.Errorf("a refusal took a token: the next one after %v", wait)
	}
}

func TestTheBucketHoldsItsBurstAndNoMore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.peer(Rate{PerSecond: 10, Burst: 5})
	if wait, _ := p.take(); wait != 0 {
		t.Errorf("the very first token after %v", wait)
	}
	if wait, _ := p.take(); wait == 0 {
		t.Error("an unknown bucket begins with a burst")
	}
	l.pass(time.Hour)
	free := 0
	for {
		wait, _ := p.take()
		if wait > 0 {
			break
		}
		free++
	}
	if free != 4 { // 4.75: a quarter of a token is kept for lateness
		t.Errorf("%d at once after an hour, want 4", free)
	}
	if got := p.ask(request{refund: 100}); got.level > 4.75 {
		t.Errorf("given back beyond the brim: %v", got.level)
	}
}

func TestAClockThatJumpsMakesNoBurstAndNoHalt(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 100 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour} {
		l := newLab(t)
		peers := []*peer{l.peer(Rate{PerSecond: 100, Burst: 10}), l.peer(Rate{PerSecond: 100, Burst: 10})}
		for i := range 400 {
			if i == 200 {
				l.skew = jump
			}
			l.pass(10 * time.Millisecond)
			if wait, ok := peers[i%2].take(); !ok || wait > time.Second {
				t.Fatalf("%v: token %d after %v, %v", jump, i, wait, ok)
			}
		}
		if over := l.over(100, 10); over > 0 {
			t.Errorf("a jump of %v: %.1f over the limit", jump, over)
		}
	}
}

func TestAStateThatIsLostOrNotOursMakesNoBurst(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*lab){
		"flushed": func(l *lab) { l.redis.FlushAll() },
		"garbage": func(l *lab) { _ = l.redis.Set("bucket", "\x00\xff garbage") },
		"empty":   func(l *lab) { _ = l.redis.Set("bucket", "") },
		"a list":  func(l *lab) { l.redis.Del("bucket"); _, _ = l.redis.Push("bucket", "x") },
		"a full one, forged": func(l *lab) {
			_ = l.redis.Set("bucket", fmt.Sprintf("1 0123456789abcdef %d 999000000 0 100000000 0 0 01234567", l.now.UnixMicro()))
		},
		"one of another key": func(l *lab) {
			p := l.peer(Rate{PerSecond: 100, Burst: 10})
			p.throttle.state, p.throttle.members = "other", "others"
			p.ask(request{})
			raw, _ := l.redis.Get("other")
			_ = l.redis.Set("bucket", raw)
		},
		"members of another type": func(l *lab) { l.redis.Del("members"); _ = l.redis.Set("members", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			peers := []*peer{l.peer(Rate{PerSecond: 100, Burst: 10}), l.peer(Rate{PerSecond: 100, Burst: 10})}
			for i := range 300 {
				if i%100 == 50 {
					harm(l)
				}
				l.pass(8 * time.Millisecond) // asked for faster than it is earned: much is booked ahead
				if wait, ok := peers[i%2].take(); !ok || wait > 2*time.Second {
					t.Fatalf("token %d after %v, %v", i, wait, ok)
				}
			}
			for _, p := range peers {
				p.ask(request{beat: "beat"})
			}
			if got := peers[0].ask(request{beat: "beat"}); got.members != 2 {
				t.Errorf("%d members", got.members)
			}
			if over := l.over(100, 10); over > 0 {
				t.Errorf("%.1f over the limit", over)
			}
		})
	}
}

// A process that comes after a jump, before any that was there, knows nothing of it.
func TestAClockThatJumpsBeforeANewcomerMakesNoBurst(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{0, -time.Minute} {
		for _, jump := range []time.Duration{time.Hour, -time.Hour} {
			l := newLab(t)
			old := l.peer(Rate{PerSecond: 10, Burst: 10})
			for range 50 {
				old.take()
			}
			l.skew = jump
			l.pass(time.Second)
			late := l.peer(Rate{PerSecond: 10, Burst: 10})
			late.wrong = wrong
			late.take()
			if over := l.over(10, 10); over > 0 {
				t.Errorf("a jump of %v before a newcomer whose clock is wrong by %v: %.1f over the limit", jump, wrong, over)
			}
			for range 50 {
				l.pass(time.Second)
				if wait, ok := late.take(); !ok || wait > 10*time.Second {
					t.Fatalf("it halts: %v, %v", wait, ok)
				}
			}
		}
	}
}

// Whatever processes ask for, give back, lose and hear, what they are granted keeps
// the limit.
func TestNoHistoryOutdoesTheLimit(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		l := newLab(t)
		r := rand.New(rand.NewPCG(seed, 1))
		rate := Rate{PerSecond: []float64{1, 20, 300}[r.IntN(3)], Burst: []int{1, 7, 40}[r.IntN(3)], Adaptive: seed%2 == 0}
		peers := make([]*peer, 4)
		for i := range peers {
			peers[i] = l.peer(rate)
		}
		allowed := 0.0
		unit := time.Duration(float64(time.Second) / rate.PerSecond)
		for range 200 {
			l.pass(time.Duration(r.Float64() * 1.5 * float64(unit)))
			p := peers[r.IntN(len(peers))]
			switch r.IntN(40) {
			case 0:
				if seed%3 == 0 {
					l.redis.FlushAll()
					allowed = max(allowed, 6) // what others booked since the first to come was there last
				}
			case 1:
				if l.skew != 0 {
					break // a second jump while a process was away cannot be told from time
				}
				allowed += rate.PerSecond * clockSlack.Seconds() // a jump may win that
				l.skew += time.Duration(r.Int64N(int64(4*time.Hour))) - 2*time.Hour
				l.pass(0)
			case 2:
				l.pass(unit * time.Duration(r.IntN(100)))
			case 3:
				p.ask(request{back: true})
			case 4:
				got := p.ask(request{limited: true, quiet: unit * time.Duration(r.IntN(5))})
				quiet := l.now.Add(got.quiet) // what comes due in it is dropped
				l.due = slices.DeleteFunc(l.due, func(due time.Time) bool { return due.After(l.now) && due.Before(quiet) })
			case 5:
				p.ask(request{ahead: r.IntN(5), window: 2 * unit, accepted: 3})
			default:
				p.ask(request{}, slices.Repeat([]time.Duration{unit * time.Duration(r.IntN(30))}, r.IntN(3))...)
			}
		}
		if over := l.over(rate.PerSecond, float64(rate.Burst)); over > allowed+1e-3 {
			t.Errorf("seed %d, %+v: %.2f over the limit, at most %.2f may be", seed, rate, over, allowed)
		}
	}
}
