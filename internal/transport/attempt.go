package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// attempt is the innermost layer: one request on the wire and its whole answer.
type attempt struct {
	base    http.RoundTripper
	plain   bool // base is net/http's own transport
	key     Key
	origin  origin
	home    url.URL // what the origin is of
	agent   string
	timeout [kinds]time.Duration // <= 0: none
	maxBody int64
}

func newAttempt(cfg Config) *attempt {
	_, plain := cfg.Base.(*http.Transport)
	a := &attempt{
		base: cfg.Base, plain: plain, key: cfg.APIKey, origin: originOf(cfg.BaseURL), agent: cfg.UserAgent,
		maxBody: cfg.MaxBody,
	}
	if cfg.BaseURL != nil {
		a.home = *cfg.BaseURL
	}
	byDefault := cfg.AttemptTimeout
	if byDefault == 0 {
		byDefault = DefaultAttemptTimeout
	}
	a.timeout = cfg.Timeouts.table(byDefault)
	if a.maxBody <= 0 {
		a.maxBody = DefaultMaxBody
	}
	return a
}

// serves reports whether u lies on the origin, as it nearly always does to the letter.
func (a *attempt) serves(u *url.URL) bool {
	if u != nil && u.Host != "" && u.Host == a.home.Host && u.Scheme == a.home.Scheme {
		return true
	}
	return a.origin.serves(u)
}

// RoundTrip implements [http.RoundTripper].
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	call := CallFrom(req.Context())
	if call == nil {
		call = &Call{}
		call.begin(req.Method, 1)
	}
	f := flight{attempt: a, call: call, req: req}
	if !a.serves(req.URL) {
		closeBody(req)
		return nil, f.fail(Outcome{Class: ClassRefused}, ErrForeignHost)
	}
	parent, now := req.Context(), time.Now()
	if endedAt(parent, now) != nil { // while a policy held the attempt
		closeBody(req)
		return nil, f.fail(Outcome{Class: ClassCanceled}, contextError(parent))
	}
	ctx, cancel := f.context(now)
	defer cancel()
	call.Attempts++
	if call.observed() {
		return f.observe(ctx)
	}
	return f.send(ctx, f.header())
}

// observe is send with hooks.
func (f *flight) observe(ctx context.Context) (resp *http.Response, err error) {
	header, hooked := f.header().Clone(), f.call.state.hooked
	ctx = hooked.attemptStart(ctx, f.call.Attempts, f.call.RequestID, header)
	done := false
	defer func() {
		size := 0
		if resp != nil {
			size = int(resp.ContentLength)
		}
		hooked.attemptEnd(ctx, f.call.state.reached, size, f.wire, err, done)
	}()
	resp, err = f.send(ctx, header)
	done = true
	return resp, err
}

// send puts the request on the wire and reads the whole answer.
func (f *flight) send(ctx context.Context, header http.Header) (*http.Response, error) {
	resp, err := f.base.RoundTrip(f.seal(ctx, header))
	if err == nil && resp == nil {
		err = errNoResponse
	}
	if err != nil {
		return nil, f.lost(ctx, err)
	}
	return f.receive(ctx, resp)
}

// errNoResponse is what a broken custom transport earns that returns neither an
// answer nor an error.
var errNoResponse = errors.New("the transport returned neither an answer nor an error")

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// flight is one attempt under way.
type flight struct {
	*attempt
	call    *Call
	req     *http.Request
	wire    *wire
	timeout time.Duration
	status  int
	keySlot []string // room for the header's value
}

// context returns the attempt's context: the call's, bounded by the attempt's
// timeout unless the call ends sooner anyway, and traced where it matters
// whether anything was sent.
func (f *flight) context(now time.Time) (context.Context, context.CancelFunc) {
	ctx, cancel := f.req.Context(), context.CancelFunc(func() {})
	f.timeout = f.attempt.timeout[min(f.call.Kind, kinds-1)]
	if t := f.call.Limits.AttemptTimeout; t > 0 {
		f.timeout = t
	}
	end, bounded := ctx.Deadline()
	own := false // the attempt's timeout comes first
	if f.timeout > 0 {
		if at := now.Add(f.timeout); !bounded || at.Before(end) {
			end, own = at, true
		}
	}
	if d := outermost(ctx); d != nil {
		// The attempt's timer takes the place of the call's, so that a call needs one
		// instead of two.
		ctx, cancel = context.WithDeadline(d.Context, end)
	} else if own {
		ctx, cancel = context.WithDeadline(ctx, end)
	}
	if s := f.call.state.safety; s == Create || s == Delete || f.call.observed() {
		f.wire = &wire{restarts: f.plain}
		ctx = httptrace.WithClientTrace(ctx, f.wire.trace())
	}
	return ctx, cancel
}

// header returns a copy of the request's headers with the request's id and without what
// is withheld.
func (f *flight) header() http.Header {
	header := make(http.Header, len(f.req.Header)+3)
	values := make([]string, 3) // of agent, id and key, in one piece
	for name, given := range f.req.Header {
		if !withheld(name) {
			header[name] = given
		}
	}
	if f.agent != "" {
		values[0] = f.agent
		header["User-Agent"] = values[0:1:1]
	}
	if f.call.RequestID == "" {
		if given := header["X-Request-Id"]; len(given) > 0 {
			f.call.RequestID = given[0]
		}
	}
	if f.call.RequestID == "" {
		f.call.RequestID = RequestIDFrom(f.req.Context())
	}
	if f.call.RequestID == "" {
		f.call.RequestID = newRequestID()
	}
	values[1] = f.call.RequestID
	header["X-Request-Id"] = values[1:2:2]
	f.keySlot = values[2:3:3]
	return header
}

// seal returns the request as it goes out: a copy, since only the wire may see the
// key.
func (f *flight) seal(ctx context.Context, header http.Header) *http.Request {
	out := f.req.WithContext(ctx)
	out.Header = header
	if f.call.observed() { // a hook may have written what it must not
		maps.DeleteFunc(header, func(name string, _ []string) bool { return withheld(name) })
		header["X-Request-Id"] = []string{f.call.RequestID}
	}
	if !f.key.IsZero() {
		f.keySlot[0] = f.key.value()
		header["X-Api-Key"] = f.keySlot
	}
	return out
}

// withheld reports whether a header field never goes out as it was given: a key, in
// whatever spelling, and what makes net/http silently replay a request, whatever its
// method (the upstream knows neither of the two).
func withheld(name string) bool {
	switch name {
	case "Idempotency-Key", "X-Idempotency-Key":
		return true
	}
	return len(name) == len("X-Api-Key") && strings.EqualFold(name, "X-Api-Key")
}

// receive reads the whole answer and judges it. An answer under 400 is worth
// nothing without its whole body. The status of an error stands on its own,
// so what is left of a long or broken body is kept; only a 403 needs the text.
func (f *flight) receive(ctx context.Context, resp *http.Response) (*http.Response, error) {
	f.status = resp.StatusCode
	limit := f.maxBody
	if l := f.call.Limits.MaxBody; l > 0 {
		limit = l
	}
	body := new(Body)
	data, err := f.read(body, resp, limit)
	cut := false
	switch tooLarge := errors.Is(err, errOverLimit); {
	case err == nil:
	case tooLarge && f.status < 400:
		return nil, f.fail(Outcome{Class: ClassTooLarge, Sent: true}, &tooLargeError{limit: limit})
	case tooLarge, f.status >= 400 && f.status != http.StatusForbidden && ctx.Err() == nil:
		cut = true
	default:
		return nil, f.lost(ctx, fmt.Errorf("%w: %w", ErrTruncated, err))
	}
	o := Outcome{
		Class: Classify(f.status, data), Status: f.status, Cut: cut, Sent: true,
		RetryAfter: retryAfterOf(f.status, resp.Header),
	}
	f.note(o)
	resp.Body = body.fill(data, o)
	resp.ContentLength = int64(len(data))
	resp.Request = f.req // not the copy with the key
	return resp, nil
}

// read returns the answer's body, at most limit bytes of it, and closes it.
func (f *flight) read(body *Body, resp *http.Response, limit int64) ([]byte, error) {
	if resp.Body == nil {
		return nil, nil
	}
	defer func() { _ = resp.Body.Close() }()
	size := resp.ContentLength
	if f.req.Method == http.MethodHead || f.status == http.StatusNoContent || f.status == http.StatusNotModified {
		return nil, nil
	}
	if size > limit && f.status < 400 {
		return nil, errOverLimit
	}
	data, err := body.readBounded(resp.Body, size, limit)
	if err == nil && size >= 0 && int64(len(data)) != size {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

// lost judges an attempt that brought no complete answer.
func (f *flight) lost(ctx context.Context, err error) error {
	o := Outcome{Class: ClassTransport, Sent: f.status != 0 || f.wire == nil || f.wire.sent()}
	switch parent := f.req.Context(); {
	case parent.Err() != nil:
		o.Class, err = ClassCanceled, contextError(parent)
	case ctx.Err() != nil:
		phase := "no answer"
		if f.status != 0 {
			phase = "reading the body"
		}
		o.Class, err = ClassTimeout, &timeoutError{after: f.timeout, phase: phase}
	default:
		_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
		_, notTLS := errors.AsType[tls.RecordHeaderError](err)
		o.Permanent = untrusted || notTLS
	}
	return f.fail(o, err)
}

// fail makes the attempt's error and notes its verdict.
func (f *flight) fail(o Outcome, err error) error {
	o.Status = f.status
	f.note(o)
	return attemptError(f.call, f.req, o, scrub(withoutURL(err), f.key, f.call.User))
}

func (f *flight) note(o Outcome) {
	f.call.state.ran, f.call.state.reached = true, o
}

// wire watches whether a request can have reached the upstream. The proof that
// it did not is a transport that asked for a connection and got none; a
// transport that reports nothing proves nothing.
type wire struct {
	restarts   bool // asking again means that nothing was written before
	asked, got atomic.Bool
	reused     atomic.Bool
}

func (w *wire) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			w.asked.Store(true)
			if w.restarts {
				w.got.Store(false)
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			w.got.Store(true)
			w.reused.Store(info.Reused)
		},
	}
}

func (w *wire) sent() bool { return !w.asked.Load() || w.got.Load() }
