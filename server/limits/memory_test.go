package limits_test

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/server/limits"
)

func newMemory(tb testing.TB, requests int, window time.Duration) *limits.Memory {
	tb.Helper()
	m, err := limits.NewMemory(limits.Rate{Requests: requests, Window: window})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func allow(tb testing.TB, l limits.Limits, client string) limits.Decision {
	tb.Helper()
	d, err := l.Allow(tb.Context(), client)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestABucketIsExactToTheNanosecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, 5, time.Minute)
		for i := range 5 {
			want := limits.Decision{Allowed: true, Limit: 5, Remaining: 4 - i, Reset: time.Duration(i+1) * 12 * time.Second}
			if d := allow(t, m, "a"); d != want {
				t.Fatalf("request %d: %+v, want %+v", i, d, want)
			}
		}
		refused := limits.Decision{Limit: 5, Reset: time.Minute, RetryAfter: 12 * time.Second}
		for range 3 { // a refusal costs nothing
			if d := allow(t, m, "a"); d != refused {
				t.Fatalf("%+v, want %+v", d, refused)
			}
		}
		if d := allow(t, m, "b"); !d.Allowed || d.Remaining != 4 {
			t.Errorf("another client: %+v", d)
		}
		time.Sleep(12*time.Second - time.Nanosecond)
		if d := allow(t, m, "a"); d.Allowed || d.RetryAfter != time.Nanosecond {
			t.Errorf("a nanosecond early: %+v", d)
		}
		time.Sleep(time.Nanosecond)
		if d := allow(t, m, "a"); !d.Allowed || d.Remaining != 0 {
			t.Errorf("in time: %+v", d)
		}
		time.Sleep(time.Hour)
		if d := allow(t, m, "a"); !d.Allowed || d.Remaining != 4 {
			t.Errorf("an hour later: %+v", d)
		}
	})
}

func TestNoMoreThanTheRateComesThroughTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, 100, time.Minute)
		var passed atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 50 {
					if allow(t, m, "a").Allowed {
						passed.Add(1)
					}
				}
			})
		}
		all.Wait()
		if passed.Load() != 100 {
			t.Errorf("%d of 100 came through", passed.Load())
		}
	})
}

func TestAFloodOfClientsIsBoundedAndEveryNewOneIsLetIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, 1, time.Hour)
		for i := range 70_000 {
			if !allow(t, m, strconv.Itoa(i)).Allowed {
				t.Fatalf("client %d is refused", i)
			}
		}
		refused := 0
		for i := range 70_000 {
			if i%1000 == 0 && !allow(t, m, strconv.Itoa(i)).Allowed {
				refused++
			}
		}
		if refused < 50 { // most are remembered
			t.Errorf("only %d of 70 are remembered", refused)
		}
	})
}

func TestARateThatMakesNoSenseIsRefusedWithItsFigure(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]limits.Rate{
		"0 requests":    {Window: time.Minute},
		"-3 requests":   {Requests: -3, Window: time.Minute},
		"window of 0s":  {Requests: 1},
		"window of 48h": {Requests: 1, Window: 48 * time.Hour},
		"told apart":    {Requests: 2_000_000, Window: time.Millisecond},
	} {
		if _, err := limits.NewMemory(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
}

func BenchmarkMemory(b *testing.B) {
	m := newMemory(b, 1_000_000_000, 24*time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = m.Allow(b.Context(), "198.51.100.7")
	}
}
