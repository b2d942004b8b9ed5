package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/checkpoint"
	"github.com/asleep-sdk/asleep/internal/redact"
	"github.com/asleep-sdk/asleep/store"
)

// What is put in one commit, at most, give or take one session; and how long a
// busy store is left alone before the next try.
const (
	storeChunk      = 200
	storeChunkBytes = 2 << 20
	storePause      = 50 * time.Millisecond
)

// storeCounts say what became of the sessions that a run brought to the store.
type storeCounts struct {
	created, updated, unchanged int64
	erased                      int64 // refused: the user or the session was erased
	foreign                     int64 // refused: the id belongs to another user
	invalid                     int64 // cannot be stored at all
}

// lost is the number of sessions that should be in the store and are not.
func (c storeCounts) lost() int64 { return c.foreign + c.invalid }

func (c storeCounts) text() string {
	parts := []string{thousands(c.created) + " created", thousands(c.updated) + " updated", thousands(c.unchanged) + " unchanged"}
	for _, p := range []struct {
		n    int64
		text string
	}{{c.erased, " refused as erased"}, {c.foreign, " refused as another user's"}, {c.invalid, " that cannot be stored"}} {
		if p.n > 0 {
			parts = append(parts, thousands(p.n)+p.text)
		}
	}
	return "store: " + strings.Join(parts, ", ")
}

// attributes are the counts for a JSON log; docs/fetch.md documents them.
func (c storeCounts) attributes() []any {
	return []any{
		"store_created", c.created, "store_updated", c.updated, "store_unchanged", c.unchanged,
		"store_erased", c.erased, "store_foreign", c.foreign, "store_invalid", c.invalid,
	}
}

// storeSink brings the results of a fetch to the store. One goroutine writes, so
// that the batch goes on meanwhile; what has been handed to it is durable once
// flush has returned. A failure is kept: nothing is written after it. The methods
// are for one goroutine at a time.
type storeSink struct {
	log      *slog.Logger
	db       *database
	store    store.Store
	patience time.Duration // with a busy store
	details  bool

	pending []store.Session
	bytes   int
	chunks  chan []store.Session
	writing sync.WaitGroup // chunks handed over
	ended   chan struct{}

	mu     sync.Mutex
	failed error
	counts storeCounts
}

// openStore opens the store of a fetch; nil if it has none. When ctx ends, a
// busy store is not waited for any more.
func (j *fetchJob) openStore(ctx context.Context, state checkpoint.State, resume bool, stderr io.Writer) (*storeSink, error) {
	if resume && state.Store != j.storeMark() {
		return nil, fileProblem(j.files.checkpoint, fmt.Sprintf("belongs to a run with %s instead of %s: give what that run had, or --overwrite to start over",
			storeName(state.Store), storeName(j.storeMark())))
	}
	if j.database == nil {
		return nil, nil
	}
	if _, err := os.Stat(j.database.file); resume && j.database.file != "" && errors.Is(err, fs.ErrNotExist) {
		return nil, fileProblem(j.database.file, "is gone, and the checkpoint counts what was in it: put it back, or give --overwrite to start over")
	}
	db, err := j.database.open(ctx, writeStore)
	if err != nil {
		return nil, err
	}
	s := &storeSink{
		log: j.app.logTo(stderr), db: j.database, store: db, patience: j.maxOutage, details: j.details,
		chunks: make(chan []store.Session, 1), ended: make(chan struct{}),
	}
	go s.work(ctx)
	return s, nil
}

// storeMark names the store in the checkpoint, as markName does files.
func (j *fetchJob) storeMark() string {
	switch {
	case j.database == nil:
		return ""
	case j.database.file != "":
		return j.markName(j.database.file)
	}
	return j.database.Shown
}

func storeName(mark string) string {
	if mark == "" {
		return "no --store"
	}
	return "the store " + mark
}

// add takes the sessions of a user.
func (s *storeSink) add(b *client.Batch) error {
	if s.details {
		for _, r := range b.Reports {
			session, err := store.FromReport(b.User, r, b.Began)
			if err := s.take(b, session, err); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range b.Sessions {
		session, err := store.FromSummary(b.User, &b.Sessions[i], b.Began)
		if err := s.take(b, session, err); err != nil {
			return err
		}
	}
	return nil
}

// take keeps one session until its chunk is full. One that can never be stored is
// told and counted, and does not hold up the others.
func (s *storeSink) take(b *client.Batch, session store.Session, invalid error) error {
	if invalid != nil {
		s.log.Warn("a session cannot be stored", "user", redact.User(b.User), "error", invalid)
		s.count(storeCounts{invalid: 1})
		return nil
	}
	s.pending = append(s.pending, session)
	s.bytes += len(session.Raw)
	if len(s.pending) < storeChunk && s.bytes < storeChunkBytes {
		return nil
	}
	return s.hand()
}

// hand gives what is pending to the writer.
func (s *storeSink) hand() error {
	if len(s.pending) > 0 {
		s.writing.Add(1)
		s.chunks <- s.pending
		s.pending, s.bytes = nil, 0
	}
	return s.failure()
}

// flush makes durable what was taken so far.
func (s *storeSink) flush() error {
	if err := s.hand(); err != nil {
		return err
	}
	s.writing.Wait()
	return s.failure()
}

// close ends the writer and closes the store; what is pending is dropped.
func (s *storeSink) close() error {
	close(s.chunks)
	<-s.ended
	return s.db.fail(s.store.Close())
}

func (s *storeSink) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *storeSink) count(c storeCounts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.created += c.created
	s.counts.updated += c.updated
	s.counts.unchanged += c.unchanged
	s.counts.erased += c.erased
	s.counts.foreign += c.foreign
	s.counts.invalid += c.invalid
}

// total is what became of the sessions so far; zero without a store.
func (s *storeSink) total() storeCounts {
	if s == nil {
		return storeCounts{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// work writes chunk after chunk until there are no more.
func (s *storeSink) work(ctx context.Context) {
	defer close(s.ended)
	for chunk := range s.chunks {
		if s.failure() == nil {
			if err := s.writePatiently(ctx, chunk); err != nil {
				s.mu.Lock()
				s.failed = s.db.fail(err)
				s.mu.Unlock()
			}
		}
		s.writing.Done()
	}
}

// writePatiently writes a chunk, and leaves a store that somebody else holds some
// time, as a fetch does with a service that is away.
func (s *storeSink) writePatiently(ctx context.Context, chunk []store.Session) error {
	giveUp := time.Now().Add(s.patience)
	for pause := storePause; ; pause = min(2*pause, 2*time.Second) {
		// What is in hand when a signal comes is still written.
		err := s.write(context.WithoutCancel(ctx), chunk)
		if !errors.Is(err, store.ErrBusy) || time.Now().Add(pause).After(giveUp) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// write puts a chunk in one commit.
func (s *storeSink) write(ctx context.Context, chunk []store.Session) error {
	var c storeCounts
	fresh := make([]store.Session, 0, len(chunk))
	for _, session := range chunk {
		old, err := s.store.Sessions().Get(ctx, session.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			fresh = append(fresh, session)
		case err != nil:
			return err
		case old.UserID == session.UserID && says(old, session):
			c.unchanged++
		default:
			fresh = append(fresh, session)
		}
	}
	outcomes, err := s.store.Sessions().Put(ctx, fresh...)
	if err != nil {
		return err
	}
	for i, o := range outcomes {
		c.add(o)
		if o == store.Foreign {
			s.log.WarnContext(ctx, "a session was not stored: its id belongs to another user in the store",
				"session_id", fresh[i].ID, "user", redact.User(fresh[i].UserID))
		}
	}
	s.count(c)
	return nil
}

// says reports whether what is stored says all that is said now: the same, or a
// report where now there is a list item, which has less in it. To the store any
// later observation is newer; a report must not give way to an item for that.
func says(old, now store.Session) bool {
	if old.Form != now.Form {
		return old.Form == store.FormReport
	}
	return old.Raw == now.Raw
}

func (c *storeCounts) add(o store.Outcome) {
	switch o {
	case store.Created:
		c.created++
	case store.Updated:
		c.updated++
	case store.Unchanged:
		c.unchanged++
	case store.Erased:
		c.erased++
	case store.Foreign:
		c.foreign++
	}
}
