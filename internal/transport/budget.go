package transport

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBudgetExhausted marks a call that was not repeated because the retry budget
// was empty. The upstream's own answer or error is what the call ends with;
// an error also matches this, and [Result].BudgetExhausted is set in any case.
var ErrBudgetExhausted = errors.New("retry budget exhausted")

// BudgetConfig is what a [Budget] is made of. The zero value is off: retries cost
// nothing. With Tokens set, other zero fields take the values of
// [DefaultBudget].
type BudgetConfig struct {
	// Tokens is the size of the budget, which begins full. A retry takes one.
	Tokens float64
	// Credit is earned by each call whose first attempt succeeds.
	Credit float64
	// PerSecond is earned by time alone, so that a call is repeated now and
	// then however bad things are.
	PerSecond float64
}

// DefaultBudget is 100 tokens, a tenth of one per success, one per second.
func DefaultBudget() BudgetConfig { return BudgetConfig{Tokens: 100, Credit: 0.1, PerSecond: 1} }

func (c BudgetConfig) check() error {
	var errs []error
	for _, f := range []struct {
		name  string
		value float64
	}{{"Tokens", c.Tokens}, {"Credit", c.Credit}, {"PerSecond", c.PerSecond}} {
		if math.IsNaN(f.value) || math.IsInf(f.value, 0) || f.value < 0 {
			errs = append(errs, fmt.Errorf("retry budget: %s is %v; want a finite number, 0 for the default", f.name, f.value))
		}
	}
	if c.Tokens > 0 && c.Tokens < 1 {
		errs = append(errs, fmt.Errorf("retry budget: Tokens is %v, less than one retry costs; want at least 1, or 0 for no budget", c.Tokens))
	}
	return errors.Join(errs...)
}

// Budget bounds what retries add to the load of an upstream that is in trouble,
// over all calls of a client together. A retry takes a token and brings it back
// if it succeeds: so retries that help are free, and only those that fail too
// use the budget up. (After the retry quota of the AWS SDKs, with the floor of
// Finagle's RetryBudget.)
//
// Rate-limit answers are waited out, not fought: neither they nor the
// attempts after them cost anything.
//
// All methods are safe for concurrent use; a nil *Budget never refuses.
type Budget struct {
	cfg BudgetConfig

	// full is true while there is no room for what a success earns, which is nearly
	// always: then nobody needs the lock.
	full atomic.Bool

	mu      sync.Mutex
	tokens  float64
	last    time.Time // tokens are counted up to here
	refused uint64
}

// NewBudget returns a budget, nil if cfg.Tokens is 0, or an error that names
// every bad field.
func NewBudget(cfg BudgetConfig) (*Budget, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Tokens == 0 {
		return nil, nil //nolint:nilnil // a nil budget is one that is off
	}
	d := DefaultBudget()
	if cfg.Credit == 0 {
		cfg.Credit = d.Credit
	}
	if cfg.PerSecond == 0 {
		cfg.PerSecond = d.PerSecond
	}
	b := &Budget{cfg: cfg, tokens: cfg.Tokens, last: time.Now()}
	b.full.Store(true)
	return b, nil
}

// take pays for one retry, if the budget can.
func (b *Budget) take() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.tokens < 1-1e-9 { // forgives the rounding of tenths
		b.refused++
		return false
	}
	b.spend()
	return true
}

// spare pays for what can be done without, as long as more than half of the
// budget is there: the rest is for retries.
func (b *Budget) spare() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.tokens-1 < b.cfg.Tokens/2-1e-9 {
		return false
	}
	b.spend()
	return true
}

// spend takes one token.
func (b *Budget) spend() {
	b.full.Store(false)
	b.tokens--
}

// refund gives back what a retry took.
func (b *Budget) refund() { b.add(1) }

// credit notes a call whose first attempt succeeded.
func (b *Budget) credit() {
	if b != nil && !b.full.Load() {
		b.add(b.cfg.Credit)
	}
}

func (b *Budget) add(n float64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.cfg.Tokens, b.tokens+n)
	b.full.Store(b.tokens == b.cfg.Tokens)
}

// refill counts what time has brought since the last refill.
func (b *Budget) refill() {
	now := time.Now()
	if gone := now.Sub(b.last); gone > 0 {
		b.tokens = min(b.cfg.Tokens, b.tokens+b.cfg.PerSecond*gone.Seconds())
		b.last = now
	}
}

// BudgetStats is a snapshot of a [Budget].
type BudgetStats struct {
	Tokens   float64 // retries that can be paid now
	Capacity float64
	Refused  uint64 // retries that could not be paid
}

// Stats returns a snapshot; of a nil budget it is zero.
func (b *Budget) Stats() BudgetStats {
	if b == nil {
		return BudgetStats{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	return BudgetStats{Tokens: max(0, b.tokens), Capacity: b.cfg.Tokens, Refused: b.refused}
}

// budgetError adds ErrBudgetExhausted to the error of a call.
type budgetError struct{ err error }

func (e *budgetError) Error() string {
	return e.err.Error() + "; not repeated: " + ErrBudgetExhausted.Error()
}
func (e *budgetError) Unwrap() []error { return []error{e.err, ErrBudgetExhausted} }
