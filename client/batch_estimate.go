package client

import (
	"cmp"
	"context"
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// DefaultEstimateSample is the number of users that [Client.EstimateSessions]
// lists.
const DefaultEstimateSample = 50

// BatchEstimate is what a batch would take.
type BatchEstimate struct {
	// Users would be fetched. Duplicates, Invalid ids and those that the token
	// calls done (Resumed) would not be asked for.
	Users, Duplicates, Invalid, Resumed int64
	// Sampled users were listed for the estimate: that took Made calls and found
	// Sessions. Failed of them failed and are left out.
	Sampled, Failed int
	Sessions        int64
	Made            int64
	// Calls is the number of calls that the batch would make; it lies between
	// Low and High with 95 % confidence. Retries come on top.
	Calls, Low, High int64
	// Exact: every user was listed, so that Calls is the true number as of
	// now.
	Exact bool
}

// Duration returns how long the calls take at a number of calls a second, which
// must be positive.
func (e BatchEstimate) Duration(perSecond float64) time.Duration {
	return time.Duration(min(float64(e.Calls)/perSecond*float64(time.Second), math.MaxInt64/2))
}

// EstimateSessions tells how many calls [Client.FetchSessions] would make with
// the same arguments. It reads users to the end and lists the sessions of
// sample of them, drawn evenly at random (0 means [DefaultEstimateSample]): that
// is its whole cost, normally one call for each. It reads no report. With no more
// users than sample the answer is exact, as long as no session comes or goes.
//
// It is as patient as a batch: q, o and opts apply as there; Progress and Meter
// show the sample. Errors are those of FetchSessions; what is known by then is
// returned with them.
func (c *Client) EstimateSessions(ctx context.Context, users iter.Seq2[string, error], q Query, o BatchOptions, sample int, opts ...CallOption) (BatchEstimate, error) {
	plan, err := c.planBatch(q, o, opts)
	if err != nil {
		return BatchEstimate{}, err
	}
	sample = cmp.Or(max(sample, 0), DefaultEstimateSample)
	drawn, estimate, err := plan.draw(ctx, users, sample)
	if err != nil {
		return estimate, err
	}
	meter := cmp.Or(o.Meter, new(BatchMeter))
	lists := o
	lists.Details, lists.KeepDuplicates, lists.Resume, lists.Meter = false, true, ResumeToken{}, meter
	lists.Total = int64(len(drawn))
	var spread moments
	for b, err := range c.FetchSessions(ctx, each(drawn), q, lists, opts...) {
		switch {
		case err != nil:
			return estimate, err
		case b.Err != nil:
			estimate.Failed++
		default:
			estimate.Sampled++
			estimate.Sessions += int64(len(b.Sessions))
			spread.add(float64(plan.callsFor(len(b.Sessions))))
		}
	}
	estimate.Made = meter.Progress().Calls
	estimate.extrapolate(spread)
	return estimate, nil
}

// draw reads the input to its end and draws a sample of the users who would be
// fetched, each with the same chance (reservoir sampling, Vitter's algorithm R).
func (p *batchPlan) draw(ctx context.Context, users iter.Seq2[string, error], sample int) ([]string, BatchEstimate, error) {
	var e BatchEstimate
	var drawn []string
	counts := newTally(0, 0)
	in := &intake{
		resume: p.options.Resume, tally: counts,
		admit:  func(int64, idChain) bool { return ctx.Err() == nil },
		passed: func(int64) {}, known: func(string) {},
	}
	if !p.options.KeepDuplicates {
		in.ids = newIDSet()
	}
	var failed error
	for u, err := range in.fresh(users) {
		switch {
		case err != nil:
			failed = err
		case checkID(u.id) != "":
			e.Invalid++
		default:
			e.Users++
			if len(drawn) < sample {
				drawn = append(drawn, u.id)
			} else if i := rand.Int64N(e.Users); i < int64(sample) {
				drawn[i] = u.id
			}
		}
	}
	if ctx.Err() != nil {
		failed = context.Cause(ctx)
	}
	e.Duplicates, e.Resumed = counts.counts.Duplicates, counts.counts.Resumed
	return drawn, e, failed
}

// callsFor is the number of calls for a user of n sessions.
func (p *batchPlan) callsFor(n int) int {
	size := cmp.Or(p.query.PageSize, MaxPageSize)
	pages := n/size + 1 // a full page is followed by another one
	if limit := p.query.Limit; limit > 0 && n >= limit {
		pages = (limit + size - 1) / size
	}
	if p.options.Details {
		return pages + n
	}
	return pages
}

// extrapolate goes from the sample to all users.
func (e *BatchEstimate) extrapolate(m moments) {
	users := float64(e.Users)
	calls := m.mean * users
	e.Exact = int64(e.Sampled) == e.Users
	margin := 0.0
	if !e.Exact && m.n > 1 {
		// The sample is drawn without replacement from a finite population.
		finite := (users - m.n) / max(users-1, 1)
		margin = 1.96 * users * math.Sqrt(m.variance()/m.n*finite)
	}
	e.Calls = int64(math.Round(calls))
	e.Low = max(0, int64(math.Round(calls-margin)))
	e.High = int64(math.Round(calls + margin))
}

// moments are the mean and variance of a series (Welford's method).
type moments struct{ n, mean, squares float64 }

func (m *moments) add(x float64) {
	m.n++
	d := x - m.mean
	m.mean += d / m.n
	m.squares += d * (x - m.mean)
}

func (m *moments) variance() float64 {
	if m.n < 2 {
		return 0
	}
	return m.squares / (m.n - 1)
}

// each yields the ids.
func each(ids []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}
