package fleet

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/internal/redisconn"
)

//go:embed hint.lua
var hintSource string

var hintScript = redis.NewScript(hintSource)

// HintOptions are the options of a [Hint]. The zero value works.
type HintOptions struct {
	// Name tells hints of one [Options].Secret apart, such as those of two
	// services.
	Name string
	// Quorum is how many other processes have to say that the upstream is down
	// before this one is told; 0 means 1. With 2 or more a process whose own
	// network is broken stops nobody else.
	Quorum int
	// MaxOpen bounds how far ahead an opening can reach; 0 means 5 minutes.
	MaxOpen time.Duration
}

// Hint tells the processes of a [Fleet] that one of them has opened its breaker, and
// until when. It fits client.Breaker's Hint. It is advice: it never lets a call
// through, and while Redis is away it says nothing. It is safe for concurrent use.
type Hint struct {
	fleet   *Fleet
	options HintOptions
	guard   *redisconn.Guard
	key     string
	channel string

	until atomic.Pointer[time.Time]
	wake  chan struct{}

	mu      sync.Mutex
	pending *time.Time // to be published; zero for closed

	life context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup
}

const (
	// hintPoll is how often the openings are looked up besides the news.
	hintPoll = time.Second
	// hintSame is how far apart two answers about one opening can lie.
	hintSame = 100 * time.Millisecond
)

// Hint makes a hint of the fleet, or returns an error that names every bad figure.
func (f *Fleet) Hint(options HintOptions) (*Hint, error) {
	var errs []error
	if options.Quorum < 0 || options.Quorum > maxFigure {
		errs = append(errs, fmt.Errorf("fleet: hint: Quorum is %d; want a number of processes, or 0 for 1", options.Quorum))
	}
	if options.MaxOpen < 0 {
		errs = append(errs, fmt.Errorf("fleet: hint: MaxOpen is %v; want a positive duration, or 0 for 5m0s", options.MaxOpen))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if options.Quorum == 0 {
		options.Quorum = 1
	}
	if options.MaxOpen == 0 {
		options.MaxOpen = 5 * time.Minute
	}
	h := &Hint{
		fleet: f, options: options, wake: make(chan struct{}, 1),
		key: f.key("hint", "openings", options.Name), channel: f.key("hint", "news", options.Name),
	}
	h.until.Store(new(time.Time))
	h.life, h.end = context.WithCancel(context.Background())
	h.guard = f.guard("hint", h.look, func(away bool) {
		if away {
			h.until.Store(new(time.Time))
		}
		h.rouse()
	})
	if err := f.adopt(h); err != nil {
		h.end()
		return nil, err
	}
	h.wg.Go(h.run)
	f.bus.listen(h.channel, h.rouse)
	return h, nil
}

// Until is when others last expected to probe the upstream; zero if nobody says that it is
// down, or if Redis is away. It answers from memory.
func (h *Hint) Until() time.Time {
	if until := *h.until.Load(); time.Now().Before(until) {
		return until
	}
	return time.Time{}
}

// Publish tells the others that this process has opened its breaker until then, or,
// with the zero time, that it has closed it, which takes back what all have said. It
// does not block. While Redis is away the last word is kept and said when it is back,
// if it still holds then.
func (h *Hint) Publish(until time.Time) {
	h.mu.Lock()
	h.pending = &until
	h.mu.Unlock()
	if until.IsZero() {
		h.until.Store(&until)
	}
	h.rouse()
}

func (h *Hint) rouse() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run publishes, listens and polls.
func (h *Hint) run() {
	poll := time.NewTimer(hintPoll)
	defer poll.Stop()
	for {
		select {
		case <-h.wake:
		case <-poll.C:
		case <-h.life.Done():
			return
		}
		_, _ = redisconn.Call(h.life, h.guard, func(ctx context.Context) (struct{}, error) { return struct{}{}, h.look(ctx) })
		poll.Reset(hintPoll*4/5 + rand.N(hintPoll*2/5))
	}
}

// look says what there is to say and takes over what the others have said.
func (h *Hint) look(ctx context.Context) error {
	h.mu.Lock()
	said := h.pending
	h.mu.Unlock()
	open := int64(0)
	switch {
	case said == nil:
	case said.IsZero():
		open = -1
	default:
		open = min(max(0, time.Until(*said)), h.options.MaxOpen).Milliseconds()
	}
	raw, err := hintScript.Run(ctx, h.fleet.client, []string{h.key},
		h.fleet.member, open, h.options.MaxOpen.Milliseconds(), h.options.Quorum, h.channel).Result()
	if err != nil {
		return err
	}
	left, err := parseHint(raw, h.options.MaxOpen)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending != said { // there is newer to say, and the answer is older than it
		h.rouse()
		return nil
	}
	h.pending = nil
	h.hear(left)
	return nil
}

// hear takes over how long the others are open for. The same opening keeps the same
// time, whenever it is asked for.
func (h *Hint) hear(left time.Duration) {
	if left == 0 {
		h.until.Store(new(time.Time))
		return
	}
	until := time.Now().Add(left)
	if known := *h.until.Load(); until.Sub(known).Abs() > hintSame {
		h.until.Store(&until)
	}
}

// parseHint believes nothing that the script would not say.
func parseHint(raw any, maxOpen time.Duration) (time.Duration, error) {
	ms, ok := raw.(int64)
	if !ok || ms < 0 || ms > maxOpen.Milliseconds() {
		return 0, fmt.Errorf("%w: an opening of %v", errLie, raw)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func (h *Hint) close() {
	h.end()
	h.guard.Close()
	h.wg.Wait()
}
