package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/checkpoint"
	"github.com/asleep-sdk/asleep/internal/cli/userlist"
)

// The checkpoint is saved as often as costs one twentieth of the time, within
// these bounds: a kill then loses little on any disk.
const (
	saveShare    = 20
	saveEarliest = 100 * time.Millisecond
	saveLatest   = 2 * time.Second
)

// fetchJob is a fetch whose options have been judged.
type fetchJob struct {
	*fetchOptions

	files    fetchFiles
	database *database // nil without --store
	client   *client.Client
	list     *userlist.List
	total    int64
}

// fetch runs the batch into its files.
func (j *fetchJob) fetch(ctx context.Context) error {
	locks, err := j.files.lock()
	if err != nil {
		return err
	}
	state, resume, err := j.load()
	if err != nil {
		for _, l := range locks {
			l.Release()
		}
		return err
	}
	report := j.newReporter()
	sink, err := j.openSink(ctx, state, resume, report)
	sink.locks = append(sink.locks, locks...)
	if err != nil {
		sink.discard()
		return err
	}
	report.start(resume, state)
	end := j.runBatch(ctx, sink, report)
	if err := sink.finish(end.complete()); err != nil && end.write == nil {
		end.write = err
	}
	report.stop()
	end.token, end.kept, end.stored = sink.state.Token, sink.store != nil, sink.store.total()
	if !j.quiet {
		report.summary(ctx, end)
	}
	return j.verdict(ctx, end)
}

// load reads the checkpoint, if there is one to resume from. With --days the
// period is that of the first run.
func (j *fetchJob) load() (state checkpoint.State, resume bool, err error) {
	if j.files.checkpoint == "" || j.overwrite {
		return state, false, nil
	}
	path := j.files.checkpoint
	state, resume, err = checkpoint.Load(path)
	switch {
	case errors.Is(err, checkpoint.ErrNewer):
		return state, false, usageError(fmt.Errorf("%w: resume with that version, or give --overwrite to start over", err))
	case errors.Is(err, checkpoint.ErrInvalid):
		return state, false, usageError(fmt.Errorf("%w: name another with --checkpoint, or give --overwrite to start over", err))
	case err != nil:
		if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathErr.Err
		}
		return state, false, fileProblem(path, "cannot be read: "+err.Error()+": make it readable, or name another with --checkpoint")
	case !resume:
		return state, false, nil
	case state.Format != string(j.output):
		return state, false, fileProblem(path, fmt.Sprintf("belongs to a run with -o %s: give that, or --overwrite to start over", state.Format))
	}
	if j.period.days > 0 && state.Days == j.period.days {
		j.period.from, j.period.to = state.From, state.To
	}
	return state, true, nil
}

func (j *fetchJob) query() client.Query {
	return client.Query{From: j.period.from, To: j.period.to}
}

// options are those that a run and an estimate share.
func (j *fetchJob) options(token client.ResumeToken) client.BatchOptions {
	return client.BatchOptions{
		Details: j.details, Concurrency: j.concurrency, Window: j.window(),
		MaxOutage: j.maxOutage, Total: j.total, Resume: token,
	}
}

// ending is how a run ended.
type ending struct {
	stop     error // of the batch; nil: every user is done
	write    error // of the files
	progress client.BatchProgress
	token    client.ResumeToken
	kept     bool // there was a store
	stored   storeCounts
}

func (e *ending) complete() bool { return e.stop == nil && e.write == nil }

// runBatch fetches until every user is done, or something ends it.
func (j *fetchJob) runBatch(ctx context.Context, sink *fetchSink, report reporter) *ending {
	// A signal ends the batch softly, so its own context must outlive it.
	hard, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	// The input may block for ever: it is given up with the batch.
	input, giveUp := context.WithCancel(hard)
	defer giveUp()
	unwatch := context.AfterFunc(ctx, report.stopping)
	defer unwatch()
	saver := j.saveNowAndThen(hard, sink, cancel)
	defer saver()

	var meter client.BatchMeter
	o := j.options(sink.state.Token)
	o.Stopping = giveUp
	o.MaxDuration, o.Stop, o.Meter = j.maxDuration, ctx.Done(), &meter
	o.Progress, o.ProgressEvery = report.update, report.every()
	end := &ending{}
	for b, err := range j.client.FetchSessions(hard, j.list.All(input), j.query(), o) {
		if err != nil {
			end.stop = err
			break
		}
		if end.write = sink.put(&b, func() failure { return newFailure(&b, j.list.Place(b.Index)) }); end.write != nil {
			break
		}
	}
	if cause := context.Cause(hard); cause != nil && end.write == nil {
		end.write = cause // the saver's
	}
	end.progress = meter.Progress()
	return end
}

// saveNowAndThen saves the checkpoint while the batch runs; an error ends the
// batch. The function returned ends the saving.
func (j *fetchJob) saveNowAndThen(ctx context.Context, sink *fetchSink, fail context.CancelCauseFunc) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		timer := time.NewTimer(saveEarliest)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
				began := time.Now()
				if err := sink.save(); err != nil {
					fail(err)
					return
				}
				timer.Reset(min(max(saveEarliest, saveShare*time.Since(began)), saveLatest))
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
