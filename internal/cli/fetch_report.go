package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/checkpoint"
)

// reporter tells on stderr how a fetch goes: with a bar on a terminal, with
// lines elsewhere, with objects in a JSON log, with nothing if quiet. What is
// written to it appears whole, beside the bar.
type reporter interface {
	io.Writer
	every() time.Duration
	start(resume bool, state checkpoint.State)
	update(p client.BatchProgress)
	stopping()
	stop()
	summary(ctx context.Context, end *ending)
}

func (j *fetchJob) newReporter() reporter {
	lines := &lineReporter{app: j.app, interval: j.progressEvery, quiet: j.quiet, w: j.app.Err, total: j.total}
	if j.quiet || j.app.json || !j.app.ErrTerminal {
		return lines
	}
	return newBarReporter(lines)
}

// lineReporter writes a line now and then.
type lineReporter struct {
	app      *app
	interval time.Duration
	quiet    bool
	total    int64
	told     time.Duration // into the batch, when update last said something
	pace     pace

	mu sync.Mutex
	w  io.Writer
}

// Write writes whole lines to stderr, above the bar if there is one.
func (r *lineReporter) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.w.Write(p)
}

func (r *lineReporter) every() time.Duration { return r.interval }
func (r *lineReporter) stop()                {}

func (r *lineReporter) say(text string, attributes ...any) {
	switch {
	case r.quiet:
	case r.app.json:
		r.app.log.Info(text, attributes...) //nolint:sloglint // the text is the message
	default:
		_, _ = io.WriteString(r, "asleep: "+text+"\n")
	}
}

func (r *lineReporter) start(resume bool, state checkpoint.State) {
	if done := state.Token.Done(); resume && done > 0 {
		r.say(fmt.Sprintf("resuming: %s done before", count(done, "user")), "users_done", done)
	}
}

func (r *lineReporter) stopping() {
	r.say("finishing the users in hand; once more ends it at once")
}

func (r *lineReporter) update(p client.BatchProgress) {
	if p.Elapsed-r.told < r.interval*9/10 {
		return // the end came soon: the summary says it all
	}
	r.told = p.Elapsed
	if r.app.json {
		r.say("progress", attributes(p)...)
		return
	}
	r.say(progressText(p, r.pace.remaining(p)))
}

func (r *lineReporter) summary(_ context.Context, end *ending) {
	list := append(attributes(end.progress), "complete", end.complete())
	if end.kept {
		list = append(list, end.stored.attributes()...)
	}
	r.say(summaryText(end), list...)
}

// progressText is how far a fetch has come, on one line. An eta of 0 is not known.
func progressText(p client.BatchProgress, eta time.Duration) string {
	parts := []string{usersText(p), count(p.Sessions, "session"), fmt.Sprintf("%.1f/s", p.Rate)}
	if p.Failed > 0 {
		parts = append(parts, thousands(p.Failed)+" failed")
	}
	if p.Retries > 0 {
		parts = append(parts, retries(p.Retries))
	}
	if w := waitText(p, time.Now()); w != "" {
		parts = append(parts, w)
	}
	if eta > 0 {
		parts = append(parts, "ETA "+duration(eta))
	}
	return strings.Join(parts, ", ")
}

// position is how many positions of the input are done with.
func position(p client.BatchProgress) int64 { return p.Done + p.Resumed + p.Duplicates }

func usersText(p client.BatchProgress) string {
	if p.Total > 0 {
		return fmt.Sprintf("%s of %s", thousands(position(p)), count(p.Total, "user"))
	}
	return count(position(p), "user")
}

// waitText says what is waited for and why.
func waitText(p client.BatchProgress, now time.Time) string {
	text, ok := map[client.Wait]string{
		client.WaitOutage:     "the service is away, waiting",
		client.WaitRetryAfter: "the service asked to wait",
		client.WaitLocal:      "waiting for the rate limit of this side",
		client.WaitInput:      "waiting for users",
		client.WaitConsumer:   "waiting for the output",
	}[p.Waiting]
	if !ok {
		return ""
	}
	if left := p.Until.Sub(now); !p.Until.IsZero() && left > 0 {
		text += " " + duration(left)
	}
	if p.Cause != nil {
		text += " (" + strings.TrimPrefix(p.Cause.Error(), "asleep: ") + ")"
	}
	return text
}

// summaryText is the last line of a fetch.
func summaryText(end *ending) string {
	p := end.progress
	users := count(p.Done, "user")
	if failed := p.Failed; failed > 0 {
		users += fmt.Sprintf(" (%s failed)", thousands(failed))
	}
	parts := []string{users}
	if p.Resumed > 0 {
		parts = append(parts, thousands(p.Resumed)+" done before")
	}
	if p.Duplicates > 0 {
		parts = append(parts, count(p.Duplicates, "duplicate"))
	}
	parts = append(parts, count(p.Sessions-p.Deleted, "session"))
	if p.Deleted > 0 {
		parts = append(parts, thousands(p.Deleted)+" deleted meanwhile")
	}
	parts = append(parts, count(p.Calls, "call"), count(p.Attempts, "request"))
	if p.Cached > 0 {
		parts = append(parts, thousands(p.Cached)+" from the cache")
	}
	if p.RateLimited > 0 {
		parts = append(parts, thousands(p.RateLimited)+" rate limited")
	}
	if end.kept {
		parts = append(parts, end.stored.text())
	}
	state := "done"
	if !end.complete() {
		state = "not complete"
		if stopped := left(end); stopped > 0 {
			state += fmt.Sprintf(", %s not done", count(stopped, "user"))
		}
	}
	return fmt.Sprintf("%s: %s in %s", state, strings.Join(parts, ", "), duration(p.Elapsed))
}

// left is the number of users not done, 0 if it is not known.
func left(end *ending) int64 {
	return max(0, end.progress.Total-position(end.progress))
}

// attributes are the progress for a JSON log; docs/fetch.md documents them.
func attributes(p client.BatchProgress) []any {
	list := []any{
		"users_total", p.Total, "users_done", p.Done, "users_failed", p.Failed, "users_resumed", p.Resumed,
		"duplicates", p.Duplicates, "sessions", p.Sessions, "deleted", p.Deleted, "cached", p.Cached,
		"calls", p.Calls, "requests", p.Attempts, "retries", p.Retries, "rate_limited", p.RateLimited,
		"requests_per_second", p.Rate, "elapsed_seconds", p.Elapsed.Seconds(),
	}
	if p.Waiting != client.WaitNothing {
		list = append(list, "waiting", string(p.Waiting))
	}
	if p.Cause != nil {
		list = append(list, "cause", p.Cause.Error())
	}
	return list
}

// count is a number and what is counted, such as "1 user" or "1,200 users".
func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return thousands(n) + " " + what
}

func retries(n int64) string {
	if n == 1 {
		return "1 retry"
	}
	return thousands(n) + " retries"
}

// thousands writes a number that is not negative in groups of three digits.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
