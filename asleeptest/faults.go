package asleeptest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is a misbehaviour: which requests it meets, when, and what it does to
// them. The zero value meets every request and does nothing. Make one by hand,
// or with a function such as [RateLimited] and change its fields.
type Fault struct {
	// Name is what the log and the counters call it. Defaults to the kind it
	// was made from, or to a description.
	Name string

	// Which requests: all that are set must fit.
	Op      string // name of an operation, such as GetSession
	Method  string
	Path    string // the unescaped path, or the beginning of it followed by *
	User    string // in the path or in x-user-id
	Session string // in the path

	// When. Of the requests that fit, the first Skip are left alone, then each
	// is met with Probability (0 means always), until Times are met (0 means no
	// end). After and For bound it in time, counted from Inject: it begins
	// after After and, unless For is 0, ends For later.
	Skip        int
	Times       int
	Probability float64
	After       time.Duration
	For         time.Duration

	// What. A Status other than 0 answers in place of the operation, which
	// then is not carried out. Without one the operation is carried out and
	// the other members damage its answer.
	Status     int
	Header     http.Header
	Body       string
	RetryAfter string        // Retry-After, verbatim, such as "30"
	RetryAt    time.Duration // Retry-After as the HTTP date this far ahead

	Latency    time.Duration // wait before anything else
	LatencyMax time.Duration // if larger than Latency: a random wait between the two

	Reset Reset         // break the connection in place of an answer
	Cut   Cut           // break it in the middle of the body
	Drip  time.Duration // send the body slowly, over this time
	Hang  bool          // wait until the client goes away
}

// Reset says when a connection breaks.
type Reset string

// The times of a reset.
const (
	ResetNever  Reset = ""
	ResetBefore Reset = "before" // nothing was done
	ResetAfter  Reset = "after"  // the operation was carried out, the answer is lost
)

// Cut says how a body breaks off after its first half.
type Cut string

// The forms of a truncated body.
const (
	CutNone    Cut = ""
	CutLength  Cut = "length"  // Content-Length promises the whole
	CutChunked Cut = "chunked" // chunked, and the last chunk is missing
)

// Validate reports what is wrong with the fault.
func (f Fault) Validate() error {
	bad := func(format string, args ...any) error { return fmt.Errorf("asleeptest: fault: "+format, args...) }
	switch {
	case f.Op != "" && !slices.Contains(Operations(), f.Op):
		return bad("op %q is not an operation: want one of %s", f.Op, strings.Join(Operations(), ", "))
	case f.Skip < 0 || f.Times < 0:
		return bad("skip %d, times %d: want no negative ones", f.Skip, f.Times)
	case math.IsNaN(f.Probability) || f.Probability < 0 || f.Probability > 1:
		return bad("probability %v: want 0 to 1", f.Probability)
	case f.After < 0 || f.For < 0 || f.Latency < 0 || f.LatencyMax < 0 || f.Drip < 0 || f.RetryAt < 0:
		return bad("a negative duration")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return bad("status %d: want 200 to 599", f.Status)
	case f.Reset != ResetNever && f.Reset != ResetBefore && f.Reset != ResetAfter:
		return bad("reset %q: want before or after", f.Reset)
	case f.Cut != CutNone && f.Cut != CutLength && f.Cut != CutChunked:
		return bad("cut %q: want length or chunked", f.Cut)
	case f.RetryAfter != "" && f.RetryAt > 0:
		return bad("both RetryAfter and RetryAt are set: want one")
	}
	return nil
}

// delays reports whether the fault only delays, so that others may follow it.
func (f *Fault) delays() bool {
	return f.Status == 0 && f.Reset == ResetNever && f.Cut == CutNone && f.Drip == 0 && !f.Hang &&
		f.Body == "" && f.RetryAfter == "" && f.RetryAt == 0 && len(f.Header) == 0
}

// write makes the answer of a fault that has a status.
func (f *Fault) write(a *answer) {
	if f.Status == 0 {
		return
	}
	a.reset()
	a.status = f.Status
	if f.Body != "" {
		a.body = []byte(f.Body)
		a.header.Set("Content-Type", contentType(f.Body))
	}
}

// mark adds the headers of the fault to an answer.
func (f *Fault) mark(a *answer, now time.Time) {
	for name, values := range f.Header {
		a.header[http.CanonicalHeaderKey(name)] = values
	}
	if f.RetryAfter != "" {
		a.header.Set("Retry-After", f.RetryAfter)
	}
	if f.RetryAt > 0 {
		a.header.Set("Retry-After", httpDate(now.Add(f.RetryAt)))
	}
}

func contentType(body string) string {
	if strings.HasPrefix(strings.TrimSpace(body), "<") {
		return "text/html"
	}
	return "application/json"
}

// injected is a fault at work.
type injected struct {
	Fault

	id    int
	since time.Time
	seen  int
	met   int
}

// faults are the faults at work, in the order in which they were injected.
type faults struct {
	mu   sync.Mutex
	list []*injected
	last int
	rand *rand.Rand
	down *Fault // the outage, if there is one
}

func (fs *faults) add(f Fault) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.last++
	fs.list = append(fs.list, &injected{Fault: f, id: fs.last, since: time.Now()})
	return fs.last
}

func (fs *faults) remove(id int) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := len(fs.list)
	fs.list = slices.DeleteFunc(fs.list, func(f *injected) bool { return f.id == id })
	return len(fs.list) < n
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list, fs.down = nil, nil
}

func (fs *faults) outage(f *Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.down = f
}

// pick walks the faults in order. Those that only delay add up; the first
// other one that meets the request ends the walk.
func (fs *faults) pick(r *Request, now time.Time) (f *Fault, names []string, latency time.Duration) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.down != nil {
		return fs.down, []string{fs.down.Name}, fs.down.Latency
	}
	for _, in := range fs.list {
		if !in.matches(r, now) || !in.fires(fs.rand) {
			continue
		}
		names = append(names, in.Name)
		latency += in.wait(fs.rand)
		if !in.delays() {
			return &in.Fault, names, latency
		}
	}
	return nil, names, latency
}

func (in *injected) matches(r *Request, now time.Time) bool {
	age := now.Sub(in.since)
	if age < in.After || (in.For > 0 && age >= in.After+in.For) {
		return false
	}
	return (in.Op == "" || in.Op == r.Op) && (in.Method == "" || in.Method == r.Method) &&
		(in.User == "" || in.User == r.User) && (in.Session == "" || in.Session == r.Session) &&
		(in.Path == "" || matchesPath(in.Path, r.Path))
}

func matchesPath(pattern, path string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return path == pattern
}

func (in *injected) fires(rnd *rand.Rand) bool {
	if in.Times > 0 && in.met >= in.Times {
		return false
	}
	if in.seen++; in.seen <= in.Skip {
		return false
	}
	if in.Probability > 0 && rnd.Float64() >= in.Probability {
		return false
	}
	in.met++
	return true
}

func (in *injected) wait(rnd *rand.Rand) time.Duration {
	if in.LatencyMax <= in.Latency {
		return in.Latency
	}
	return in.Latency + time.Duration(rnd.Int64N(int64(in.LatencyMax-in.Latency)+1))
}

// name gives the fault a name if it has none.
func (f Fault) name() string {
	switch {
	case f.Name != "":
		return f.Name
	case f.Status != 0:
		return fmt.Sprint("status ", f.Status)
	case f.Reset != ResetNever:
		return "reset " + string(f.Reset)
	case f.Cut != CutNone:
		return "cut " + string(f.Cut)
	case f.Hang:
		return "hang"
	case f.Drip > 0:
		return "drip"
	case f.Latency > 0 || f.LatencyMax > 0:
		return "latency"
	}
	return "fault"
}
