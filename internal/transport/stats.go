package transport

// Stats is a snapshot of a pipeline. Parts that are off are zero.
type Stats struct {
	InFlight   int // calls between the start and the end of Do
	Breakers   []BreakerStats
	Throttle   ThrottleStats
	Limiter    LimiterStats
	Bulkhead   BulkheadStats
	Budget     BudgetStats
	Hedge      HedgeStats
	HookPanics uint64 // hooks and listeners that panicked
}

// Stats returns a snapshot. The parts are taken one after the other.
func (d *Doer) Stats() Stats {
	s := Stats{
		InFlight: int(d.inFlight.Load()), Breakers: d.cfg.Breakers.Stats(), Throttle: d.cfg.Throttle.Stats(),
		Limiter:  d.cfg.Shared.Stats(),
		Hedge:    d.cfg.Hedge.Stats(),
		Bulkhead: d.cfg.Bulkhead.Stats(), Budget: d.cfg.Budget.Stats(), HookPanics: d.hooks.panics.Load(),
	}
	if d.cfg.Breakers != nil {
		for _, b := range d.cfg.Breakers.all {
			s.HookPanics += b.news.panics.Load()
		}
	}
	return s
}
