package bench

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// PayloadSize is the length in bytes of a successful answer's body.
const PayloadSize = 4096

// payload is a JSON object of PayloadSize bytes.
var payload = func() []byte {
	const head, tail = `{"detail":"OK","result":{"pad":"`, `"}}`
	return []byte(head + strings.Repeat("x", PayloadSize-len(head)-len(tail)) + tail)
}()

// Attempt is one request as a [Script] sees it.
type Attempt struct {
	N     int           // 1 for the first
	Since time.Duration // after Upstream.Begin
	Path  string
}

// Answer is what a [Script] says to an attempt.
type Answer struct {
	Status     int           // 200 comes with the payload, others with a short detail
	RetryAfter string        // the header; empty for none
	After      time.Duration // the time that the answer takes
	Body       string        // of a 200, instead of the payload
}

// Script decides over attempts. It is called from one goroutine at a time.
type Script func(Attempt) Answer

// Upstream is a scripted service on loopback. Its methods are safe for
// concurrent use.
type Upstream struct {
	URL string

	script Script
	server *http.Server
	done   chan struct{}

	dials, open atomic.Int64

	mu       sync.Mutex
	begun    time.Time
	arrivals []arrival
}

type arrival struct {
	at     time.Duration
	status int
}

// NewUpstream starts a service that answers after script, whose time begins now.
func NewUpstream(ctx context.Context, script Script) (*Upstream, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &Upstream{
		URL: "http://" + listener.Addr().String(), script: script, begun: time.Now(),
		done: make(chan struct{}),
	}
	u.server = &http.Server{Handler: u, ConnState: u.connection, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(u.done)
		_ = u.server.Serve(listener)
	}()
	return u, nil
}

// Begin lets the script's time and the counts begin anew.
func (u *Upstream) Begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.begun, u.arrivals = time.Now(), nil
	u.dials.Store(0)
}

// ServeHTTP answers one attempt.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := u.decide(r.URL.Path)
	if answer.After > 0 && pause(r.Context(), answer.After) != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if answer.RetryAfter != "" {
		w.Header().Set("Retry-After", answer.RetryAfter)
	}
	body := payload
	switch answer.Status {
	case http.StatusOK:
		if answer.Body != "" {
			body = []byte(answer.Body)
		}
	case http.StatusTooManyRequests, http.StatusForbidden:
		body = []byte(`{"detail":"Rate limit exceeded"}`)
	default:
		body = []byte(`{"detail":"Service unavailable"}`)
	}
	w.WriteHeader(answer.Status)
	_, _ = w.Write(body)
}

func (u *Upstream) decide(path string) Answer {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := time.Since(u.begun)
	answer := u.script(Attempt{N: len(u.arrivals) + 1, Since: at, Path: path})
	u.arrivals = append(u.arrivals, arrival{at: at, status: answer.Status})
	return answer
}

func (u *Upstream) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		u.dials.Add(1)
		u.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		u.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// Attempts is the number of requests that came.
func (u *Upstream) Attempts() int { return u.AttemptsBetween(0, 1<<62) }

// AttemptsBetween counts those that came at from or later and before to.
func (u *Upstream) AttemptsBetween(from, to time.Duration) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, a := range u.arrivals {
		if a.at >= from && a.at < to {
			n++
		}
	}
	return n
}

// Answered counts the answers of one status.
func (u *Upstream) Answered(status int) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, a := range u.arrivals {
		if a.status == status {
			n++
		}
	}
	return n
}

// Dials is the number of connections accepted since Begin.
func (u *Upstream) Dials() int { return int(u.dials.Load()) }

// Open is the number of connections open now.
func (u *Upstream) Open() int { return int(u.open.Load()) }

// Close cuts all connections, those of answers under way too.
func (u *Upstream) Close() error {
	err := u.server.Close()
	<-u.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
