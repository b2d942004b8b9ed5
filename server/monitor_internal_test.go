package server

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// asked is a monitor of a check that tells what it is told, and its news.
func asked(critical bool, ask func(context.Context) error) (m *monitor, news *[]string) {
	news = &[]string{}
	c := Check{Name: "part", Critical: critical, Ask: ask}
	return newMonitor(c, func(_ string, from, to Status, err error) {
		*news = append(*news, fmt.Sprintf("%s to %s: %v", from, to, err))
	}), news
}

func TestACheckIsAskedOnceHoweverManyWantToKnow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asks atomic.Int32
		m, _ := asked(true, func(context.Context) error {
			asks.Add(1)
			time.Sleep(100 * time.Millisecond)
			return nil
		})
		for range 1000 {
			go m.find(t.Context())
		}
		time.Sleep(500 * time.Millisecond)
		for range 1000 {
			m.find(t.Context())
		}
		if n := asks.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(checkEvery)
		m.find(t.Context())
		if n := asks.Load(); n != 2 {
			t.Errorf("asked %d times after its answer grew old", n)
		}
	})
}

func TestACheckThatHangsHasFailedAndIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asks atomic.Int32
		end := make(chan struct{})
		m, news := asked(true, func(context.Context) error { // it does not even look at its context
			asks.Add(1)
			<-end
			return nil
		})
		begun := time.Now()
		if got := m.find(t.Context()); got != Unhealthy || time.Since(begun) != checkTime {
			t.Errorf("%s after %v", got, time.Since(begun))
		}
		for range 20 {
			time.Sleep(time.Second)
			at := time.Now()
			if got := m.find(t.Context()); got != Unhealthy || time.Since(at) != 0 {
				t.Errorf("%s after another %v", got, time.Since(at))
			}
		}
		if n := asks.Load(); n != 1 {
			t.Errorf("asked %d times while it hung", n)
		}
		close(end)
		synctest.Wait()
		if got := m.find(t.Context()); got != Healthy {
			t.Errorf("%s when it had come back", got)
		}
		if len(*news) != 2 {
			t.Errorf("the log would say %q", *news)
		}
	})
}

func TestWhatAnAnswerComesTo(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		critical bool
		err      error
		want     Status
	}{
		{true, nil, Healthy},
		{true, broken, Unhealthy},
		{true, fmt.Errorf("%w: low", ErrDegraded), Degraded},
		{false, broken, Degraded},
	} {
		m, _ := asked(c.critical, func(context.Context) error { return c.err })
		if got := m.find(t.Context()); got != c.want {
			t.Errorf("critical %v, %v: %s", c.critical, c.err, got)
		}
	}
	if worse(Degraded, Unhealthy) != Unhealthy || worse(Healthy, Degraded) != Degraded || worse(Healthy, Healthy) != Healthy {
		t.Error("the worst part does not count")
	}
}

func TestWhoeverIsGoneIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, _ := asked(false, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begun := time.Now()
		m.find(ctx)
		if time.Since(begun) != time.Millisecond {
			t.Errorf("it took %v", time.Since(begun))
		}
		if got := m.find(t.Context()); got != Degraded {
			t.Errorf("the question went on to %s", got)
		}
	})
}
