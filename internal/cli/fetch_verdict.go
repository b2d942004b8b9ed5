package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/userlist"
)

// verdict is the error that a run ends with: its exit code, one sentence on what
// happened and one on what to do.
func (j *fetchJob) verdict(ctx context.Context, end *ending) error {
	if end.write != nil {
		if stored, ok := errors.AsType[*storeError](end.write); ok {
			return exitWith(runCode(end.write), fmt.Errorf("%w%s", stored, j.resumeHint("; then ")))
		}
		return exitWith(ExitFailure, fmt.Errorf("%w: make room or name another file%s", end.write, j.resumeHint("; then ")))
	}
	if end.stop == nil {
		return j.partial(end)
	}
	if refused := j.refused(end.stop); refused != nil {
		return refused
	}
	code, text := stopText(ctx, end.stop)
	return exitWith(code, errors.New(text+j.resumeHint(": ")))
}

// partial is the error of a complete run in which users failed.
func (j *fetchJob) partial(end *ending) error {
	failed := end.token.Failed()
	lost := ""
	if n := end.stored.lost(); n > 0 {
		lost = count(n, "session") + " could not be stored: each is named in a warning above"
	}
	switch {
	case failed == 0 && lost == "":
		return nil
	case failed == 0:
		return exitWith(ExitPartial, errors.New(lost))
	case lost != "":
		lost = "; " + lost
	}
	where := "they are listed above"
	if j.files.errors != "" {
		where = fmt.Sprintf("they are in %s, which can be the --users-file of another run", j.files.errors)
	}
	return exitWith(ExitPartial, fmt.Errorf("%s of %s failed: %s%s", thousands(failed), count(end.token.Done(), "user"), where, lost))
}

// runCode is the exit code of a store that failed in the middle of a run:
// something was sent, whatever is wrong with the settings.
func runCode(err error) ExitCode {
	if code := exitCodeOf(context.Background(), err); code != ExitUsage {
		return code
	}
	return ExitFailure
}

// refused is the error of a run that never began: a usage error, nothing was
// sent.
func (j *fetchJob) refused(stop error) error {
	if resume, ok := errors.AsType[*client.ResumeError](stop); ok {
		return fileProblem(j.files.checkpoint, fmt.Sprintf("does not fit this run: %v: %s; or give --overwrite to start over", resume.Err, resume.Problem))
	}
	if errors.Is(stop, userlist.ErrEmpty) {
		return usageError(fmt.Errorf("%w: give one user id a line", inputError(stop)))
	}
	if _, ok := errors.AsType[*client.BatchStopped](stop); !ok && errors.Is(stop, client.ErrInvalid) {
		return usageError(stop)
	}
	return nil
}

// inputError is what the list of users said, without what the batch put before it.
func inputError(err error) error {
	stopped, ok := errors.AsType[*client.BatchStopped](err)
	if !ok || stopped.Err == nil {
		return err
	}
	if joined, ok := stopped.Err.(interface{ Unwrap() []error }); ok {
		all := joined.Unwrap()
		return all[len(all)-1]
	}
	return stopped.Err
}

// stopText says why a batch stopped, and which exit code that is.
func stopText(ctx context.Context, stop error) (ExitCode, string) {
	cause := ""
	if stopped, ok := errors.AsType[*client.BatchStopped](stop); ok && stopped.Err != nil {
		cause = " (" + strings.TrimPrefix(stopped.Err.Error(), "asleep: ") + ")"
	}
	switch {
	case errors.Is(stop, client.ErrUnauthorized), errors.Is(stop, client.ErrForbidden):
		return ExitKeyRefused, "the service refuses the API key" + cause + `; "asleep config show" says where it comes from`
	case errors.Is(stop, client.ErrQuotaExceeded):
		return ExitQuota, "the quota is used up, and nothing works before it is raised" + cause
	case errors.Is(stop, client.ErrPlanExpired):
		return ExitQuota, "the plan is over, and nothing works before it is renewed" + cause
	case errors.Is(stop, client.ErrStopRequested):
		if s, ok := errors.AsType[*signalError](context.Cause(ctx)); ok {
			return ExitCode(128 + int(s.signal)), s.Error()
		}
		return ExitFailure, "interrupted"
	case errors.Is(stop, client.ErrOutage):
		return ExitStopped, "the service was away for too long" + cause
	case errors.Is(stop, client.ErrMaxDuration):
		return ExitStopped, "the time of --max-duration is over"
	case errors.Is(stop, client.ErrBatchInput):
		return ExitFailure, "the users cannot be read on: " + inputError(stop).Error()
	}
	return ExitFailure, strings.TrimPrefix(stop.Error(), "asleep: ")
}

// resumeHint says how to go on after a run that is not complete.
func (j *fetchJob) resumeHint(lead string) string {
	if j.files.checkpoint == "" {
		return lead + "without a checkpoint the next run starts over"
	}
	return lead + "the same command goes on where this one stopped"
}
