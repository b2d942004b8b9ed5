package transport

import (
	"math"
	"testing"
	"testing/synctest"
)

// A full budget takes no notice of successes, and one that is not full of each.
func TestAFullBudgetTakesNoticeAgainOnceSomethingWasPaid(t *testing.T) {
	t.Parallel()
	for name, pay := range map[string]func(*Budget) bool{"a retry": (*Budget).take, "a second request": (*Budget).spare} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, err := NewBudget(BudgetConfig{Tokens: 10, Credit: 0.25, PerSecond: 1})
				if err != nil {
					t.Fatal(err)
				}
				b.credit()
				if !pay(b) {
					t.Fatal("refused by a full budget")
				}
				for _, want := range []float64{9, 9.25, 9.5, 9.75, 10, 10} {
					if got := b.Stats().Tokens; math.Abs(got-want) > 1e-9 {
						t.Fatalf("the budget holds %v; want %v", got, want)
					}
					b.credit()
				}
			})
		})
	}
}
