package bench

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/client"
)

const (
	batchRate  = 100 // calls per second: the upstream's limit and the throttle's rate
	batchUsers = 1000
	manyUsers  = 1_000_000
	manyStep   = manyUsers / 100 // how often memory is looked at
)

// emptyList is the answer to a listing that finds no sessions.
const emptyList = `{"detail":"OK","result":{"timezone":"UTC","sleep_session_list":[]}}`

func batchRows() []Row {
	return []Row{
		{
			ID:    "batch-time",
			What:  "batch of 1,000 users, a call each, at an upstream limit of 100/s that the throttle knows: time against N·calls/R",
			Goal:  "<= 1.02x",
			Goals: []Goal{{Figure: "x ideal", Limit: 1.02}, {Figure: "failed", Limit: 0}},
			Batch: 3,
			Run:   func(ctx context.Context) []Outcome { return []Outcome{batchTime(ctx)} },
		},
		{
			ID:    "batch-memory",
			First: true,
			What:  "batch of 1,000,000 users over a zero-cost transport: most resident memory of the whole process; growth from 50,000 to 200,000 users that keep duplicates",
			Goal:  "<= 64 MB, flat in N (within 4 MB)",
			Goals: []Goal{{Figure: "MB", Limit: 64}, {Figure: "MB grown", Limit: 4}, {Figure: "failed", Limit: 0}},
			Run:   func(ctx context.Context) []Outcome { return []Outcome{batchMemory(ctx)} },
		},
	}
}

func userIDs(n int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := range n {
			if !yield(fmt.Sprintf("user-%07d", i), nil) {
				return
			}
		}
	}
}

func batchTime(ctx context.Context) Outcome {
	limit := Limit{Rate: batchRate, Burst: limitBurst, Status: http.StatusTooManyRequests, RetryAfter: "1", Service: limitService}.Script()
	out := Outcome{Contender: ours.Name}
	up, err := NewUpstream(ctx, func(a Attempt) Answer {
		answer := limit(a)
		answer.Body = emptyList
		return answer
	})
	if err != nil {
		out.Err = err
		return out
	}
	defer func() { _ = up.Close() }()
	c, err := client.New(benchKey, client.WithBaseURL(up.URL), client.WithThrottle(client.Throttle{Rate: batchRate}))
	if err != nil {
		out.Err = err
		return out
	}
	defer func() { _ = c.Close() }()
	failed, begun := 0, time.Now()
	for b, err := range c.FetchSessions(ctx, userIDs(batchUsers), client.Query{}, client.BatchOptions{}) {
		if err != nil {
			out.Err = err
			return out
		}
		if b.Err != nil {
			failed++
		}
	}
	ideal := time.Duration(batchUsers) * time.Second / batchRate
	out.Figures = []Figure{
		{Name: "x ideal", Format: "%.3f", Value: time.Since(begun).Seconds() / ideal.Seconds()},
		{Name: "attempts/call", Format: "%.3f", Value: float64(up.Attempts()) / batchUsers},
		{Name: "failed", Format: "%.0f", Value: float64(failed)},
	}
	return out
}

// batchMemory looks first at users that cost nothing beyond their turn, then at all of
// them with the sixteen bytes or so that an id costs to be known again.
func batchMemory(ctx context.Context) (out Outcome) {
	out.Contender = ours.Name
	c, err := client.New(benchKey, client.WithBaseURL("http://127.0.0.1:1"), client.WithThrottle(client.Throttle{}),
		client.WithHTTPClient(&http.Client{Transport: freeList{}}))
	if err != nil {
		out.Err = err
		return out
	}
	flat, failedFlat, err := residentDuring(ctx, c, manyUsers/5, client.BatchOptions{KeepDuplicates: true})
	if err == nil {
		var all []float64
		var failed int
		all, failed, err = residentDuring(ctx, c, manyUsers, client.BatchOptions{})
		out.Figures = []Figure{
			{Name: "MB", Format: "%.0f", Value: slices.Max(append(all, 0))},
			{Name: "MB grown", Format: "%.1f", Value: slices.Max(flat) - slices.Max(flat[:len(flat)/4])},
			{Name: "failed", Format: "%.0f", Value: float64(failed + failedFlat)},
		}
	}
	out.Err = err
	return out
}

// residentDuring is the resident memory in the course of a batch, in MB.
func residentDuring(ctx context.Context, c *client.Client, users int, o client.BatchOptions) (mb []float64, failed int, err error) {
	n := 0
	for b, err := range c.FetchSessions(ctx, userIDs(users), client.Query{}, o) {
		if err != nil {
			return nil, 0, err
		}
		if b.Err != nil {
			failed++
		}
		if n++; n%manyStep != 0 {
			continue
		}
		now, err := residentMB()
		if err != nil {
			return nil, 0, notMeasured("no resident memory on this system: " + err.Error())
		}
		mb = append(mb, now)
	}
	return mb, failed, nil
}

// freeList answers every listing with no sessions, at no cost.
type freeList struct{}

func (freeList) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(emptyList)), ContentLength: int64(len(emptyList)), Request: req,
	}, nil
}

// residentMB is the resident memory of this process, as Linux tells it.
func residentMB() (float64, error) {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		return 0, err
	}
	return float64(resident*int64(os.Getpagesize())) / 1e6, nil
}
