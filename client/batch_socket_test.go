package client_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

// Over real sockets, with every kind of fault, stopped in the middle and resumed:
// the truth, and no goroutine left.
func TestBatchOverSocketsWithFaults(t *testing.T) {
	server := asleeptest.NewServer(t, asleeptest.Config{Users: 150, SessionsPerUser: 5})
	server.Flaky(0.05, "500", "502", "503_empty", "reset_before", "reset_after", "truncated", "429_gateway_message")
	retry := client.DefaultRetry()
	retry.Base, retry.Max = time.Millisecond, 10*time.Millisecond
	c := newClient(t, client.WithBaseURL(server.URL), client.WithRetry(retry))
	b := &bed{T: t, server: server, client: c, start: time.Now()}
	o := client.BatchOptions{Details: true, Concurrency: 16}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all batchOutcome
	for r, err := range c.FetchSessions(ctx, ids(b.users()), client.Query{}, o) {
		if stopped, ok := errors.AsType[*client.BatchStopped](err); ok {
			o.Resume = stopped.Token
			break
		}
		if all.results = append(all.results, r); len(all.results) == 60 {
			cancel()
		}
	}
	rest := b.fetch(t.Context(), ids(b.users()), o)
	if rest.err != nil || o.Resume.Done() != 60 {
		t.Fatalf("%v after %d done; want the rest after 60", rest.err, o.Resume.Done())
	}
	all.results = append(all.results, rest.results...)
	b.wantAll(all.byUser(t), b.users(), true)
	// One that has done its work may still be on its way out.
	left := func() string {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if strings.Contains(string(stacks), "batchRun") {
			return string(stacks)
		}
		return ""
	}
	for deadline := time.Now().Add(time.Minute); left() != "" && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if stacks := left(); stacks != "" {
		t.Errorf("a goroutine of the batch is left:\n%s", stacks)
	}
}
