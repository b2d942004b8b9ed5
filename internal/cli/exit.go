package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/config"
)

// ExitCode is what the command tells the shell. The numbers are an interface.
type ExitCode int

// The exit codes. Where several hold: a signal, then ExitUsage, ExitKeyRefused,
// ExitQuota, ExitStopped, ExitPartial, ExitFailure.
const (
	ExitOK          ExitCode = 0
	ExitFailure     ExitCode = 1   // it did not work
	ExitUsage       ExitCode = 2   // usage or configuration: nothing was sent
	ExitPartial     ExitCode = 3   // some users failed
	ExitKeyRefused  ExitCode = 4   // the service refuses the API key
	ExitStopped     ExitCode = 5   // an outage, a rate limit or a time limit: the same command later may work
	ExitQuota       ExitCode = 6   // quota used up, or plan over
	ExitInterrupted ExitCode = 130 // SIGINT
	ExitTerminated  ExitCode = 143 // SIGTERM
)

// precedence orders the codes of errors that came together.
var precedence = []ExitCode{ExitUsage, ExitKeyRefused, ExitQuota, ExitStopped, ExitPartial, ExitFailure}

// exitError is an error that brings its own exit code.
type exitError struct {
	code ExitCode
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitWith gives an error its exit code.
func exitWith(code ExitCode, err error) error { return &exitError{code: code, err: err} }

// usageError is an error about the command line.
func usageError(err error) error { return exitWith(ExitUsage, err) }

// exitCodeOf returns the exit code of what a command returned. A signal counts
// only if it kept the command from its work.
func exitCodeOf(ctx context.Context, err error) ExitCode {
	if err == nil {
		return ExitOK
	}
	if s, ok := errors.AsType[*signalError](context.Cause(ctx)); ok {
		return ExitCode(128 + int(s.signal))
	}
	codes := exitCodes(err, nil)
	for _, code := range precedence {
		if slices.Contains(codes, code) {
			return code
		}
	}
	return ExitFailure
}

// exitCodes appends the codes of err, and of all errors that are joined in it.
func exitCodes(err error, codes []ExitCode) []ExitCode {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand
	case *exitError:
		return append(codes, e.code)
	case *config.Error:
		return append(codes, ExitUsage)
	case *client.Error:
		return append(codes, clientExitCode(e))
	case interface{ Unwrap() []error }:
		for _, joined := range e.Unwrap() {
			codes = exitCodes(joined, codes)
		}
		return codes
	case interface{ Unwrap() error }:
		return exitCodes(e.Unwrap(), codes)
	}
	return append(codes, ExitFailure)
}

// clientExitCode maps the failures of calls, and remedy says what to do about
// each: the two stand together.
func clientExitCode(err *client.Error) ExitCode {
	switch {
	case errors.Is(err, client.ErrPlanExpired), errors.Is(err, client.ErrQuotaExceeded):
		return ExitQuota
	case errors.Is(err, client.ErrUnauthorized), errors.Is(err, client.ErrForbidden):
		return ExitKeyRefused
	case errors.Is(err, client.ErrInvalid):
		return ExitUsage
	case client.Retryable(err):
		return ExitStopped
	}
	return ExitFailure
}

// remedy says what a person can do about the failure of a call, "" where the
// error says it already.
func remedy(err error) string {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Layer == client.LayerRequest {
		return ""
	}
	switch {
	case errors.Is(err, client.ErrPlanExpired):
		return "renew the subscription; nothing works before"
	case errors.Is(err, client.ErrQuotaExceeded):
		return "raise the quota; nothing works before"
	case errors.Is(err, client.ErrUnauthorized), errors.Is(err, client.ErrForbidden):
		return `check the API key ("asleep config show" says where it comes from)`
	case errors.Is(err, client.ErrMaybeCreated):
		return "a user whose id nobody knows may exist now: look before you create again"
	case errors.Is(err, client.ErrUserIDInvalid):
		return "check the user id"
	case errors.Is(err, client.ErrNotFound) && e.Op == "getSession":
		return "check the ids; a report may be missing for some minutes after a recording"
	case errors.Is(err, client.ErrNotFound):
		return "check the id"
	case errors.Is(err, client.ErrRateLimited):
		return "too many requests with this key: try again later"
	case errors.Is(err, client.ErrBodyTooLarge), errors.Is(err, client.ErrDecode):
		return "this is not the answer of the service: check ASLEEP_BASE_URL"
	case client.Retryable(err):
		return "the service or the way to it is down: try again later"
	}
	return ""
}
