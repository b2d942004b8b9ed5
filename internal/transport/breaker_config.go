package transport

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// BreakerConfig is what [Breakers] are made of. The zero value is off. With
// Failures set, other zero fields take the values of [DefaultBreaker].
type BreakerConfig struct {
	// Failures in a row open the breaker as long as the window holds fewer
	// than MinCalls finished attempts; after that it takes BusyFailures in a
	// row (0 means twice Failures), or a share of at least Ratio.
	Failures, BusyFailures int
	MinCalls               int
	Ratio                  float64
	// Window is how far back attempts count, in steps of Bucket. It should be
	// at least twice the longest attempt timeout: an attempt that takes longer
	// than the window is never counted.
	Window, Bucket time.Duration
	// OpenFor is how long the breaker stays open before it lets a probe
	// through; with ProbeAfter it is the longest time between two probes.
	OpenFor time.Duration
	// Successes of probes in a row close the breaker.
	Successes int
	// ProbeAfter, if set, probes earlier: after that time, and later whenever
	// a twelfth of the outage so far has passed, up to OpenFor; all give or
	// take a tenth. So the end of an outage is noticed within ProbeAfter or 8 %
	// of its length, at a number of probes that grows with its logarithm.
	ProbeAfter time.Duration
	// ProbeLease is how long a probe holds its place. One that takes longer
	// still counts when it ends, but the next may go meanwhile: so a probe that
	// hangs, or whose caller is gone, cannot keep the breaker open. It should
	// be longer than an attempt takes.
	ProbeLease time.Duration
	// PerKind gives each [Kind] of operation a breaker of its own.
	PerKind bool
	// Mode is what the breaker begins in.
	Mode BreakerMode
	// OnChange is told of each change, in order, outside of any lock. It runs on
	// the goroutine of a call, which waits for it.
	OnChange func(BreakerChange)
	// Hint shares openings with other processes; nil shares nothing.
	Hint OpenHint
	// Rand draws the jitter of probes from [0, 1); nil means math/rand/v2.
	Rand func() float64
}

// DefaultBreaker opens after 5 failures in a row while the last 60 s (12 buckets of
// 5 s) hold fewer than 20 attempts, then after 10 in a row or if half of the
// attempts failed; it stays open for 60 s and closes after 2 successful probes,
// which hold their place for 15 s.
func DefaultBreaker() BreakerConfig {
	return BreakerConfig{
		Failures: 5, BusyFailures: 10, MinCalls: 20, Ratio: 0.5, Window: time.Minute, Bucket: 5 * time.Second,
		OpenFor: time.Minute, Successes: 2, ProbeLease: 15 * time.Second,
	}
}

func (c BreakerConfig) check() error {
	var errs []error
	for _, f := range []struct {
		name  string
		value int
	}{{"Failures", c.Failures}, {"BusyFailures", c.BusyFailures}, {"MinCalls", c.MinCalls}, {"Successes", c.Successes}} {
		if f.value < 0 || f.value > math.MaxInt32 {
			errs = append(errs, fmt.Errorf("breaker: %s is %d; want a positive number, 0 for the default", f.name, f.value))
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"Window", c.Window}, {"Bucket", c.Bucket}, {"OpenFor", c.OpenFor}, {"ProbeAfter", c.ProbeAfter}, {"ProbeLease", c.ProbeLease}} {
		if f.value < 0 {
			errs = append(errs, fmt.Errorf("breaker: %s is %v; want a positive duration, 0 for the default", f.name, f.value))
		}
	}
	if math.IsNaN(c.Ratio) || c.Ratio < 0 || c.Ratio > 1 {
		errs = append(errs, fmt.Errorf("breaker: Ratio is %v; want a share between 0 and 1, 0 for the default", c.Ratio))
	}
	if c.Mode > ModeMetricsOnly {
		errs = append(errs, fmt.Errorf("breaker: Mode %d is unknown", c.Mode))
	}
	if d := c.withDefaults(); d.Bucket > d.Window/2 {
		errs = append(errs, fmt.Errorf("breaker: Bucket %v is more than half of Window %v; want a smaller part of it", d.Bucket, d.Window))
	} else if d.Bucket > 0 && d.Window/d.Bucket > 1000 {
		errs = append(errs, fmt.Errorf("breaker: Window %v has more than 1000 buckets of %v; want a longer Bucket", d.Window, d.Bucket))
	}
	if d := c.withDefaults(); d.ProbeAfter > d.OpenFor {
		errs = append(errs, fmt.Errorf("breaker: ProbeAfter %v is longer than OpenFor %v; want at most that", d.ProbeAfter, d.OpenFor))
	}
	return errors.Join(errs...)
}

func (c BreakerConfig) withDefaults() BreakerConfig {
	d := DefaultBreaker()
	if c.BusyFailures == 0 {
		c.BusyFailures = 2 * c.Failures
	}
	if c.MinCalls == 0 {
		c.MinCalls = d.MinCalls
	}
	if c.Ratio == 0 {
		c.Ratio = d.Ratio
	}
	if c.Window == 0 {
		c.Window = d.Window
	}
	if c.Bucket == 0 {
		c.Bucket = c.Window / 12
	}
	if c.OpenFor == 0 {
		c.OpenFor = d.OpenFor
	}
	if c.Successes == 0 {
		c.Successes = d.Successes
	}
	if c.ProbeLease == 0 {
		c.ProbeLease = d.ProbeLease
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	return c
}

// trips is the rule that opens a closed breaker.
func (c *BreakerConfig) trips(calls, failures, inARow int) bool {
	if calls < c.MinCalls {
		return inARow >= c.Failures
	}
	return inARow >= c.BusyFailures || float64(failures) >= c.Ratio*float64(calls)
}

// openFor is the time until the next probe of an outage that has lasted age.
func (c *BreakerConfig) openFor(age time.Duration) time.Duration {
	if c.ProbeAfter == 0 {
		return c.OpenFor
	}
	wait := max(c.ProbeAfter, age/12)
	wait = time.Duration(float64(wait) * (0.9 + 0.2*c.Rand()))
	return max(1, min(wait, c.OpenFor))
}
