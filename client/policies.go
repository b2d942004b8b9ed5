package client

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// Budget bounds the retries of all calls of a client together, so that they do
// not add to the load of a service in trouble. The zero value is off. With Tokens
// set, other zero fields take the values of [DefaultBudget].
type Budget struct {
	// Tokens is the size of the budget, which begins full. A retry takes one
	// and brings it back if it succeeds. After a rate limit it costs nothing.
	Tokens float64
	// Credit is earned by each call whose first attempt succeeds.
	Credit float64
	// PerSecond is earned by time alone.
	PerSecond float64
}

// DefaultBudget is 100 tokens, a tenth of one per success, one per second.
func DefaultBudget() Budget { return Budget(transport.DefaultBudget()) }

// Breaker stops calling a service that is down, and finds out when it is back.
// Lost connections, 408, most of 5xx, truncated bodies and our own timeouts are
// failures; any other answer is a success; what the caller cancels is neither.
// The zero value is off. With Failures set, other zero fields take the values of
// [DefaultBreaker].
type Breaker struct {
	// Failures in a row open the breaker as long as the window holds fewer than
	// MinCalls finished attempts; after that it takes BusyFailures in a row (0
	// means twice Failures), or a share of at least Ratio.
	Failures, BusyFailures int
	MinCalls               int
	Ratio                  float64
	// Window is how far back attempts count; at least twice the longest
	// attempt timeout, which is also the default if that is more than 60 s.
	Window time.Duration
	// OpenFor is how long the breaker stays open before it lets a probe through.
	OpenFor time.Duration
	// Successes of probes in a row close the breaker.
	Successes int
	// ProbeAfter, if set, probes earlier: after that time, and later whenever a
	// twelfth of the outage so far has passed, up to OpenFor; all give or take
	// a tenth. 250 ms is a good value.
	ProbeAfter time.Duration
	// ProbeLease is how long a probe keeps others from probing.
	ProbeLease time.Duration
	// PerOperation gives getting, listing, deleting, creating and pinging a
	// breaker each.
	PerOperation bool
	// Mode is what the breaker begins in; see [Client.SetBreakerMode].
	Mode BreakerMode
	// Hint shares openings with other processes; nil shares nothing.
	Hint OpenHint
}

// DefaultBreaker opens after 5 failures in a row while the last 60 s hold fewer
// than 20 attempts, then after 10 in a row or if half of the attempts failed; it
// stays open for 60 s and closes after 2 successful probes.
func DefaultBreaker() Breaker {
	d := transport.DefaultBreaker()
	return Breaker{
		Failures: d.Failures, BusyFailures: d.BusyFailures, MinCalls: d.MinCalls, Ratio: d.Ratio, Window: d.Window,
		OpenFor: d.OpenFor, Successes: d.Successes, ProbeLease: d.ProbeLease,
	}
}

// BreakerMode says who decides whether calls pass the breaker.
type BreakerMode = transport.BreakerMode

// The modes of a breaker.
const (
	BreakerAuto         = transport.ModeAuto         // the breaker does
	BreakerForcedOpen   = transport.ModeForcedOpen   // refuse everything; patient calls wait
	BreakerForcedClosed = transport.ModeForcedClosed // refuse nothing, count nothing
	BreakerMetricsOnly  = transport.ModeMetricsOnly  // count and tell, but refuse nothing
)

// OpenHint is how processes tell each other that the service is down. It is
// advisory: who is told opens its own breaker until then, at most for
// [Breaker].OpenFor, and finds out by itself how things are afterwards. It never
// forces a call through, and a process that closed its breaker is not opened by the
// same time again. A panic in it is taken for silence.
type OpenHint interface {
	// Until is when others last expected to probe, zero if nobody says that the
	// service is down. It is called for every attempt and must answer from
	// memory.
	Until() time.Time
	// Publish tells the others that this process has opened until then, or,
	// with the zero time, that it has closed. It runs on the goroutine of a call,
	// outside of locks, and must not block.
	Publish(until time.Time)
}

// Limiter is a rate limit that several processes share, such as a token bucket in
// Redis. With [WithLimiter] it takes the place of the throttle's pace: an attempt has
// its slot of the bulkhead, then reserves a token here, last of all. The client's own
// [Throttle] is the local share, which paces attempts while the limiter fails; and
// what the service asks for with Retry-After is waited out locally in any case.
//
// Both methods are called from many goroutines. A limiter that also has a method
// Quiet() time.Time is asked there, before a token is used that had to be waited for, until
// when the service wants quiet from all processes; zero is not at all. In that time the
// token is dropped, and Reserve asked anew.
type Limiter interface {
	// Reserve takes cost tokens from the shared limit. The client sleeps, never
	// the limiter: wait is how long from now until the tokens are earned, 0 if
	// they are there. If they would take longer than maxWait, Reserve takes
	// nothing and returns that longer wait with ok false; the attempt is then
	// refused with [ErrThrottled]. maxWait is math.MaxInt64 for a call without a
	// deadline.
	//
	// An error means that the limit cannot be asked at present, not that it
	// refuses. It never fails a call: attempts are paced by the local throttle for
	// a second, then one asks again. ctx ends after 100 ms; what has no answer by
	// then should return its error. A panic is taken for an error.
	//
	// A token that was reserved and not used (the caller gave up, the process was
	// stopped, the service asked for quiet meanwhile) is lost.
	Reserve(ctx context.Context, cost int, maxWait time.Duration) (wait time.Duration, ok bool, err error)
	// Feedback tells what the service said to an attempt: limited for a rate-limit
	// answer, with the wait that it asked for, 0 for none; otherwise that the
	// attempt was let through. It runs on the goroutine of the call and must not
	// block: what has to travel is sent from elsewhere. Attempts that brought no
	// answer that tells (a lost connection, a 5xx) are not reported.
	Feedback(limited bool, retryAfter time.Duration)
}

// Throttle paces the attempts of a client. The zero value is off. With Rate set,
// other zero fields take the defaults named.
type Throttle struct {
	// Rate is the ceiling in attempts per second. Below it the throttle follows
	// what the service accepts: cut by a rate-limit answer, growing again after.
	Rate float64
	// Burst is how many attempts may leave at once after idle time; 0 means one
	// second's worth, at most 10.
	Burst int
	// Floor is the rate that no cut goes below; 0 means one per second, or a
	// tenth of Rate if that is less.
	Floor float64
	// WholeGate keeps everybody quiet for all of a Retry-After, however short, not only
	// the call that was told. By default that holds from 2 s on; below, which may be a
	// fraction of a second rounded up, another call looks in after 50 ms or a round
	// trip, whichever is longer: accepted, it lets all go on at the reduced rate;
	// refused, it closes the gate to the end, and looks become rare.
	WholeGate bool
	// Fixed keeps the rate whatever the service answers, and the whole gate.
	Fixed bool
}

// DefaultThrottle is 10 attempts per second and bursts of 10.
func DefaultThrottle() Throttle { return Throttle{Rate: 10, Burst: 10} }

// Bulkhead bounds the attempts in flight. Calls of a batch yield to others and
// leave an eighth of the slots alone. The zero value is off.
type Bulkhead struct {
	// Limit is the number of slots; [Pool].MaxConnections caps it.
	Limit int
	// Reserve is the number of slots that batches cannot take; 0 means an
	// eighth of Limit, negative means none.
	Reserve int
	// MaxQueue and MaxWait bound the calls waiting for a slot, in each lane, and
	// their wait; 0 means no bound but the deadline.
	MaxQueue int
	MaxWait  time.Duration
}

// DefaultBulkhead is 16 slots.
func DefaultBulkhead() Bulkhead { return Bulkhead{Limit: 16} }

// Hedging asks a second time for what is slow to come, and takes the answer that
// comes first. It is for reads of interactive calls: no list or report of a batch, no
// creation or deletion, no [Client.Ping], no call with [Attempts] of 1 is ever made
// twice by it. The second request is paid from the upper half of the [Budget], which
// gets nothing back, and goes only if the breaker is closed and a slot and a token are
// there at once. The request that loses is cancelled and counts as nothing. So a service
// that is slow as a whole is not asked twice for long; what is cut is the tail that
// single slow requests make. The RoundTripper of [WithHTTPClient], if any, has to
// heed the request's context. The zero value is off.
type Hedging struct {
	// Quantile of the latencies of a kind of operation (get, list, other), such as
	// 0.95: the second request leaves when the first has been under way for that
	// long, so about 1-Quantile of the requests are made twice.
	Quantile float64
	// MinSamples is how many latencies have to be known of a kind of operation
	// before any request is made twice: 1 to 256, which is how many are
	// remembered; 0 means 20.
	MinSamples int
	// MinDelay is the least time that the first request is given; 0 means 10 ms.
	MinDelay time.Duration
}

// Middleware wraps what makes requests. The RoundTripper it returns must be safe
// for concurrent use.
type Middleware = func(next http.RoundTripper) http.RoundTripper

// Middlewares are yours, at two places of the pipeline, outermost first. Neither
// sees the API key.
type Middlewares struct {
	// PerCall runs once around each call, with all its attempts and waits.
	PerCall []Middleware
	// PerAttempt runs around each attempt that is sent; refused ones never get
	// there. An error of its own ends the call and says nothing about the
	// service.
	PerAttempt []Middleware
}

// WithBudget replaces [DefaultBudget].
func WithBudget(b Budget) Option { return func(s *settings) { s.budget = b } }

// WithBreaker replaces [DefaultBreaker].
func WithBreaker(b Breaker) Option { return func(s *settings) { s.breaker = b } }

// WithThrottle replaces [DefaultThrottle].
func WithThrottle(t Throttle) Option { return func(s *settings) { s.throttle = t } }

// WithLimiter paces the attempts of this client by a limit that processes share; nil
// is none. Set [WithThrottle] to this process's share of that limit: it holds while
// the limiter is away.
func WithLimiter(l Limiter) Option { return func(s *settings) { s.limiter = l } }

// WithHedging lets slow reads be asked for twice, which is off by default: it
// costs the service requests, and the plan may count them. It needs the retry budget
// ([WithBudget]).
func WithHedging(h Hedging) Option { return func(s *settings) { s.hedging = h } }

// WithBulkhead replaces [DefaultBulkhead].
func WithBulkhead(b Bulkhead) Option { return func(s *settings) { s.bulkhead = b } }

// WithMiddleware adds middleware; given again, it adds more, inside of what was
// there.
func WithMiddleware(m Middlewares) Option {
	return func(s *settings) {
		s.middleware.PerCall = append(s.middleware.PerCall, m.PerCall...)
		s.middleware.PerAttempt = append(s.middleware.PerAttempt, m.PerAttempt...)
	}
}

// policies are the parts of the pipeline that [settings] make.
type policies struct {
	budget   *transport.Budget
	breakers *transport.Breakers
	throttle *transport.Throttle
	shared   *transport.Shared
	hedge    *transport.Hedge
	bulkhead *transport.Bulkhead
}

// policies makes them and notes what is wrong with their figures.
func (s *settings) policies() (p policies) {
	var err error
	p.budget, err = transport.NewBudget(transport.BudgetConfig(s.budget))
	s.adopt("WithBudget", "retry budget: ", err)
	p.breakers, err = transport.NewBreakers(s.breakerConfig())
	s.adopt("WithBreaker", "breaker: ", err)
	t := s.throttle
	p.throttle, err = transport.NewThrottle(transport.ThrottleConfig{Rate: t.Rate, Burst: t.Burst, Floor: t.Floor, WholeGate: t.WholeGate, Fixed: t.Fixed})
	s.adopt("WithThrottle", "throttle: ", err)
	p.shared, err = transport.NewShared(s.limiter, p.throttle, 0)
	s.adopt("WithLimiter", "throttle: ", err)
	p.hedge, err = transport.NewHedge(transport.HedgeConfig(s.hedging))
	s.adopt("WithHedging", "hedging: ", err)
	if p.hedge != nil && s.budget.Tokens == 0 {
		s.problem("WithHedging", "there is no retry budget to pay it from: leave WithBudget out, or give it Tokens")
	}
	if p.hedge != nil && s.retry.Attempts <= 1 {
		s.problem("WithHedging", "has no effect beside WithRetry with %d Attempts, which means one request: give 2 or more", s.retry.Attempts)
	}
	p.bulkhead, err = transport.NewBulkhead(s.bulkheadConfig())
	s.adopt("WithBulkhead", "bulkhead: ", err)
	return p
}

// adopt notes each problem that a policy found with its figures; policies join
// theirs, one a line.
func (s *settings) adopt(option, prefix string, err error) {
	if err == nil {
		return
	}
	for line := range strings.Lines(err.Error()) {
		s.problem(option, "%s", strings.TrimPrefix(strings.TrimSpace(line), prefix))
	}
}

func (s *settings) breakerConfig() transport.BreakerConfig {
	b := s.breaker
	if b.Window == 0 || b.Window == DefaultBreaker().Window {
		t := s.attemptTimeouts()
		b.Window = max(DefaultBreaker().Window, 2*max(s.effectiveTimeouts().Attempt, t.Get, t.List, t.Delete, t.Create))
	}
	return transport.BreakerConfig{
		Failures: b.Failures, BusyFailures: b.BusyFailures, MinCalls: b.MinCalls, Ratio: b.Ratio, Window: b.Window,
		OpenFor: b.OpenFor, Successes: b.Successes, ProbeAfter: b.ProbeAfter, ProbeLease: b.ProbeLease,
		PerKind: b.PerOperation, Mode: b.Mode, Hint: b.Hint,
	}
}

func (s *settings) bulkheadConfig() transport.BulkheadConfig {
	b := s.bulkhead
	if n := s.pool.MaxConnections; n > 0 && b.Limit > n {
		b.Limit = n
		b.Reserve = min(b.Reserve, n-1)
	}
	return transport.BulkheadConfig{Limit: b.Limit, Reserve: b.Reserve, MaxQueue: b.MaxQueue, MaxWait: b.MaxWait}
}

// chain fits middleware into the pipeline.
func chain(list []Middleware) []transport.Policy {
	fitted := make([]transport.Policy, 0, len(list)+1)
	for _, m := range list {
		if m != nil {
			fitted = append(fitted, m)
		}
	}
	return fitted
}
