package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// Bounds of what an error quotes, and of what is looked into for it.
const (
	maxDetail   = 500
	maxExcerpt  = 2 << 10
	maxLookedAt = 64 << 10
)

// failure begins the error of a call whose requests went through the pipeline.
func (k *call) failure(wire *transport.Call, layer Layer, cause error) *Error {
	e := &Error{
		Op: k.name, Layer: layer, Err: cause,
		StatusCode: wire.Answer.Status, RetryAfter: wire.Answer.RetryAfter,
		RequestID: wire.RequestID, Attempts: wire.Attempts,
	}
	if wire.MaybeCreated {
		e.kinds = append(e.kinds, ErrMaybeCreated)
	}
	if wire.BudgetExhausted {
		e.kinds = append(e.kinds, ErrBudgetExhausted)
	}
	return e
}

// unanswered is the error of a call that brought no complete answer.
func (k *call) unanswered(wire *transport.Call, err error) error {
	cause := err
	if lost, ok := errors.AsType[*transport.AttemptError](err); ok {
		cause = lost.Err // without method and route: the operation says it
	}
	e := k.failure(wire, LayerNetwork, k.client.redactor.err(cause, k.userID))
	switch wire.Outcome.Class {
	case transport.ClassCanceled:
		e.Layer = LayerCaller
		if _, own := errors.AsType[*overallTimeout](err); own {
			e.Layer, e.retryable = LayerOverall, !wire.MaybeCreated
		}
	case transport.ClassTimeout:
		e.Layer, e.retryable = LayerAttempt, !wire.MaybeCreated
		e.kinds = append(e.kinds, ErrUnavailable, ErrTimeout)
	case transport.ClassTooLarge:
		e.Layer = LayerDecode
	case transport.ClassRefused:
		// Nothing was sent, so that the same call may well succeed later.
		e.Layer, e.retryable = LayerLocal, !wire.MaybeCreated && !errors.Is(err, transport.ErrForeignHost)
		if refusal, ok := errors.AsType[*CircuitOpenError](err); ok && !refusal.Until.IsZero() {
			e.RetryAfter = max(e.RetryAfter, time.Until(refusal.Until))
		}
	default:
		e.retryable = !wire.MaybeCreated && !wire.Outcome.Permanent
		e.kinds = append(e.kinds, ErrUnavailable)
	}
	return e
}

// refused is the error of an answer that is no success.
func (a *answer) refused() error {
	k, redactor := a.call, a.call.client.redactor
	looked := a.body[:min(len(a.body), maxLookedAt)]
	detail := detailOf(looked)
	e := k.failure(a.wire, LayerService, sentinelOf(a.wire.Outcome.Class, a.StatusCode, detail))
	e.StatusCode = a.StatusCode
	e.Detail = excerpt(redactor.text(detail, k.userID), maxDetail)
	if e.Detail == "" {
		e.Body = excerpt(redactor.text(string(looked), k.userID), maxExcerpt)
	}
	class := a.wire.Outcome.Class
	e.retryable = (class == transport.ClassRateLimited || class == transport.ClassTransient) && !a.wire.MaybeCreated
	return e
}

// undecodable is the error of a success that cannot be read. What is no JSON at
// all, such as the page of a gateway or a body cut off, may be better later; JSON
// of the wrong shape will not. A create that was answered so has been done.
func (a *answer) undecodable(err error) error {
	k := a.call
	e := k.failure(a.wire, LayerDecode, k.client.redactor.err(err, k.userID))
	e.StatusCode = a.StatusCode
	e.kinds = append(e.kinds, ErrDecode)
	e.retryable = (errors.Is(err, errNoJSON) || errors.Is(err, errOtherETag)) && k.operation != opCreateUser
	if k.operation == opCreateUser {
		e.kinds = append(e.kinds, ErrMaybeCreated)
	}
	if len(a.body) <= maxLookedAt {
		e.Detail = excerpt(k.client.redactor.text(detailOf(a.body), k.userID), maxDetail)
	}
	return e
}

// sentinelOf says what an answer comes to.
func sentinelOf(class transport.Class, status int, detail string) error {
	switch class {
	case transport.ClassRateLimited:
		return ErrRateLimited
	case transport.ClassQuotaExceeded:
		return ErrQuotaExceeded
	case transport.ClassPlanExpired:
		return ErrPlanExpired
	case transport.ClassForbidden:
		return ErrForbidden
	case transport.ClassRedirect:
		return ErrRedirected
	case transport.ClassTransient:
		return ErrUnavailable
	case transport.ClassOK: // 1xx or 304, which nobody asked for
		return ErrDecode
	default:
		return sentinelOfStatus(status, detail)
	}
}

// sentinelOfStatus says what an answer comes to whose status says enough, but for
// the two kinds of 401.
func sentinelOfStatus(status int, detail string) error {
	switch status {
	case http.StatusUnauthorized:
		if aboutUser(detail) {
			return ErrUserIDInvalid
		}
		return ErrUnauthorized
	case http.StatusNotFound, http.StatusGone:
		return ErrNotFound
	case http.StatusConflict:
		return ErrConflict
	}
	if status >= 500 {
		return ErrUnavailable
	}
	return ErrInvalid
}

// aboutUser reports whether the detail of a 401 speaks of the user id, as
// "user_id is invalid", "x-user-id is invalid" and "invalid user id" do.
func aboutUser(detail string) bool {
	words := strings.NewReplacer("_", " ", "-", " ").Replace(strings.ToLower(detail))
	words = strings.Join(strings.Fields(words), " ")
	return strings.Contains(words, "user id") && !strings.Contains(words, "api key")
}

// detailOf is what an error body says, for people; "" if it says nothing, such as
// a page of HTML.
func detailOf(body []byte) string {
	var f asleep.Failure
	if json.Unmarshal(body, &f) == nil {
		if text := f.Detail.Text(); text != "" {
			return text
		}
		return f.Message
	}
	return transport.DetailText(body)
}
