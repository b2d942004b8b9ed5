package transport

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// HedgeConfig says when a read that is slow is asked for a second time, for
// whichever answer comes first. The zero value is off. With Quantile set, other
// zero fields take the values of [DefaultHedge].
type HedgeConfig struct {
	// Quantile of the latencies of a kind of operation, between 0 and 1: the
	// second request leaves when the first has been under way for that long. So
	// about 1-Quantile of the requests are made twice.
	Quantile float64
	// MinSamples is how many latencies have to be known of a kind of operation
	// before any of its requests is made twice; at most 256, which is how many are
	// remembered.
	MinSamples int
	// MinDelay is the least time that the first request is given.
	MinDelay time.Duration
}

// DefaultHedge is the 95th percentile of at least 20 latencies, and not before
// 10 ms.
func DefaultHedge() HedgeConfig {
	return HedgeConfig{Quantile: 0.95, MinSamples: 20, MinDelay: 10 * time.Millisecond}
}

func (c HedgeConfig) check() error {
	var errs []error
	if math.IsNaN(c.Quantile) || c.Quantile < 0 || c.Quantile >= 1 {
		errs = append(errs, fmt.Errorf("hedging: Quantile is %v; want a share above 0 and below 1 such as 0.95, 0 for no hedging", c.Quantile))
	}
	if c.MinSamples < 0 || c.MinSamples > latencyWindow {
		errs = append(errs, fmt.Errorf("hedging: MinSamples is %d; want 1 to %d, 0 for the default", c.MinSamples, latencyWindow))
	}
	if c.MinDelay < 0 {
		errs = append(errs, fmt.Errorf("hedging: MinDelay is %v; want a positive duration, 0 for the default", c.MinDelay))
	}
	return errors.Join(errs...)
}

func (c HedgeConfig) withDefaults() HedgeConfig {
	d := DefaultHedge()
	if c.MinSamples == 0 {
		c.MinSamples = d.MinSamples
	}
	if c.MinDelay == 0 {
		c.MinDelay = d.MinDelay
	}
	return c
}

// HedgeStats is a snapshot of a [Hedge].
type HedgeStats struct {
	On   bool
	Sent uint64 // second requests
	Won  uint64 // of which answered first
	// Denied is how often a second request was due and the budget, the bulkhead,
	// the throttle or the breaker had no room for it.
	Denied uint64
	// Delays are the kinds of operation whose latency is known.
	Delays []HedgeDelay
}

// HedgeDelay is what a [Hedge] knows of one kind of operation.
type HedgeDelay struct {
	Kind    string
	Samples int           // latencies remembered
	Delay   time.Duration // until a second request; 0 while there are too few samples
}
