package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// callers is how many callers write at once, as many as a receiver has
// connections.
const callers = 64

// Bench measures a backend: every benchmark has a store of its own, which open
// returns empty and Bench closes.
func Bench(b *testing.B, open func(b *testing.B) store.Store) {
	b.Helper()
	for _, x := range []struct {
		name string
		run  func(b *testing.B, s store.Store)
	}{
		{"put event", benchPutEvent},
		{"put event, processed beside", benchProcess},
		{"put session", benchPutSession},
		{"put 1000 sessions", benchPutBatch},
		{"recent 10 of 10k", benchRecent},
		{"between, a week of 10k", benchBetween},
		{"stats of 100 nights", benchStats},
	} {
		b.Run(x.name, func(b *testing.B) {
			s := open(b)
			defer func() {
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			}()
			b.ReportAllocs()
			x.run(b, s)
		})
	}
}

// parallel shares n calls among the callers.
func parallel(b *testing.B, n int, call func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func benchInbox(b *testing.B, s store.Store) store.Inbox {
	b.Helper()
	i, err := s.Inbox()
	if errors.Is(err, errors.ErrUnsupported) {
		b.Skip("this backend has no inbox")
	}
	if err != nil {
		b.Fatal(err)
	}
	return i
}

// benchEvent has the size of a usual delivery, 1 KiB.
func benchEvent(i int) store.Event {
	id := fmt.Sprintf("20260314135107_%06d", i)
	return store.Event{
		Key: "SESSION_COMPLETE|user|" + id, Kind: asleep.WebhookEventSessionComplete,
		UserID: fmt.Sprint("user-", i%1000), SessionID: id, Body: id + strings.Repeat("x", 1000),
	}
}

func perSecond(b *testing.B, n int, what string) {
	b.Helper()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), what+"/s")
}

func benchPutEvent(b *testing.B, s store.Store) {
	b.Helper()
	i := benchInbox(b, s)
	b.ResetTimer()
	parallel(b, b.N, func(n int) error {
		_, err := i.Put(b.Context(), benchEvent(n))
		return err
	})
	perSecond(b, b.N, "acked")
}

// benchProcess counts an event when it is done: workers claim and finish while
// the callers go on.
func benchProcess(b *testing.B, s store.Store) {
	b.Helper()
	i := benchInbox(b, s)
	var done atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 2 {
		wg.Go(func() {
			for done.Load() < int64(b.N) && !b.Failed() {
				n, err := finishSome(b.Context(), i)
				if err != nil {
					b.Error(err)
				}
				done.Add(int64(n))
			}
		})
	}
	parallel(b, b.N, func(n int) error {
		_, err := i.Put(b.Context(), benchEvent(n))
		return err
	})
	acked := float64(done.Load()) / float64(b.N)
	wg.Wait()
	perSecond(b, b.N, "done")
	b.ReportMetric(acked, "done/acked")
}

func finishSome(ctx context.Context, i store.Inbox) (int, error) {
	c, err := i.Claim(ctx, 128, time.Minute)
	if err != nil {
		return 0, err
	}
	if len(c) == 0 {
		timer := time.NewTimer(5 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-i.Wake():
		case <-timer.C:
		}
		return 0, nil
	}
	list := make([]store.Settlement, len(c))
	for n := range c {
		list[n] = store.Settlement{Token: c[n].Token, Action: store.Finish}
	}
	_, err = i.Settle(ctx, list...)
	return len(c), err
}

// night has the size and the disorder of a usual report, 6.7 KB: what is
// stored of it is compressed, and all of one letter would compress to nothing.
func night(i int) store.Session {
	s := session(fmt.Sprintf("s%08d", i), fmt.Sprintf("u%06d", i/100), t0.Add(time.Duration(i%100)*24*time.Hour), 0)
	s.Observed = s.End
	die := rand.New(rand.NewPCG(uint64(i), 0)) //nolint:gosec // no secret
	s.Epochs.Sleep = disorder[die.IntN(len(disorder)/2):][:960]
	b := make([]byte, 0, 7<<10)
	b = fmt.Appendf(b, `{"timezone":"Asia/Seoul","session":{"id":%q,"state":"COMPLETE"`, s.ID)
	for _, name := range []string{"sleep_stages", "breath_stages", "snoring_stages"} {
		b = fmt.Appendf(b, `,%q:[0`, name)
		for _, stage := range disorder[die.IntN(len(disorder)/2):][:960] {
			b = append(b, ',', '0'+byte(stage)) //nolint:gosec // 0 to 3
		}
		b = append(b, ']')
	}
	b = append(b, `},"stat":{"sleep_cycle":5400`...)
	for m := range store.AllMetrics() {
		b = fmt.Appendf(b, `,%q:%d`, m, die.IntN(30_000))
	}
	s.Raw = string(append(b, `}}`...))
	return s
}

// disorder is stages that last as long as chance has it.
var disorder = func() asleep.Stages {
	die := rand.New(rand.NewPCG(1, 2))
	list, stage := make(asleep.Stages, 20_000), asleep.Stage(0)
	for i := range list {
		if die.IntN(12) == 0 {
			stage = asleep.Stage(die.IntN(4))
		}
		list[i] = stage
	}
	return list
}()

func benchPutSession(b *testing.B, s store.Store) {
	b.Helper()
	nights := make([]store.Session, min(b.N, 1<<13))
	for n := range nights {
		nights[n] = night(n)
	}
	b.ResetTimer()
	parallel(b, b.N, func(n int) error {
		v := nights[n%len(nights)]
		v.ID = fmt.Sprintf("s%08d", n)
		_, err := s.Sessions().Put(b.Context(), v)
		return err
	})
	perSecond(b, b.N, "sessions")
}

func fill(b *testing.B, s store.Store, from, n int) {
	b.Helper()
	for i := from; i < from+n; i += 1000 {
		list := make([]store.Session, 0, 1000)
		for j := i; j < min(i+1000, from+n); j++ {
			list = append(list, night(j))
		}
		if _, err := s.Sessions().Put(b.Context(), list...); err != nil {
			b.Fatal(err)
		}
	}
}

func benchPutBatch(b *testing.B, s store.Store) {
	b.Helper()
	list, n := make([]store.Session, 1000), 0
	for i := range list {
		list[i] = night(i)
	}
	for b.Loop() {
		for i := range list {
			list[i].ID = fmt.Sprintf("s%08d", n+i)
		}
		if _, err := s.Sessions().Put(b.Context(), list...); err != nil {
			b.Fatal(err)
		}
		n += len(list)
	}
	perSecond(b, n, "sessions")
}

func benchRecent(b *testing.B, s store.Store) {
	b.Helper()
	fill(b, s, 0, 10_000)
	for n := 0; b.Loop(); n++ {
		list, err := store.Recent(b.Context(), s.Sessions(), fmt.Sprintf("u%06d", n%100), 10)
		if err != nil || len(list) != 10 {
			b.Fatal(len(list), err)
		}
	}
}

func benchBetween(b *testing.B, s store.Store) {
	b.Helper()
	fill(b, s, 0, 10_000)
	for n := 0; b.Loop(); n++ {
		count := 0
		for _, err := range store.Between(b.Context(), s.Sessions(), fmt.Sprintf("u%06d", n%100), t0.AddDate(0, 0, 30), t0.AddDate(0, 0, 37)) {
			if err != nil {
				b.Fatal(err)
			}
			count++
		}
		if count != 7 {
			b.Fatal(count)
		}
	}
}

func benchStats(b *testing.B, s store.Store) {
	b.Helper()
	fill(b, s, 0, 10_000)
	for n := 0; b.Loop(); n++ {
		buckets, err := s.Sessions().Stats(b.Context(), store.StatsQuery{UserID: fmt.Sprintf("u%06d", n%100), Period: store.PeriodDaily})
		if err != nil || len(buckets) != 100 {
			b.Fatal(len(buckets), err)
		}
	}
}
