package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/client"
)

const ms = time.Millisecond

// With jitter at one half and a base of 50 ms the waits are 25, 50, 100 ms.
var fourAttempts = []time.Duration{0, 25 * ms, 75 * ms, 175 * ms}

func TestTransientFailuresAreRepeatedAndTold(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]http.HandlerFunc{"503": busy, "dropped": drop, "truncated": truncated} {
		inBubble(t, steps(step), func(u *upstream) {
			_, err := u.client.User(u.Context(), "u")
			want := []string{"unavailable"}
			if name == "truncated" {
				want = append(want, "truncated")
			}
			wantSentinels(t, err, want...)
			e, ok := errors.AsType[*client.Error](err)
			if !ok || e.Attempts != 4 || !slices.Equal(u.times(), fourAttempts) || !client.Retryable(err) {
				t.Errorf("%s: requests at %v, %+v", name, u.times(), e)
			}
			for _, r := range u.requests() {
				if r.header.Get("X-Request-Id") != e.RequestID {
					t.Errorf("%s: request %s, told %s", name, r.header.Get("X-Request-Id"), e.RequestID)
				}
			}
		})
	}
	inBubble(t, steps(busy, truncated, limited, aUser), func(u *upstream) {
		if _, err := u.client.User(u.Context(), "u"); err != nil || len(u.requests()) != 4 {
			t.Errorf("%d requests, %v", len(u.requests()), err)
		}
	})
}

func TestTheZeroRetryIsOneRequest(t *testing.T) {
	t.Parallel()
	for _, step := range []http.HandlerFunc{busy, limited, drop} {
		inBubble(t, steps(step), func(u *upstream) {
			if _, err := u.client.User(u.Context(), "u"); err == nil || len(u.requests()) != 1 {
				t.Errorf("%d requests, %v", len(u.requests()), err)
			}
		}, client.WithRetry(client.Retry{}))
	}
}

func TestARateLimitTooLongForTheCallIsReturnedAtOnce(t *testing.T) {
	t.Parallel()
	hour := answer(429, `{"message":"slow down"}`, "Retry-After", "3600")
	inBubble(t, steps(hour), func(u *upstream) {
		_, err := u.client.User(u.Context(), "u", client.WithRequestID("r"))
		wantSentinels(t, err, "rate limit")
		e, _ := errors.AsType[*client.Error](err)
		if e.RetryAfter != time.Hour || !client.Retryable(err) || time.Since(u.start) != 0 {
			t.Errorf("after %v: %+v", time.Since(u.start), e)
		}
		if want := "asleep: getUser: 429 slow down (1 attempt, retry after 1h0m0s, request r)"; err.Error() != want {
			t.Errorf("reads %q", err)
		}
	})
	// Within the cap, past the call's own deadline.
	inBubble(t, steps(answer(429, "", "Retry-After", "31")), func(u *upstream) {
		_, err := u.client.User(u.Context(), "u", client.Timeout(30*time.Second))
		wantSentinels(t, err, "rate limit")
		if time.Since(u.start) != 0 {
			t.Errorf("after %v", time.Since(u.start))
		}
	})
}

func TestRateLimitsAreWaitedOutWithinTheDeadline(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(limited, limited, limited, limited, limited, limited, aUser), func(u *upstream) {
		if _, err := u.client.User(u.Context(), "u"); err != nil || len(u.requests()) != 7 {
			t.Errorf("%d requests, %v", len(u.requests()), err)
		}
	})
}

func TestTimeoutsAreToldApart(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(hang), func(u *upstream) { // each attempt has its own
		_, err := u.client.User(u.Context(), "u")
		wantSentinels(t, err, "attempt", "timeout", "unavailable")
		e, _ := errors.AsType[*client.Error](err)
		if took := time.Since(u.start); e.Layer != client.LayerAttempt || e.Attempts != 4 || took != 40*time.Second+175*ms {
			t.Errorf("after %v: %+v", took, e)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !client.Retryable(err) {
			t.Errorf("%v", err)
		}
	})
	inBubble(t, steps(hang), func(u *upstream) { // the call's own
		_, err := u.client.User(u.Context(), "u", client.Timeout(15*time.Second))
		wantSentinels(t, err, "overall", "timeout")
		e, _ := errors.AsType[*client.Error](err)
		if took := time.Since(u.start); e.Layer != client.LayerOverall || took != 15*time.Second {
			t.Errorf("after %v: %+v", took, e)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !client.Retryable(err) {
			t.Errorf("%v", err)
		}
	})
	inBubble(t, steps(hang), func(u *upstream) { // the caller's
		ctx, cancel := context.WithTimeout(u.Context(), 3*time.Second)
		defer cancel()
		_, err := u.client.User(ctx, "u")
		wantSentinels(t, err)
		e, _ := errors.AsType[*client.Error](err)
		if took := time.Since(u.start); e.Layer != client.LayerCaller || took != 3*time.Second {
			t.Errorf("after %v: %+v", took, e)
		}
		if !errors.Is(err, context.DeadlineExceeded) || client.Retryable(err) {
			t.Errorf("%v", err)
		}
	})
	inBubble(t, steps(hang), func(u *upstream) { // of a create, none is retryable
		_, err := u.client.CreateUser(u.Context(), nil)
		wantSentinels(t, err, "attempt", "timeout", "unavailable", "maybe created")
		_, err2 := u.client.CreateUser(u.Context(), nil, client.Timeout(time.Second))
		wantSentinels(t, err2, "overall", "timeout", "maybe created")
		if client.Retryable(err) || client.Retryable(err2) || len(u.requests()) != 2 {
			t.Errorf("%d requests: %v; %v", len(u.requests()), err, err2)
		}
	})
}

func TestTheDefaultDeadlineOfACallIs120Seconds(t *testing.T) {
	t.Parallel()
	patient := client.DefaultRetry()
	patient.Attempts, patient.Base, patient.Max = 1000, ms, ms
	inBubble(t, steps(hang), func(u *upstream) {
		_, err := u.client.User(u.Context(), "u")
		wantSentinels(t, err, "overall", "timeout")
		if took := time.Since(u.start); took != 120*time.Second {
			t.Errorf("after %v", took)
		}
	}, client.WithRetry(patient))
	for name, test := range map[string]struct {
		timeouts client.Timeouts
		want     time.Duration
		sentinel []string
	}{
		"only an attempt's": {client.Timeouts{Attempt: 50 * time.Second}, 120 * time.Second, []string{"overall", "timeout"}},
		"only the call's":   {client.Timeouts{Overall: 25 * time.Second}, 25 * time.Second, []string{"overall", "timeout"}},
		"none":              {client.Timeouts{}, time.Hour, nil},
	} {
		inBubble(t, steps(hang), func(u *upstream) {
			ctx, cancel := context.WithTimeout(u.Context(), time.Hour)
			defer cancel()
			_, err := u.client.User(ctx, "u")
			wantSentinels(t, err, test.sentinel...)
			if took := time.Since(u.start); took != test.want {
				t.Errorf("%s: after %v", name, took)
			}
			if n := len(u.requests()); name == "none" && n != 1 {
				t.Errorf("%s: %d requests", name, n)
			}
		}, client.WithTimeouts(test.timeouts))
	}
}

func TestTheOverallTimeoutBoundsAllWindowsOfAPeriod(t *testing.T) {
	t.Parallel()
	slow := after(3*time.Second, answer(200, `{"result":`+window(1, "null")+`}`))
	inBubble(t, steps(slow), func(u *upstream) {
		_, err := u.client.AverageStats(u.Context(), "u", date("2025-01-01"), date("2025-12-31"), client.Timeout(7*time.Second))
		wantSentinels(t, err, "overall", "timeout")
		failed, ok := errors.AsType[*client.WindowError](err)
		if took := time.Since(u.start); !ok || failed.From != date("2025-07-02") || took != 7*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

func TestAPingTakesTwoSecondsAtMost(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(hang), func(u *upstream) {
		wantSentinels(t, u.client.Ping(u.Context()), "overall", "timeout")
		wantSentinels(t, u.client.Ping(u.Context(), client.Timeout(5*time.Second)), "overall", "timeout")
		if took := time.Since(u.start); took != 7*time.Second || len(u.requests()) != 2 {
			t.Errorf("%d requests in %v", len(u.requests()), took)
		}
	})
}

func TestACanceledCallSendsNothingAndKeepsItsCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("shutting down")
	for _, op := range operations {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		err := op.call(ctx, offline(t))
		wantSentinels(t, err)
		e, ok := errors.AsType[*client.Error](err)
		if !ok || !errors.Is(err, cause) || !errors.Is(err, context.Canceled) || e.Layer != client.LayerCaller || e.Op != op.name {
			t.Errorf("%s: %v", op.name, err)
		}
	}
	inBubble(t, steps(hang), func(u *upstream) {
		ctx, cancel := context.WithCancelCause(u.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := u.client.User(ctx, "u")
		if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) || client.Retryable(err) {
			t.Errorf("%v", err)
		}
	})
}

func TestADeletionWhoseAnswerWasLostMayMeet404(t *testing.T) {
	t.Parallel()
	for _, lost := range []http.HandlerFunc{drop, busy, truncated} {
		inBubble(t, steps(lost, gone), func(u *upstream) {
			if err := u.client.DeleteUser(u.Context(), "u"); err != nil {
				t.Error(err)
			}
		})
	}
	inBubble(t, steps(limited, gone), func(u *upstream) { // a rate limit loses nothing
		wantSentinels(t, u.client.DeleteUser(u.Context(), "u"), "not found")
	})
}

func TestACreateIsRepeatedOnlyWhenNothingWasSent(t *testing.T) {
	t.Parallel()
	created := answer(201, `{"result":{"user_id":"new"}}`)
	inBubble(t, steps(created), func(u *upstream) {
		u.net.RefuseNext(2)
		if id, err := u.client.CreateUser(u.Context(), nil); err != nil || id != "new" || len(u.requests()) != 1 {
			t.Errorf("%q, %d requests, %v", id, len(u.requests()), err)
		}
	})
	inBubble(t, steps(limited, created), func(u *upstream) {
		if id, err := u.client.CreateUser(u.Context(), nil); err != nil || id != "new" {
			t.Errorf("%q, %v", id, err)
		}
	})
	for _, step := range []http.HandlerFunc{busy, drop, truncated} {
		inBubble(t, steps(step, created), func(u *upstream) {
			_, err := u.client.CreateUser(u.Context(), nil)
			if !errors.Is(err, client.ErrMaybeCreated) || client.Retryable(err) || len(u.requests()) != 1 {
				t.Errorf("%d requests, %v", len(u.requests()), err)
			}
		})
	}
}

func TestTheOverallTimeoutBoundsEachPageOfASequenceAlone(t *testing.T) {
	t.Parallel()
	page := after(8*time.Second, func(w http.ResponseWriter, r *http.Request) {
		answer(200, `{"result":{"sleep_session_list":[{"session_id":"s`+r.URL.Query().Get("offset")+`","state":"OPEN"}]}}`)(w, r)
	})
	inBubble(t, steps(page), func(u *upstream) {
		n := 0
		for _, err := range u.client.Sessions(u.Context(), "u", client.Query{PageSize: 1, Limit: 20}, client.Timeout(9*time.Second)) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 20 || time.Since(u.start) != 160*time.Second {
			t.Errorf("%d sessions after %v", n, time.Since(u.start))
		}
	})
}

func TestOneClientServesManyGoroutines(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(aUser), func(u *upstream) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for _, op := range []func() error{
					func() error { _, err := u.client.User(u.Context(), "u", client.InTimezone("Asia/Seoul")); return err },
					func() error { return u.client.DeleteUser(u.Context(), "u") },
				} {
					if err := op(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := len(u.requests()); n != 100 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestGiveUpsKeepTheConnection(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(busy), func(u *upstream) {
		for range 25 {
			_, _ = u.client.User(u.Context(), "u")
		}
		if n, dials := len(u.requests()), u.net.Dials(); n != 100 || dials != 1 {
			t.Errorf("%d requests over %d connections", n, dials)
		}
		if err := u.client.Close(); err != nil {
			t.Error(err)
		}
		if _, err := u.client.User(u.Context(), "u"); err == nil || u.net.Dials() != 2 {
			t.Errorf("after Close: %v over %d connections", err, u.net.Dials())
		}
	})
}

func TestARawResponseIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, 200, `{"result":{"user_id":"u"}}`)
	raw := client.Response{StatusCode: 7}
	u, err := c.User(t.Context(), "u", client.RawResponse(&raw))
	if err != nil || raw.StatusCode != http.StatusOK || string(raw.Body) != `{"result":{"user_id":"u"}}` {
		t.Fatalf("%+v, %v", raw, err)
	}
	for i := range raw.Body {
		raw.Body[i] = 'x'
	}
	if u.Raw != `{"user_id":"u"}` {
		t.Errorf("writing to the raw answer changed the user to %s", u.Raw)
	}
	if _, err := c.User(t.Context(), "", client.RawResponse(&raw)); err == nil || raw.StatusCode != 0 || raw.Body != nil {
		t.Errorf("a call that sent nothing left %+v", raw)
	}
	raw = client.Response{StatusCode: 7}
	inBubble(t, steps(drop), func(u *upstream) {
		if _, err := u.client.User(u.Context(), "u", client.RawResponse(&raw)); err == nil || raw.StatusCode != 0 {
			t.Errorf("a call without an answer left %+v", raw)
		}
	})
}
