package client

import (
	"errors"
	"fmt"
)

// Why a batch stopped or could not be resumed, for errors.Is.
var (
	// ErrOutage: the service gave nothing usable for longer than
	// [BatchOptions].MaxOutage, or asked for a longer wait than that.
	ErrOutage = errors.New("the service is out")
	// ErrStopRequested: [BatchOptions].Stop was closed.
	ErrStopRequested = errors.New("stop requested")
	// ErrMaxDuration: [BatchOptions].MaxDuration was reached.
	ErrMaxDuration = errors.New("maximum duration reached")
	// ErrBatchInput: the sequence of users yielded an error, which is matched
	// too.
	ErrBatchInput = errors.New("reading the users failed")

	// ErrResumeInvalid: the token is not one, or is damaged.
	ErrResumeInvalid = errors.New("not a resume token")
	// ErrResumeNewer: the token was made by a newer version of this package.
	ErrResumeNewer = errors.New("resume token of a newer version")
	// ErrResumeQuery: the token is of another query, or of another service.
	ErrResumeQuery = errors.New("resume token of another query")
	// ErrResumeKey: the token was made with another API key, and
	// [BatchOptions].NewKey is not set.
	ErrResumeKey = errors.New("resume token of another API key")
	// ErrResumeInput: the users that the token calls done are not those at the
	// beginning of the input.
	ErrResumeInput = errors.New("resume token of another input")
)

// BatchStopped is a batch that stopped before its end. It can be resumed with
// Token, once the cause is gone.
type BatchStopped struct {
	// Reason is the sentinel of the stop: one of those that
	// [Client.FetchSessions] names, or the cause of the context's end.
	Reason error
	// Err says more: the last failure, such as an [*Error]. Nil if there is
	// no more to say. errors.Is and errors.As look into both.
	Err error
	// Progress is how far the batch came.
	Progress BatchProgress
	// Unfinished is the number of users that were read but are not done;
	// NotStarted that of the positions not even read, -1 when
	// [BatchOptions].Total was not given.
	Unfinished, NotStarted int64
	// Token resumes the batch, once all results yielded are handled.
	Token ResumeToken
}

func (e *BatchStopped) Error() string {
	text := "asleep: batch stopped: " + e.Reason.Error()
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s (%d users done, %d of them failed)", text, e.Progress.Done, e.Progress.Failed)
}

// Unwrap returns Reason and Err.
func (e *BatchStopped) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// ResumeError is a token that does not fit the batch it was given to.
type ResumeError struct {
	// Problem says what does not fit and what to do.
	Problem string
	// Err is one of the sentinels ErrResume….
	Err error
}

func (e *ResumeError) Error() string { return "asleep: " + e.Err.Error() + ": " + e.Problem }

// Unwrap returns the sentinel.
func (e *ResumeError) Unwrap() error { return e.Err }
