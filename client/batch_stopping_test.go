package client_test

import (
	"context"
	"errors"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

// A sequence of users that blocks is released when the batch has to stop.
func TestStoppingReleasesASequenceThatBlocks(t *testing.T) {
	t.Parallel()
	batchTest(t, 1, 1, func(b *bed) {
		b.server.Inject(asleeptest.QuotaExceeded())
		input, release := context.WithCancel(b.Context())
		defer release()
		calls := 0
		out := b.fetch(b.Context(), func(yield func(string, error) bool) {
			if yield("user-0001", nil) {
				<-input.Done()
				yield("", input.Err())
			}
		}, client.BatchOptions{Stopping: func() { calls++; release() }})
		stopped := out.stopped(b.T, client.ErrQuotaExceeded)
		if errors.Is(stopped, client.ErrBatchInput) || calls != 1 {
			b.Errorf("stopped with %v after %d calls of Stopping", stopped, calls)
		}
	})
}
