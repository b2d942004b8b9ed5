package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Status is how the service, or a part of it, is.
type Status string

// The statuses.
const (
	Healthy   Status = "healthy"
	Degraded  Status = "degraded"  // it works, and somebody should look
	Unhealthy Status = "unhealthy" // it does not
)

// ErrDegraded marks what a critical check found as a warning.
var ErrDegraded = errors.New("degraded")

// Check looks after one part of the service.
type Check struct {
	Name string
	// Critical: without this part there is no service. What other checks find
	// only degrades it.
	Critical bool
	// Ask tells what is wrong. The error goes to the log, when it begins and
	// when it ends, and never into an answer. Ask is given a second, and is not
	// called again before it has returned.
	Ask func(ctx context.Context) error
	// Every is how long an answer is good for; 0 means a second.
	Every time.Duration
}

// How long a check may take, and its answer is good for.
const (
	checkTime  = time.Second
	checkEvery = time.Second
)

var errSlow = fmt.Errorf("no answer within %v", checkTime)

// monitor asks a check when somebody wants to know, but no more often than its
// answers grow old and never twice at once, however many want to know.
type monitor struct {
	check  Check
	report func(name string, from, to Status, err error)

	mu     sync.Mutex
	status Status
	at     time.Time     // when status was found
	began  time.Time     // when the question under way was asked
	asking chan struct{} // closed when it is answered; nil if none is under way
}

func newMonitor(c Check, report func(name string, from, to Status, err error)) *monitor {
	if c.Every == 0 {
		c.Every = checkEvery
	}
	return &monitor{check: c, report: report, status: Healthy}
}

// find returns how the part is, after checkTime at most. A check that hangs
// has failed.
func (m *monitor) find(ctx context.Context) Status {
	m.mu.Lock()
	if m.asking == nil && (m.at.IsZero() || time.Since(m.at) >= m.check.Every) {
		m.asking, m.began = make(chan struct{}), time.Now()
		go m.ask(context.WithoutCancel(ctx), m.asking)
	}
	asking, left := m.asking, checkTime-time.Since(m.began)
	m.mu.Unlock()
	if asking != nil {
		patience := time.NewTimer(left)
		defer patience.Stop()
		select {
		case <-asking:
		case <-patience.C:
			m.settle(errSlow)
		case <-ctx.Done():
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

func (m *monitor) ask(ctx context.Context, answered chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	m.settle(m.check.Ask(ctx))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asking = nil
	close(answered)
}

// settle takes an answer, and reports it if it is news.
func (m *monitor) settle(err error) {
	m.mu.Lock()
	from, to := m.status, m.weigh(err)
	m.status, m.at = to, time.Now()
	m.mu.Unlock()
	if from != to {
		m.report(m.check.Name, from, to, err)
	}
}

func (m *monitor) weigh(err error) Status {
	switch {
	case err == nil:
		return Healthy
	case m.check.Critical && !errors.Is(err, ErrDegraded):
		return Unhealthy
	}
	return Degraded
}
