package transport

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
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

// RoundTrip implements [http.RoundTripper].
func (a *attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	call := CallFrom(req.Context())
	if call == nil {
		call = &Call{}
		call.begin(req.Method, 1)
	}
	f := flight{attempt: a, call: call, req: req}
	if !a.origin.serves(req.URL) {
		closeBody(req)
		return nil, f.fail(Outcome{Class: ClassRefused}, ErrForeignHost)
	}
	if parent := req.Context(); parent.Err() != nil { // ended while a policy held the attempt
		closeBody(req)
		return nil, f.fail(Outcome{Class: ClassCanceled}, contextError(parent))
	}
	ctx, cancel := f.context()
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
}

// context returns the attempt's context: the call's, bounded by the attempt's
// timeout unless the call ends sooner anyway, and traced where it matters
// whether anything was sent.
func (f *flight) context() (context.Context, context.CancelFunc) {
	ctx, cancel := f.req.Context(), context.CancelFunc(func() {})
	f.timeout = f.attempt.timeout[min(f.call.Kind, kinds-1)]
	if t := f.call.Limits.AttemptTimeout; t > 0 {
		f.timeout = t
	}
	deadline, has := ctx.Deadline()
	if f.timeout > 0 && (!has || time.Until(deadline) > f.timeout) {
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
	}
	if s := f.call.state.safety; s == Create || s == Delete || f.call.observed() {
		f.wire = &wire{restarts: f.plain}
		ctx = httptrace.WithClientTrace(ctx, f.wire.trace())
	}
	return ctx, cancel
}

// header returns a copy of the request's headers with the request's id and without a
// key.
func (f *flight) header() http.Header {
	header := make(http.Header, len(f.req.Header)+3)
	for name, values := range f.req.Header {
		if !strings.EqualFold(name, "X-Api-Key") { // in whatever spelling
			header[name] = values
		}
	}
	if f.agent != "" {
		header["User-Agent"] = []string{f.agent}
	}
	if f.call.RequestID == "" {
		f.call.RequestID = header.Get("X-Request-Id")
	}
	if f.call.RequestID == "" {
		f.call.RequestID = RequestIDFrom(f.req.Context())
	}
	if f.call.RequestID == "" {
		f.call.RequestID = rand.Text()
	}
	header["X-Request-Id"] = []string{f.call.RequestID}
	return header
}

// seal returns the request as it goes out: a copy, since only the wire may see the
// key.
func (f *flight) seal(ctx context.Context, header http.Header) *http.Request {
	out := f.req.WithContext(ctx)
	out.Header = header
	if f.call.observed() { // a hook may have written what it must not
		maps.DeleteFunc(header, func(name string, _ []string) bool { return strings.EqualFold(name, "X-Api-Key") })
		header["X-Request-Id"] = []string{f.call.RequestID}
	}
	if !f.key.IsZero() {
		header["X-Api-Key"] = []string{f.key.value()}
	}
	// net/http silently replays a request that carries one of these, whatever
	// its method; the upstream knows neither.
	delete(header, "Idempotency-Key")
	delete(header, "X-Idempotency-Key")
	return out
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
	data, err := f.read(resp, limit)
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
		RetryAfter: retryAfterOf(f.status, resp.Header, time.Now()),
	}
	f.note(o)
	resp.Body = newBody(data, o)
	resp.ContentLength = int64(len(data))
	resp.Request = f.req // not the copy with the key
	return resp, nil
}

// read returns the body, at most limit bytes of it, and closes it.
func (f *flight) read(resp *http.Response, limit int64) ([]byte, error) {
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
	data, err := readBounded(resp.Body, size, limit)
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
