package cachetest

import (
	"context"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/cache"
)

func runBus(run runner) {
	run("a notice reaches every process, in order", 3, func(f *farFixture) {
		if len(f.buses) == 0 {
			f.Skip("it is no cache.Bus")
		}
		busTells(f)
	})
}

// ear listens for one process.
type ear struct {
	notices chan cache.Notice
	gaps    chan struct{}
	ended   chan struct{}
	end     context.CancelFunc
}

func (f *farFixture) listen(process int) *ear {
	ctx, cancel := context.WithCancel(f.Context())
	e := &ear{make(chan cache.Notice, 100), make(chan struct{}, 100), make(chan struct{}), cancel}
	go func() {
		defer close(e.ended)
		_ = f.buses[process].Subscribe(ctx, cache.Listener{
			Notice: func(n cache.Notice) { e.notices <- n },
			Gap:    func() { e.gaps <- struct{}{} },
		})
	}()
	return e
}

// receive waits for what should come at once.
func receive[T any](f *farFixture, from <-chan T, what string) (v T) {
	f.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v = <-from:
	case <-timer.C:
		f.Fatalf("no %s came", what)
	}
	return v
}

func busTells(f *farFixture) {
	ears := []*ear{f.listen(0), f.listen(1)}
	for _, e := range ears {
		receive(f, e.gaps, "word that it listens")
	}
	var sent []cache.Notice
	for i := range 20 {
		n := cache.Notice{From: "p2", Owner: key(fmt.Sprint("u", i), 1).Owner(), Scope: cache.Scope(1 + i%2)}
		sent = append(sent, n)
		if err := f.buses[2].Publish(f.Context(), n); err != nil {
			f.Fatalf("Publish: %v", err)
		}
	}
	for p, e := range ears {
		for i, want := range sent {
			if got := receive(f, e.notices, "notice"); got != want {
				f.Fatalf("process %d, notice %d: %+v, want %+v", p, i, got, want)
			}
		}
	}
	for _, e := range ears {
		e.end()
		receive(f, e.ended, "end of a subscription whose context ended")
	}
}
