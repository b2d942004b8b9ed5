package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Process is what the operating system gives a program.
type Process struct {
	Args    []string // without the name of the program
	Environ []string // as os.Environ
	Streams
}

// Main runs the command in this process and returns its exit code.
func Main() int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	return int(Run(ctx, Process{Args: os.Args[1:], Environ: os.Environ(), Streams: System()}))
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string {
	if e.signal == syscall.SIGINT {
		return "interrupted"
	}
	return "terminated"
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. From
// then on signals do again what they do to any process: the second ends it. A
// signal that the parent told us to ignore, as nohup does, stays ignored.
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go awaitSignal(ctx, signals, cancel)
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

func awaitSignal(ctx context.Context, signals chan os.Signal, cancel context.CancelCauseFunc) {
	select {
	case s := <-signals:
		signal.Stop(signals)
		if number, ok := s.(syscall.Signal); ok {
			cancel(&signalError{number})
		}
	case <-ctx.Done():
	}
}
