package postgres

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// tellEvery bounds how often other processes are told. Each telling takes a
	// lock of the whole server at its commit, so it is no part of the commits
	// that it tells of.
	tellEvery = 20 * time.Millisecond

	// quiet is after how long without a word the connection is tried, as a cut
	// cable says nothing.
	quiet = 30 * time.Second

	// A listener that was cut off comes back after these pauses, doubling.
	firstPause, lastPause = 100 * time.Millisecond, 5 * time.Second
)

// channel is what the processes of one schema listen to.
func (d *DB) channel() string { return "asleep_inbox_" + d.cfg.schema }

func (i *inbox) Wake() <-chan struct{} { return i.wake }

// signal wakes the workers of this process, and soon those of others.
func (i *inbox) signal() {
	hint(i.wake)
	hint(i.tell)
}

func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// notify tells the other processes, until the store is closed.
func (i *inbox) notify() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-i.tell:
		case <-i.db.ending.Done():
			return
		}
		err := i.db.run(i.db.ending, writes, func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, "SELECT pg_notify($1, '')", i.db.channel())
			return err
		})
		if err != nil && i.db.ending.Err() == nil {
			i.db.log.LogAttrs(i.db.ending, slog.LevelDebug, "other processes were not told of events and will find them with their next poll", slog.Any("error", err))
		}
		if !i.rest(pause, tellEvery) {
			return
		}
	}
}

// rest waits; it is false when the store is closed.
func (i *inbox) rest(t *time.Timer, d time.Duration) bool {
	t.Reset(d)
	select {
	case <-t.C:
		return true
	case <-i.db.ending.Done():
		return false
	}
}

// listen wakes the workers when another process tells, until the store is closed.
// While it is cut off, their poll finds what is there.
func (i *inbox) listen() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		heard, err := i.listenOnce()
		if heard {
			wait = firstPause
		}
		if i.db.ending.Err() != nil {
			return
		}
		i.db.log.LogAttrs(i.db.ending, slog.LevelWarn, "not listening for events that other processes put", slog.Any("error", err), slog.Duration("again_in", wait))
		if !i.rest(pause, wait) {
			return
		}
	}
}

// listenOnce listens on a connection of its own until that breaks; heard tells
// that it stood.
func (i *inbox) listenOnce() (heard bool, err error) {
	ctx, cancel := context.WithTimeout(i.db.ending, i.db.cfg.timeout)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, i.db.cfg.pool.ConnConfig)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{i.db.channel()}.Sanitize()); err != nil {
		return false, err
	}
	hint(i.wake) // for what came while nobody listened
	for {
		if err := i.hear(c); err != nil {
			return true, err
		}
	}
}

// hear waits for a word, or sees after a while whether the server is still there.
func (i *inbox) hear(c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(i.db.ending, quiet)
	defer cancel()
	_, err := c.WaitForNotification(ctx)
	if err == nil {
		hint(i.wake)
		return nil
	}
	if ctx.Err() == nil || i.db.ending.Err() != nil || c.IsClosed() {
		return err
	}
	alive, done := context.WithTimeout(i.db.ending, i.db.cfg.timeout)
	defer done()
	return c.Ping(alive)
}
