package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

// failure is an answer that is an error.
type failure struct {
	status  int
	code    string
	message string
	retry   time.Duration // Retry-After; 0 is none
	cause   error         // for the log
	out     bool          // the store does not work
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.message + ": " + f.cause.Error()
	}
	return f.message
}

func (f *failure) Unwrap() error { return f.cause }

// The codes of the read API.
const (
	codeOff         = "read_api_off"
	codeBadQuery    = "bad_query"
	codeUnauthorize = "unauthorized"
	codeForbidden   = "forbidden"
	codeNotFound    = "not_found"
	codeLimited     = "rate_limited"
	codeInternal    = "internal_error"
	codeRefused     = "upstream_refused"
	codeUpstream    = "upstream_failed"
	codeUnavailable = "unavailable"
	codeTimeout     = "timeout"
)

func badQuery(message string) error {
	return &failure{status: http.StatusBadRequest, code: codeBadQuery, message: message}
}

// errAbsent is the one answer for what is not there, and for what the reader may not
// see of others.
var errAbsent = &failure{
	status: http.StatusNotFound, code: codeNotFound,
	message: "there is no such session, or it is not this user's; without a user_id only what is stored is looked through",
}

var errNotYours = &failure{status: http.StatusForbidden, code: codeForbidden, message: "this token does not open the data of this user"}

var errTimeout = &failure{
	status: http.StatusGatewayTimeout, code: codeTimeout, retry: time.Second,
	message: "the answer took too long: ask again, or for less",
}

// judge makes an answer of what went wrong.
func judge(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	f := &failure{cause: err}
	switch {
	case errors.Is(err, errNoCredential), errors.Is(err, ErrTokenRefused):
		f.status, f.code, f.message = http.StatusUnauthorized, codeUnauthorize, "bring a key of the read API as x-api-key, or a token as Authorization: Bearer, and only one of them"
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, client.ErrTimeout) || errors.Is(err, client.ErrOverallTimeout):
		f.status, f.code, f.message, f.retry = http.StatusGatewayTimeout, codeTimeout, errTimeout.message, time.Second
	case errors.Is(err, client.ErrNotFound), errors.Is(err, client.ErrUserIDInvalid):
		f.status, f.code, f.message = http.StatusNotFound, codeNotFound, "the service knows no such user or session"
	case errors.Is(err, client.ErrInvalid):
		f.status, f.code, f.message = http.StatusBadRequest, codeBadQuery, "the service does not accept these ids or dates"
	case errors.Is(err, client.ErrUnauthorized), errors.Is(err, client.ErrForbidden), errors.Is(err, client.ErrPlanExpired), errors.Is(err, client.ErrQuotaExceeded):
		f.status, f.code, f.message = http.StatusBadGateway, codeRefused, "the service refuses the account of this server"
	case away(err):
		f.status, f.code, f.message, f.retry = http.StatusServiceUnavailable, codeUnavailable, "the service does not answer for now", 5*time.Second
	default:
		f.status, f.code, f.message, f.retry = http.StatusBadGateway, codeUpstream, "the service gave no answer that makes sense", 5*time.Second
	}
	if e, ok := errors.AsType[*client.Error](err); ok && e.RetryAfter > 0 {
		f.retry = e.RetryAfter
	}
	return f
}

// away reports whether the service, or a policy that spares it, has no answer now.
func away(err error) bool {
	for _, kind := range []error{
		client.ErrUnavailable, client.ErrRateLimited, client.ErrCircuitOpen, client.ErrThrottled, client.ErrBulkheadFull, client.ErrBudgetExhausted,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// stored makes an answer of what the database failed of. Nothing of its text goes
// out.
func stored(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return errAbsent
	case errors.Is(err, store.ErrInvalid):
		return &failure{status: http.StatusBadRequest, code: codeBadQuery, message: "an id, a date or the cursor cannot be that of anything stored", cause: err}
	case errors.Is(err, store.ErrSealed), errors.Is(err, store.ErrCorrupt):
		return &failure{status: http.StatusInternalServerError, code: codeInternal, message: "what is stored cannot be read: look for the request id in the log", cause: err}
	}
	f := &failure{status: http.StatusServiceUnavailable, code: codeUnavailable, message: "the database does not answer: try again later", retry: time.Second, cause: err, out: errors.Is(err, store.ErrUnavailable)}
	if after, ok := store.RetryAfter(err); ok {
		f.retry = after
	}
	return f
}

// storeless reports whether an error means that the store is out, and the question
// one that others may answer in its place.
func (q *question) storeless(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.out && q.source == "" && q.cursor.source != fromStore
}

// neither is the answer where the store is out and the service failed too. That
// is always that of the store: what the service does not know may be there.
func neither(out, err error) error {
	f, ok := errors.AsType[*failure](out)
	if !ok || err == nil {
		return err
	}
	both := *f
	both.cause = errors.Join(f.cause, err)
	return &both
}

// fail writes a failure. What this side has to do with is logged.
func (a *readAPI) fail(w http.ResponseWriter, r *http.Request, f *failure) {
	if f.status >= http.StatusInternalServerError && f.cause != nil {
		a.log.WarnContext(r.Context(), "a read failed", "status", f.status, "error", a.hide(r, f.cause), "request_id", exchangeOf(r).id)
	}
	h := w.Header()
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.retry+time.Second-1)/time.Second)))
	}
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="asleep"`)
	}
	webhook.WriteProblem(w, r, f.status, f.code, f.message)
}
