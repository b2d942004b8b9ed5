package transport

import "errors"

// Breakers are the breakers of a client: one, or one for each kind of operation.
// A nil *Breakers never refuses.
type Breakers struct {
	all   []*Breaker
	index [kinds]*Breaker
}

// NewBreakers returns them, nil if cfg.Failures is 0, or an error that names
// every bad field.
func NewBreakers(cfg BreakerConfig) (*Breakers, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Failures == 0 {
		return nil, nil //nolint:nilnil // nil breakers are off
	}
	cfg = cfg.withDefaults()
	s := &Breakers{}
	if !cfg.PerKind {
		one := newBreaker("upstream", cfg)
		s.all = []*Breaker{one}
		for k := range s.index {
			s.index[k] = one
		}
		return s, nil
	}
	for k := range s.index {
		s.index[k] = newBreaker(Kind(k).String(), cfg)
		s.all = append(s.all, s.index[k])
	}
	return s, nil
}

// Of returns the breaker that a kind of operation passes, nil if there is none.
func (s *Breakers) Of(k Kind) *Breaker {
	if s == nil || k >= kinds {
		return nil
	}
	return s.index[k]
}

// SetMode sets the mode of all; see [Breaker.SetMode].
func (s *Breakers) SetMode(m BreakerMode) error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, b := range s.all {
		errs = append(errs, b.SetMode(m))
	}
	return errors.Join(errs...)
}

// Stats returns a snapshot of each.
func (s *Breakers) Stats() []BreakerStats {
	if s == nil {
		return nil
	}
	stats := make([]BreakerStats, 0, len(s.all))
	for _, b := range s.all {
		stats = append(stats, b.Stats())
	}
	return stats
}
