package asleeptest

import (
	"maps"
	"sync"
	"time"
)

// Request is one line of the server's log. It never holds the API key.
type Request struct {
	Time     time.Time     `json:"time"`        // when it arrived
	Duration time.Duration `json:"duration_ns"` // until its answer was sent, or given up
	Method   string        `json:"method"`
	Path     string        `json:"path"`            // unescaped
	Route    string        `json:"route,omitempty"` // template, such as /ai/v1/users/{user_id}; empty: unknown
	Op       string        `json:"op,omitempty"`    // operation, such as getUser; empty: unknown
	User     string        `json:"user,omitempty"`  // in the path or in x-user-id
	Session  string        `json:"session,omitempty"`
	Query    string        `json:"query,omitempty"` // encoded, without its question mark
	Status   int           `json:"status"`          // 0: the connection was broken, or the client went away
	Fault    string        `json:"fault,omitempty"` // what was done to it; several are joined by a plus
	Limited  bool          `json:"limited,omitempty"`
	Conn     uint64        `json:"conn,omitempty"` // number of the connection; 0: in process
}

// Stats are the counters of a server since it was made or [Server.Reset].
type Stats struct {
	Requests    int            `json:"requests"`    // that have been answered
	Accepted    int            `json:"accepted"`    // carried out and answered by the operation, undamaged
	Limited     int            `json:"limited"`     // refused by the rate limit
	Failed      map[string]int `json:"failed"`      // met by a fault, by its name
	Status      map[int]int    `json:"status"`      // by status; 0: no answer
	Ops         map[string]int `json:"ops"`         // by operation; "": unknown route
	InFlight    int            `json:"in_flight"`   // that are being answered
	Peak        int            `json:"peak"`        // most at once
	Connections int            `json:"connections"` // that have been opened
	Violations  int            `json:"violations"`  // requests outside the contract
	LogDropped  int            `json:"log_dropped"` // lines that Requests no longer has
}

// journal is the log and the counters.
type journal struct {
	mu         sync.Mutex
	size       int
	ring       []Request
	next       int // place of the oldest line, once the ring is full
	stats      Stats
	violations []Violation
}

func newJournal(size int) *journal {
	j := &journal{size: size}
	j.resetLocked()
	return j
}

func (j *journal) resetLocked() {
	inFlight := j.stats.InFlight
	j.stats = Stats{
		Failed: map[string]int{}, Status: map[int]int{}, Ops: map[string]int{},
		InFlight: inFlight, Peak: inFlight,
	}
	j.ring, j.next, j.violations = nil, 0, nil
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.resetLocked()
}

func (j *journal) begin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.InFlight++
	j.stats.Peak = max(j.stats.Peak, j.stats.InFlight)
}

func (j *journal) connected() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Connections++
}

// end logs a request. The names are those of the faults that met it.
func (j *journal) end(r *Request, faults []string, accepted bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.InFlight--
	j.stats.Requests++
	j.stats.Status[r.Status]++
	j.stats.Ops[r.Op]++
	for _, name := range faults {
		j.stats.Failed[name]++
	}
	if r.Limited {
		j.stats.Limited++
	}
	if accepted {
		j.stats.Accepted++
	}
	switch {
	case j.size == 0:
		j.stats.LogDropped++
	case len(j.ring) < j.size:
		j.ring = append(j.ring, *r)
	default:
		j.ring[j.next] = *r
		j.next = (j.next + 1) % j.size
		j.stats.LogDropped++
	}
}

// maxViolations bounds the list; the counter goes on.
const maxViolations = 1000

func (j *journal) violated(v ...Violation) {
	if len(v) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Violations += len(v)
	if room := maxViolations - len(j.violations); room > 0 {
		j.violations = append(j.violations, v[:min(room, len(v))]...)
	}
}

// Requests returns the log, oldest first: the newest Config.LogSize requests
// whose answers have been sent or given up. The caller owns the slice.
func (s *Server) Requests() []Request {
	j := s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]Request, 0, len(j.ring))
	out = append(out, j.ring[j.next:]...)
	return append(out, j.ring[:j.next]...)
}

// Count returns how many requests of an operation were answered, whatever the
// answer.
func (s *Server) Count(op string) int {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return s.journal.stats.Ops[op]
}

// Stats returns a copy of the counters.
func (s *Server) Stats() Stats {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	out := s.journal.stats
	out.Failed, out.Status, out.Ops = maps.Clone(out.Failed), maps.Clone(out.Status), maps.Clone(out.Ops)
	return out
}

// Reset empties the log, the counters and the list of violations. Users,
// sessions, faults and limits stay.
func (s *Server) Reset() { s.journal.reset() }

// Violations returns what was wrong with requests: the first thousand of what
// [Stats] counts. The caller owns the slice.
func (s *Server) Violations() []Violation {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return append([]Violation(nil), s.journal.violations...)
}
