package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/internal/redact"
	"github.com/asleep-sdk/asleep/internal/sign"
	"github.com/asleep-sdk/asleep/store"
)

// Receiver is the http.Handler that deliveries are sent to, at whatever path it
// is mounted. Make one with [NewReceiver].
type Receiver struct {
	inbox    store.Inbox
	verifier *Verifier
	limits   Limits
	timeouts ReceiverTimeouts
	log      *slog.Logger
	observe  func(Delivery)

	backlog  backlog
	counters counters
	told     atomic.Bool  // that somebody signs nothing
	failed   atomic.Int64 // unix nanoseconds: when a failing inbox was last logged
}

// NewReceiver stores what v finds authentic in the inbox. All problems of the
// options are told at once.
func NewReceiver(inbox store.Inbox, v *Verifier, opts ...Option) (*Receiver, error) {
	s := receiverSettings{limits: DefaultLimits(), timeouts: DefaultReceiverTimeouts()}
	for _, o := range opts {
		if o != nil {
			o(&s)
		}
	}
	if err := s.check(inbox, v); err != nil {
		return nil, err
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.limits.MaxBody == 0 {
		s.limits.MaxBody = DefaultLimits().MaxBody
	}
	return &Receiver{
		inbox: inbox, verifier: v, limits: s.limits, timeouts: s.timeouts, log: s.log, observe: s.observe,
		backlog: backlog{inbox: inbox, limit: int64(s.limits.Backlog)},
	}, nil
}

// mostBody bounds the bound: a body is held in memory.
const mostBody = 1 << 30

func (s *receiverSettings) check(inbox store.Inbox, v *Verifier) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("webhook: "+format, args...)) }
	if inbox == nil {
		bad("no inbox: a receiver has to store what it acknowledges")
	}
	if v == nil || v.now.Load() == nil {
		bad("no verifier: make one with NewVerifier")
	}
	if l := s.limits; l.MaxBody < 0 || l.MaxBody > mostBody || l.Backlog < 0 {
		bad("limits are %d bytes and %d events: want 0 to %d bytes, and no negative number of events", l.MaxBody, l.Backlog, int64(mostBody))
	}
	if t := s.timeouts; t.Body < 0 || t.Commit < 0 || t.RetryAfter < 0 {
		bad("timeouts are %v, %v and %v: want no negative ones", t.Body, t.Commit, t.RetryAfter)
	}
	return errors.Join(errs...)
}

// ServeHTTP answers one delivery: 200 {"status":"queued"} once it is durable, else
// with a [Problem].
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	r.counters.inFlight.Add(1)
	defer r.counters.inFlight.Add(-1)
	d := Delivery{Status: http.StatusOK}
	message := r.receive(w, req, &d)
	d.Duration = time.Since(start)
	r.counters.count(&d)
	if r.observe != nil {
		r.observe(d)
	}
	if d.Status == http.StatusOK {
		acknowledge(w)
		return
	}
	if d.Status == http.StatusServiceUnavailable {
		r.tellWhen(w.Header(), &d)
	}
	WriteProblem(w, req, d.Status, d.Code, message)
}

// tellWhen asks the sender of an event that was not taken to come again, when the
// inbox says or else after the usual time.
func (r *Receiver) tellWhen(h http.Header, d *Delivery) {
	after := d.retry
	if after <= 0 {
		after = r.timeouts.RetryAfter
	}
	if after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
}

const queued = `{"status":"queued"}`

func acknowledge(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(queued))}
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, queued) // a client that is gone will come again
}

// receive takes a delivery through its steps, the cheap and safe ones first, and
// nothing is parsed or looked up before it is authentic. It returns the message
// of the problem, if d got the status of one.
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request, d *Delivery) (message string) {
	bodyDeadline(w, r.timeouts.Body)
	switch {
	case req.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return d.refuse(http.StatusMethodNotAllowed, CodeMethod, "send events by POST")
	case !isJSON(req.Header):
		return d.refuse(http.StatusUnsupportedMediaType, CodeMediaType, "send application/json in UTF-8, without a content encoding")
	}
	admission, err := r.verifier.admit(req.Header)
	if err != nil {
		if admission.key >= 0 && errors.Is(err, ErrNoSignature) {
			r.tellUnsigned(req.Context())
		}
		return r.reject(w, req, d, err)
	}
	buffer, _ := buffers.Get().(*bytes.Buffer)
	defer putBuffer(buffer)
	err = readBody(buffer, req, r.limits.MaxBody)
	d.Bytes = buffer.Len()
	switch {
	case errors.Is(err, errTooLarge):
		w.Header().Set("Connection", "close")
		return d.refuse(http.StatusRequestEntityTooLarge, CodeTooLarge, fmt.Sprintf("a body may have %d bytes", r.limits.MaxBody))
	case errors.Is(err, os.ErrDeadlineExceeded): // we may have been the slow ones
		w.Header().Set("Connection", "close")
		return d.refuse(http.StatusRequestTimeout, CodeBody, errIncomplete.Error())
	case err != nil:
		w.Header().Set("Connection", "close")
		return d.refuse(http.StatusBadRequest, CodeBody, errIncomplete.Error())
	}
	identity, err := admission.Verify(buffer.Bytes())
	if err != nil {
		return r.reject(w, req, d, err)
	}
	d.Scheme = identity.Scheme
	event, err := Decode(first(req.Header, sign.HeaderUser), buffer.String())
	if err != nil {
		return d.refuse(http.StatusBadRequest, CodeUndecodable, err.Error())
	}
	event.Signed = identity.Signed
	return r.store(req.Context(), event, d)
}

// store puts an event into the inbox. A sender that goes away meanwhile does not
// stop it: the event is here, and nobody knows whether it would come again.
func (r *Receiver) store(ctx context.Context, e Event, d *Delivery) (message string) {
	d.Kind = OtherKind
	if known(e.Kind) {
		d.Kind = e.Kind
	}
	ctx = context.WithoutCancel(ctx)
	if r.timeouts.Commit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.timeouts.Commit)
		defer cancel()
	}
	if r.backlog.isFull(ctx) {
		return d.refuse(http.StatusServiceUnavailable, CodeBacklog, "too many events wait to be worked: send it again later")
	}
	receipts, err := r.inbox.Put(ctx, e.Stored())
	if err == nil && len(receipts) != 1 {
		err = fmt.Errorf("the inbox returned %d receipts for one event", len(receipts))
	}
	if err != nil {
		r.tellFailed(ctx, err)
		d.retry, _ = store.RetryAfter(err)
		return d.refuse(http.StatusServiceUnavailable, CodeUnavailable, "the event could not be stored: send it again later")
	}
	receipt := receipts[0]
	d.Code = receipt.Result.String()
	if receipt.Result == store.Stored || receipt.Result == store.Revised {
		r.backlog.stored.Add(1)
	}
	if problem := e.Check(); problem != nil {
		d.incomplete = true
		r.log.LogAttrs(ctx, slog.LevelWarn, "an authentic event cannot be worked and will be dead", slog.String("entry", receipt.ID),
			slog.String("kind", string(d.Kind)), slog.Any("user", redact.User(e.UserID)), slog.String("problem", problem.Error()))
	}
	return ""
}

func (d *Delivery) refuse(status int, code, message string) string {
	d.Status, d.Code = status, code
	return message
}

// reject answers what is not authentic: every way of it alike. The log has the
// way, at debug level, as anybody can cause it.
func (r *Receiver) reject(w http.ResponseWriter, req *http.Request, d *Delivery, err error) (message string) {
	if errors.Is(err, ErrRepeatedHeader) {
		return d.refuse(http.StatusBadRequest, CodeHeader, err.Error())
	}
	r.counters.reason(err)
	r.log.LogAttrs(req.Context(), slog.LevelDebug, "a delivery is not authentic", slog.String("why", err.Error()))
	w.Header().Set("WWW-Authenticate", "ApiKey")
	return d.refuse(http.StatusUnauthorized, CodeUnauthorized, "the delivery is not authentic")
}

// tellUnsigned tells once what is most likely wrong in a new installation.
func (r *Receiver) tellUnsigned(ctx context.Context) {
	if r.told.Swap(true) {
		return
	}
	r.log.LogAttrs(ctx, slog.LevelError, "A DELIVERY WITH THE RIGHT API KEY BEARS NO SIGNATURE AND WAS REFUSED, as all such will be: "+
		"the service itself signs nothing; to accept the key alone, and have every event confirmed by the API, set WEBHOOK_AUTH=key (ModeKey), "+
		"or let a gateway sign in front of this receiver")
}

// tellFailed tells that the inbox does not store, once every ten seconds.
func (r *Receiver) tellFailed(ctx context.Context, err error) {
	const every = 10 * time.Second
	now, last := time.Now().UnixNano(), r.failed.Load()
	if now-last < int64(every) || !r.failed.CompareAndSwap(last, now) {
		return
	}
	r.log.LogAttrs(ctx, slog.LevelError, "events cannot be stored: senders are answered 503 and asked to come again", slog.String("error", err.Error()))
}
