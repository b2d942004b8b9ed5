package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

const (
	putters   = 64      // callers at once, as many as a receiver has connections
	groupSize = 64      // rows a commit of the bare loop: what our batches come to at most
	eventSize = 1 << 10 // bytes of body
	workers   = 2       // who claim and settle
	claimSize = 128     // events a claim
	rounds    = 5       // medians are of so many
	slice     = time.Second
)

// What ours is measured against: a commit for each row, as a handler that uses
// SQLite directly makes it; and, as a yardstick that nobody could use as a store,
// the bare insert in a loop of one goroutine, with as many rows a commit as ours.
const (
	oneCommit = "one commit per row"
	bareLoop  = "bare insert loop"
)

// inDir calls do with a folder of its own.
func inDir(do func(dir string) error) (err error) {
	dir, err := os.MkdirTemp("", "asleep-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return do(dir)
}

// inStore calls do with a store that is empty.
func inStore(ctx context.Context, do func(db *sqlite.DB, path string) error) error {
	return inDir(func(dir string) (err error) {
		path := filepath.Join(dir, "bench.db")
		db, err := sqlite.Open(ctx, path, sqlite.Config{}, store.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		return do(db, path)
	})
}

func benchEvent(n int64) store.Event {
	id := fmt.Sprintf("20260314135107_%09d", n)
	return store.Event{
		Key: "SESSION_COMPLETE|" + id, Kind: asleep.WebhookEventSessionComplete, UserID: fmt.Sprintf("user-%05d", n%10_000),
		SessionID: id, Body: id + strings.Repeat("x", eventSize-len(id)),
	}
}

// closedLoop calls do from many goroutines, without a pause, for a while, and
// returns how long each call took.
func closedLoop(ctx context.Context, callers int, length time.Duration, do func(n int64) error) ([]time.Duration, error) {
	var next atomic.Int64
	took := make([][]time.Duration, callers)
	failed := make([]error, callers)
	end := time.Now().Add(length)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for now := time.Now(); now.Before(end) && failed[c] == nil && ctx.Err() == nil; {
				failed[c] = do(next.Add(1))
				done := time.Now()
				took[c] = append(took[c], done.Sub(now))
				now = done
			}
		})
	}
	wg.Wait()
	return slices.Concat(took...), errors.Join(errors.Join(failed...), ctx.Err())
}

// percentile99 of durations, which it sorts.
func percentile99(took []time.Duration) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(len(took)-1, len(took)*99/100)]
}

// putEvents is ours: acknowledged puts a second and the 99th percentile of a put.
func putEvents(ctx context.Context, length time.Duration) (rate float64, p99 time.Duration, err error) {
	err = inStore(ctx, func(db *sqlite.DB, _ string) error {
		inbox, err := db.Inbox()
		if err != nil {
			return err
		}
		begun := time.Now()
		took, err := closedLoop(ctx, putters, length, func(n int64) error {
			_, err := inbox.Put(ctx, benchEvent(n))
			return err
		})
		rate, p99 = float64(len(took))/time.Since(begun).Seconds(), percentile99(took)
		return err
	})
	return rate, p99, err
}

// insertRaw is the baselines: rows a second of a prepared insert into a store's
// own tables, with its pragmas and so many rows a commit, from one goroutine;
// and the bytes of file a row.
func insertRaw(ctx context.Context, length time.Duration, perCommit int, text string, args func(n int64) []any) (rate, size float64, err error) {
	err = inStore(ctx, func(db *sqlite.DB, path string) error {
		if _, err := db.Inbox(); err != nil { // the first call makes nothing more than the schema
			return err
		}
		if err := db.Close(); err != nil {
			return err
		}
		n, took, err := rawLoop(ctx, path, length, perCommit, text, args)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		rate, size = float64(n)/took.Seconds(), float64(info.Size())/float64(n)
		return nil
	})
	return rate, size, err
}

func rawLoop(ctx context.Context, path string, length time.Duration, perCommit int, text string, args func(n int64) []any) (n int64, took time.Duration, err error) {
	q := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)", "cache_size(-16000)", "temp_store(MEMORY)", "wal_autocheckpoint(4000)"}}
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	pool.SetMaxOpenConns(1)
	st, err := pool.PrepareContext(ctx, text)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	begun := time.Now()
	for time.Since(begun) < length {
		tx, err := pool.BeginTx(ctx, nil)
		if err != nil {
			return 0, 0, err
		}
		own := tx.StmtContext(ctx, st) //nolint:sqlclosecheck // the transaction closes it
		for range perCommit {
			n++
			if _, err := own.ExecContext(ctx, args(n)...); err != nil {
				return 0, 0, errors.Join(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return 0, 0, err
		}
	}
	return n, time.Since(begun), nil
}

const rawEvent = `INSERT INTO inbox (dedupe, key, kind, user_id, session_id, received_ms, state, due_ms, revision, attempts, claims, steps, body)
VALUES (randomblob(48), ?, 'SESSION_COMPLETE', ?, ?, ?, 1, ?, 1, 0, 0, '', ?)`

func rawEventArgs(n int64) []any {
	e := benchEvent(n)
	return []any{[]byte(e.Key), e.UserID, e.SessionID, n, n, []byte(e.Body)}
}

// syncRate is how many times a second the disk can do the least that makes
// anything durable: write a page and sync.
func syncRate(length time.Duration) (rate float64, err error) {
	err = inDir(func(dir string) (err error) {
		f, err := os.Create(filepath.Join(dir, "raw")) //nolint:gosec // a folder of ours
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		page := make([]byte, 4096)
		begun, n := time.Now(), int64(0)
		for ; time.Since(begun) < length; n++ {
			if _, err := f.WriteAt(page, n%1024*4096); err != nil {
				return err
			}
			if err := syncFile(f); err != nil {
				return err
			}
		}
		rate = float64(n) / time.Since(begun).Seconds()
		return nil
	})
	return rate, err
}
