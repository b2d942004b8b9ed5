package transport_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

// recorder is a policy that notes each attempt's verdict.
func recorder(seen *[]transport.Outcome) transport.Policy {
	return func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			*seen = append(*seen, transport.OutcomeOf(resp, err))
			return resp, err
		})
	}
}

func TestAPolicySeesEachAttemptOnceWithItsVerdict(t *testing.T) {
	t.Parallel()
	var seen []transport.Outcome
	inBubble(t, steps(busy, limited7, truncated(200), hang), func(c *transport.Config) { c.Inner = []transport.Policy{recorder(&seen)} }, func(u *upstream) {
		u.get()
		want := []transport.Class{transport.ClassTransient, transport.ClassRateLimited, transport.ClassTransport, transport.ClassTimeout, transport.ClassTimeout}
		if len(seen) != len(want) {
			t.Fatalf("saw %+v", seen)
		}
		for i, o := range seen {
			if o.Class != want[i] {
				t.Errorf("attempt %d: %v, want %v", i+1, o.Class, want[i])
			}
		}
		if seen[1].RetryAfter != 7*time.Second || seen[2].Status != 200 {
			t.Errorf("details were lost: %+v", seen)
		}
	})
}

func TestPoliciesWrapOutermostFirst(t *testing.T) {
	t.Parallel()
	var order []string
	named := func(name string) transport.Policy {
		return func(next http.RoundTripper) http.RoundTripper {
			return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				order = append(order, name)
				return next.RoundTrip(r)
			})
		}
	}
	inBubble(t, steps(ok), func(c *transport.Config) { c.Inner = []transport.Policy{named("outer"), named("inner")} }, func(u *upstream) {
		u.get()
		if len(order) != 2 || order[0] != "outer" || order[1] != "inner" {
			t.Errorf("order %v", order)
		}
	})
}

func TestAPolicysRefusalEndsTheCallUnsent(t *testing.T) {
	t.Parallel()
	refusal := errors.New("circuit open")
	for _, method := range []string{"GET", "POST", "DELETE"} {
		refuse := func(http.RoundTripper) http.RoundTripper {
			return transport.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, refusal })
		}
		inBubble(t, steps(ok), func(c *transport.Config) { c.Inner = []transport.Policy{refuse} }, func(u *upstream) {
			res := u.call(u.t.Context(), method)
			if !errors.Is(res.err, refusal) || res.err.Error() != "circuit open" || res.Outcome.Class != transport.ClassRefused || res.Attempts != 0 || res.took != 0 || res.MaybeCreated {
				t.Errorf("%s: %v, %+v", method, res.err, res.Result)
			}
		})
	}
}

func TestARefusalAfterARealAnswerKeepsThatAnswer(t *testing.T) {
	t.Parallel()
	n := 0
	refuse := func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			if n++; n > 1 {
				return nil, errors.New("circuit open")
			}
			return next.RoundTrip(r)
		})
	}
	inBubble(t, steps(busy), func(c *transport.Config) { c.Inner = []transport.Policy{refuse} }, func(u *upstream) {
		if res := u.get(); res.Answer.Status != 503 || res.Outcome.Class != transport.ClassRefused || res.Attempts != 1 {
			t.Errorf("%+v", res.Result)
		}
	})
}

func TestAPolicyMayAnswerByItself(t *testing.T) {
	t.Parallel()
	fake := func(http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"99"}}}, nil
		})
	}
	inBubble(t, steps(ok), func(c *transport.Config) { c.Inner = []transport.Policy{fake} }, func(u *upstream) {
		if res := u.get(); res.status != 429 || res.Outcome.RetryAfter != 99*time.Second {
			t.Errorf("status %d, %+v, %v", res.status, res.Outcome, res.err)
		}
	})
}

func TestACallThatEndsInsideAPolicyIsCanceled(t *testing.T) {
	t.Parallel()
	hold := func(next http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done() // a queue that forgets to give up
			return next.RoundTrip(r)
		})
	}
	inBubble(t, steps(ok), func(c *transport.Config) { c.Inner = []transport.Policy{hold} }, func(u *upstream) {
		ctx, cancel := context.WithTimeout(u.t.Context(), time.Second)
		defer cancel()
		res := u.call(ctx, "POST")
		if res.Outcome.Class != transport.ClassCanceled || res.MaybeCreated || res.Attempts != 0 || u.net.Tried() != 0 {
			t.Errorf("%+v, %v", res.Result, res.err)
		}
		synctest.Wait()
	})
}
