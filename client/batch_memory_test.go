package client_test

import (
	"bytes"
	"io"
	"iter"
	"net/http"
	"runtime"
	"strconv"
	"testing"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// instant is a client whose every request is answered at once with body.
func instant(tb testing.TB, body string) *client.Client {
	tb.Helper()
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{}, Request: req,
			Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)),
		}, nil
	})
	return newClient(tb, client.WithHTTPClient(&http.Client{Transport: wire}))
}

const emptyList = `{"detail":"OK","result":{"timezone":"UTC","sleep_session_list":[]}}`

// counted yields n ids and keeps none.
func counted(n int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var id []byte
		for i := range n {
			id = strconv.AppendInt(append(id[:0], "G-20260302081522-"...), int64(i), 10)
			if !yield(string(id), nil) {
				return
			}
		}
	}
}

// The memory of a batch does not grow with its users, except for the 16 bytes
// each that telling duplicates takes at most.
func TestMemoryIsFlatInTheNumberOfUsers(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 200,000 users")
	}
	const early, late, users = 50_000, 195_000, 200_000 // at the end the input is let go
	c := instant(t, emptyList)
	var heap [2]int64
	n, tokens := 0, 0
	for r, err := range c.FetchSessions(t.Context(), counted(users), client.Query{}, client.BatchOptions{Concurrency: 16}) {
		if err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		switch n++; n {
		case early:
			heap[0] = liveHeap()
		case late:
			heap[1] = liveHeap()
		}
		if n%1000 == 0 {
			tokens += len(r.Token.String())
		}
	}
	if n != users {
		t.Fatalf("%d results; want %d", n, users)
	}
	grown := heap[1] - heap[0]
	t.Logf("live heap %d KiB at %d users, %d KiB at %d; a token has %d bytes", heap[0]>>10, early, heap[1]>>10, late, tokens/(users/1000))
	if most := int64(16*(late-early) + 512<<10); grown > most {
		t.Errorf("the heap grew by %d bytes between %d and %d users; want at most %d", grown, early, late, most)
	}
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkBatch is the cost of a user: one call over a wire that costs nothing.
func BenchmarkBatch(b *testing.B) {
	for _, concurrency := range []int{1, 16} {
		b.Run("concurrency="+strconv.Itoa(concurrency), func(b *testing.B) {
			c := instant(b, emptyList)
			b.ReportAllocs()
			for r, err := range c.FetchSessions(b.Context(), counted(b.N), client.Query{}, client.BatchOptions{Concurrency: concurrency}) {
				if err != nil || r.Err != nil {
					b.Fatal(err, r.Err)
				}
			}
		})
	}
	b.Run("without a batch", func(b *testing.B) {
		c := instant(b, emptyList)
		b.ReportAllocs()
		for id := range counted(b.N) {
			for _, err := range c.Sessions(b.Context(), id, client.Query{}) {
				b.Fatal(err)
			}
		}
	})
}
