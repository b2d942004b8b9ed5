package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/store"
)

func newStoreCopyCommand(a *app) *cobra.Command {
	o := &storeCopy{app: a}
	return &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Copy sessions from one database to another",
		Long: `Copy all sessions, and nights that are still recorded, from one database to
another of any kind, both named by URLs as DATABASE_URL is. TO is made if it is
not there. FROM is only read, and may be used meanwhile.

A URL with a password does not belong on a command line: write env:NAME for the
URL in the environment variable NAME. ENCRYPTION_KEYS opens what is in FROM, and
what goes to TO is sealed with the first of them.

It can be interrupted and begun again at any time: what TO has already is passed
over, and newer news there stays. In the end every session of FROM is looked for
in TO, and the exit code is 1 if one is missing.

What is not copied: events in the inbox (let the receiver finish them first), what
is remembered of erased users (erase them again), and the instants when the
store first heard of a session and last changed it.`,
		Example: `  asleep store copy sqlite:./asleep.db postgres://asleep@db/asleep
  asleep store copy sqlite:./asleep.db env:NEW_DATABASE_URL`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for i, name := range []string{"FROM", "TO"} {
				if i >= len(args) {
					a.problem(name, "is missing: name a database, such as %s", config.DefaultDatabase)
				}
			}
			if len(args) < 2 {
				return a.refusal()
			}
			a.noArguments(args[2:])
			return o.run(cmd.Context(), args[0], args[1])
		},
		Args: cobra.ArbitraryArgs,
	}
}

// storeCopy is one copy and what it has done.
type storeCopy struct {
	app      *app
	from, to store.Sessions
	progress copyReporter

	read, written, there, refused, nights int64
}

func (o *storeCopy) run(ctx context.Context, from, to string) error {
	settings := config.ReadDatabase(o.app.reader)
	source, target := o.named("FROM", from, settings), o.named("TO", to, settings)
	if source.URL.Reveal() == target.URL.Reveal() {
		o.app.problem("TO", "is the database FROM: name another")
	}
	if err := o.app.refusal(); err != nil {
		return err
	}
	err := source.withStore(ctx, readStore, func(f store.Store) error {
		return target.withStore(ctx, writeStore, func(t store.Store) error {
			return o.between(ctx, source, target, f.Sessions(), t.Sessions())
		})
	})
	if errors.Is(err, context.Canceled) && o.read > 0 {
		text := fmt.Sprintf("%s were copied so far: the same command goes on where this one was", count(o.written, "session"))
		o.app.note(context.WithoutCancel(ctx), text, "read", o.read, "written", o.written)
	}
	if err != nil {
		return err
	}
	o.app.note(ctx, fmt.Sprintf("%s copied to %s, %s there before, %s of nights under way; all %s are there",
		count(o.written, "session"), target.Shown, count(o.there, "session"), count(o.nights, "window"), thousands(o.read)),
		"read", o.read, "written", o.written, "there", o.there, "windows", o.nights)
	return nil
}

// named is the database of an argument: a URL, or where one stands.
func (o *storeCopy) named(label, argument string, settings config.Database) *database {
	text := argument
	if name, ok := strings.CutPrefix(argument, "env:"); ok {
		if text = os.Getenv(name); text == "" {
			o.app.problem(label, "the environment variable %s is not set", name)
			return &database{Database: settings}
		}
	} else if config.HasSecret(argument) {
		o.app.problem(label, "has a password on the command line, where others see it: put the URL into an environment variable NAME and write env:NAME")
		return &database{Database: settings}
	}
	d := &database{Database: settings, log: o.app.log}
	d.URL, d.Shown, d.Label = config.NewSecret(text), config.ShowURL(text), label
	return o.app.lasting(o.app.judge(d))
}

func (o *storeCopy) between(ctx context.Context, source, target *database, from, to store.Sessions) error {
	o.from, o.to = from, to
	var err error
	if o.progress, err = newCopyReporter(ctx, o.app, from); err != nil {
		return source.fail(err)
	}
	defer o.progress.stop()
	// The errors of one database are not to be blamed on the other.
	if err := o.copy(ctx, source, target); err != nil {
		return err
	}
	o.progress.stop()
	return o.verify(ctx, source, target)
}

// copy walks both databases in the same order, newest first, and puts what the
// other does not have.
func (o *storeCopy) copy(ctx context.Context, source, target *database) error {
	there := newWalk(ctx, o.to)
	defer there.stop()
	batch := make([]store.Session, 0, copyBatch)
	flush := func() error {
		defer func() { batch = batch[:0] }()
		return target.fail(o.put(ctx, batch))
	}
	for s, err := range store.All(ctx, o.from, store.Query{Limit: copyBatch}) {
		if err != nil {
			return source.fail(err)
		}
		o.read++
		known, err := there.has(s)
		if err != nil {
			return target.fail(err)
		}
		if known {
			o.there++
		} else if batch = append(batch, s); len(batch) == copyBatch {
			if err := flush(); err != nil {
				return err
			}
		}
		if !s.Settled {
			if err := o.copyNight(ctx, source, target, s.ID); err != nil {
				return err
			}
		}
		o.progress.update(s, o.read)
	}
	return flush()
}

// copyBatch is how many sessions are read, and written, at a time.
const copyBatch = 500

func (o *storeCopy) put(ctx context.Context, batch []store.Session) error {
	if len(batch) == 0 {
		return nil
	}
	outcomes, err := o.to.Put(ctx, batch...)
	if err != nil {
		return err
	}
	for i, outcome := range outcomes {
		switch outcome {
		case store.Created, store.Updated:
			o.written++
		case store.Unchanged:
			o.there++
		case store.Erased, store.Foreign:
			o.refused++
			o.app.log.WarnContext(ctx, "a session was refused", "session", batch[i].ID, "outcome", outcome.String())
		}
	}
	return nil
}

// copyNight copies what is known of a night that is still recorded: as windows of
// ten epochs each, which make the same night.
func (o *storeCopy) copyNight(ctx context.Context, source, target *database, id string) error {
	p, err := o.from.Partial(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return source.fail(err)
	}
	var list []store.Window
	for seq := range p.Seq + 1 {
		w := store.Window{SessionID: p.SessionID, UserID: p.UserID, Seq: seq, Observed: p.UpdatedAt, Epochs: store.Epochs{
			Sleep:   tenEpochs(p.Epochs.Sleep, seq, asleep.StageUnknown),
			Breath:  tenEpochs(p.Epochs.Breath, seq, asleep.BreathUnknown),
			Snoring: tenEpochs(p.Epochs.Snoring, seq, asleep.SnoringUnknown),
		}}
		if !w.Epochs.IsZero() || seq == p.Seq {
			list = append(list, w)
		}
	}
	if _, err := o.to.PutWindow(ctx, list...); err != nil {
		return target.fail(err)
	}
	o.nights += int64(len(list))
	return nil
}

// tenEpochs is the window of a number, nil where nothing is known.
func tenEpochs[S ~[]T, T ~int8](series S, seq int, unknown T) S {
	first := 10 * seq
	if first >= len(series) {
		return nil
	}
	known := false
	out := make(S, 10)
	for i := range out {
		if out[i] = unknown; first+i < len(series) {
			out[i] = series[first+i]
		}
		known = known || out[i] != unknown
	}
	if !known {
		return nil
	}
	return out
}

// verify looks for every session of the source in the target.
func (o *storeCopy) verify(ctx context.Context, source, target *database) error {
	there := newWalk(ctx, o.to)
	defer there.stop()
	missing := int64(0)
	for s, err := range store.All(ctx, o.from, store.Query{Brief: true, Limit: store.MaxLimit}) {
		if err != nil {
			return source.fail(err)
		}
		known, err := there.has(s)
		if err == nil && !known { // news that came meanwhile may have moved it
			known, err = has(ctx, o.to, s)
		}
		if err != nil {
			return target.fail(err)
		}
		if !known {
			missing++
		}
	}
	if missing == 0 {
		return nil
	}
	text := fmt.Sprintf("%s of %s are not in %s as new", count(missing, "session"), source.Shown, target.Shown)
	if o.refused > 0 {
		text += fmt.Sprintf(", of which it refused %d: their users were erased there, or their ids are another user's", o.refused)
	}
	return exitWith(ExitFailure, errors.New(text+": copy again if FROM was written to meanwhile"))
}

func has(ctx context.Context, in store.Sessions, s store.Session) (bool, error) {
	v, err := in.Get(ctx, s.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && v.UserID == s.UserID && v.Rev() >= s.Rev(), err
}

// walk goes through the sessions of a database beside another that is read in the
// same order.
type walk struct {
	next func() (store.Session, error, bool)
	stop func()
	at   store.Session
	more bool
	err  error
}

func newWalk(ctx context.Context, s store.Sessions) *walk {
	w := &walk{}
	w.next, w.stop = iter.Pull2(store.All(ctx, s, store.Query{Brief: true, Limit: store.MaxLimit}))
	w.advance()
	return w
}

func (w *walk) advance() { w.at, w.err, w.more = w.next() }

// has reports whether the database has this news of the session, or newer, at its
// place. Each call's session comes behind the one of the call before.
func (w *walk) has(s store.Session) (bool, error) {
	for w.more && w.err == nil && before(w.at, s) {
		w.advance()
	}
	found := w.more && w.err == nil && w.at.ID == s.ID && w.at.UserID == s.UserID && w.at.Rev() >= s.Rev()
	return found, w.err
}

// before is the order of lists.
func before(a, b store.Session) bool {
	if !a.Start.Equal(b.Start) {
		return a.Start.After(b.Start)
	}
	return a.ID > b.ID
}
