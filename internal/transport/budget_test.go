package transport_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// budget returns a change of configuration that puts in a budget which time does
// not refill, unless it says so.
func budget(t *testing.T, cfg transport.BudgetConfig) func(*transport.Config) {
	t.Helper()
	if cfg.PerSecond == 0 {
		cfg.PerSecond = 1e-9
	}
	return func(c *transport.Config) {
		var err error
		if c.Budget, err = transport.NewBudget(cfg); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *lab) tokens() string { return fmt.Sprintf("%.1f", l.doer.Stats().Budget.Tokens) }

func TestWhatRetriesCost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script []int
		calls  int
		tokens string // of 10
		sent   int
	}{
		{"a retry that succeeds brings its token back", []int{503, 200}, 1, "10.0", 2},
		{"one that fails does not, the next does", []int{503, 503, 200}, 1, "9.0", 3},
		{"all fail", []int{503}, 1, "7.0", 4},
		{"a terminal answer is a success of the retry", []int{503, 404}, 1, "10.0", 2},
		{"a rate limit costs nothing", []int{429, 429, 429, 200}, 1, "10.0", 4},
		{"nor does the retry that meets one", []int{503, 429, 200}, 1, "10.0", 3},
		{"a first-try success earns a tenth", []int{503, 503, 503, 503, 200}, 6, "7.5", 9},
		{"but not beyond the capacity", []int{200}, 20, "10.0", 20},
		{"a 404 earns nothing", []int{503, 503, 503, 503, 404}, 6, "7.0", 9},
		{"an empty budget stops retries", []int{503}, 100, "0.0", 110},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inLab(t, script(c.script...), budget(t, transport.BudgetConfig{Tokens: 10}), func(l *lab) {
				for range c.calls {
					l.get()
				}
				if got := l.tokens(); got != c.tokens {
					t.Errorf("%s tokens left, want %s", got, c.tokens)
				}
				if got := len(l.attempts()); got != c.sent {
					t.Errorf("%d attempts, want %d", got, c.sent)
				}
			})
		})
	}
}

func TestAnEmptyBudgetKeepsTheRealAnswerOrError(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"answer": 503, "error": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inLab(t, script(status), budget(t, transport.BudgetConfig{Tokens: 1}), func(l *lab) {
				l.get(func(c *transport.Call) { c.Limits.Attempts = 2 })
				res := l.get()
				if !res.BudgetExhausted || res.Attempts != 1 || res.took != 0 || res.status != status || res.Outcome.Class == transport.ClassRefused {
					t.Errorf("%d %v, %+v", res.status, res.err, res.Result)
				}
				if status != 0 {
					return
				}
				if _, own := errors.AsType[*transport.AttemptError](res.err); !own || !errors.Is(res.err, transport.ErrBudgetExhausted) {
					t.Errorf("%v: want the attempt's own error that also says ErrBudgetExhausted", res.err)
				}
				if !strings.Contains(res.err.Error(), "unexpected EOF; not repeated: retry budget exhausted") {
					t.Errorf("%v", res.err)
				}
				if n := l.doer.Stats().Budget.Refused; n != 1 {
					t.Errorf("%d refusals counted", n)
				}
			})
		})
	}
}

func TestRateLimitsAreWaitedOutOnAnEmptyBudget(t *testing.T) {
	t.Parallel()
	inLab(t, script(503, 503, 429, 429, 200), budget(t, transport.BudgetConfig{Tokens: 1}), func(l *lab) {
		l.get(func(c *transport.Call) { c.Limits.Attempts = 2 })
		if res := l.get(); res.status != 200 || res.Attempts != 3 {
			t.Errorf("%d %v after %d attempts", res.status, res.err, res.Attempts)
		}
	})
}

func TestTheBudgetRefillsByTime(t *testing.T) {
	t.Parallel()
	inLab(t, always(503), budget(t, transport.BudgetConfig{Tokens: 3, PerSecond: 1}), func(l *lab) {
		l.get(func(c *transport.Call) { c.Limits.Attempts = 4 })
		time.Sleep(time.Second)
		before := len(l.attempts())
		for range 5 {
			l.get()
		}
		if n := len(l.attempts()) - before; n != 6 {
			t.Errorf("%d attempts for 5 calls after a second, want one retry", n)
		}
		time.Sleep(time.Hour)
		if got := l.tokens(); got != "3.0" {
			t.Errorf("%s tokens after an hour, want the capacity", got)
		}
	})
}

func TestARetryThatIsNotMadeBringsItsTokenBack(t *testing.T) {
	t.Parallel()
	inLab(t, func(*http.Request, time.Duration) (*http.Response, error) {
		return reply(503, "Retry-After", "30"), nil
	},
		budget(t, transport.BudgetConfig{Tokens: 5}), func(l *lab) {
			for range 20 {
				ctx, cancel := context.WithCancel(l.t.Context())
				time.AfterFunc(time.Second, cancel)
				if res := l.do(ctx); res.Attempts != 1 || res.err == nil {
					t.Fatalf("%d attempts, %v", res.Attempts, res.err)
				}
			}
			if got := l.tokens(); got != "5.0" {
				t.Errorf("%s tokens, want 5.0", got)
			}
		})
}

func TestBudgetConfigNamesEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := transport.NewBudget(transport.BudgetConfig{Tokens: -1, Credit: math.NaN(), PerSecond: math.Inf(1)})
	for _, want := range []string{"Tokens is -1", "Credit is NaN", "PerSecond is +Inf"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in %v", want, err)
		}
	}
	if _, err := transport.NewBudget(transport.BudgetConfig{Tokens: 0.5}); err == nil {
		t.Error("half a token was accepted")
	}
	if b, err := transport.NewBudget(transport.BudgetConfig{}); b != nil || err != nil {
		t.Errorf("the zero value gave %v, %v; want off", b, err)
	}
}
