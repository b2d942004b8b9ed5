package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/userlist"
)

// failure is a line of the error file: a user who failed. Its names are
// documented in docs/fetch.md.
type failure struct {
	UserID     string  `json:"user_id,omitempty"`
	Input      string  `json:"input,omitempty"` // in place of a user id that is none
	Line       int64   `json:"line,omitempty"`
	Index      int64   `json:"index"`
	Kind       string  `json:"kind"`
	Error      string  `json:"error"`
	Status     int     `json:"status,omitempty"`
	Detail     string  `json:"detail,omitempty"`
	RequestID  string  `json:"request_id,omitempty"`
	Attempts   int     `json:"attempts,omitempty"`
	RetryAfter float64 `json:"retry_after_seconds,omitempty"`
	Retryable  bool    `json:"retryable"`
}

// maxShownID bounds in bytes the ids that a failure repeats: the service has
// none as long.
const maxShownID = 256

func newFailure(b *client.Batch, at userlist.Place) failure {
	f := failure{
		UserID: b.User, Line: at.Line, Index: b.Index, Kind: failureKind(b.Err),
		Error: strings.TrimPrefix(b.Err.Error(), "asleep: "), Attempts: b.Attempts, Retryable: client.Retryable(b.Err),
	}
	if e, ok := errors.AsType[*client.Error](b.Err); ok {
		f.Status, f.Detail, f.RequestID, f.RetryAfter = e.StatusCode, e.Detail, e.RequestID, e.RetryAfter.Seconds()
	}
	switch {
	case at.Problem != "":
		f.UserID, f.Input, f.Error = "", at.Excerpt, at.Problem
	case len(f.UserID) > maxShownID:
		end := maxShownID / 4
		for !utf8.RuneStart(f.UserID[end]) {
			end--
		}
		f.UserID, f.Input = "", f.UserID[:end]+"…"
	}
	return f
}

// failureKinds are the words for what a user failed with, the narrower before
// the wider.
var failureKinds = []struct {
	err  error
	word string
}{
	{client.ErrUserIDInvalid, "user_id_invalid"},
	{client.ErrNotFound, "not_found"},
	{client.ErrConflict, "conflict"},
	{client.ErrRateLimited, "rate_limited"},
	{client.ErrBodyTooLarge, "body_too_large"},
	{client.ErrDecode, "undecodable"},
	{client.ErrRedirected, "redirected"},
	{client.ErrTruncated, "truncated"},
	{client.ErrTimeout, "timeout"},
	{client.ErrUnavailable, "unavailable"},
	{client.ErrInvalid, "invalid"},
}

func failureKind(err error) string {
	for _, k := range failureKinds {
		if errors.Is(err, k.err) {
			return k.word
		}
	}
	return "other"
}

// line is the failure as one line of JSON.
func (f failure) line() ([]byte, error) {
	b, err := json.Marshal(f)
	return append(b, '\n'), err
}
