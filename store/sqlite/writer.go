package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

// What one transaction takes, and how many calls may wait.
const (
	maxRows    = 256
	maxBytes   = 4 << 20
	maxWaiting = 8192
)

// checkpointWait is how long an erasure holds up writes for the readers of other
// processes, each time it is tried.
const checkpointWait = 20 * time.Millisecond

// Where a commit is slow, callers that were just answered and call again at once
// are worth waiting for: without them the next commit would carry half as many.
// The wait is a small part of what the last commit took, and nothing at all where
// commits are as quick as a timer.
const (
	gatherShare = 8
	leastGather = 200 * time.Microsecond
	mostGather  = time.Millisecond
)

// lane is the order in which waiting calls are taken.
type lane int

const (
	urgent lane = iota // claims, settlements, erasures
	bulk               // inserts
	lanes
)

// call is one write that waits for its turn.
type call struct {
	do    func(*tx) error // may run twice: it must set its results anew
	rows  int
	bytes int
	state atomic.Int32
	done  chan error
}

const (
	waiting int32 = iota
	taken
	abandoned
)

// writer is the goroutine that does all writing of a DB.
type writer struct {
	db       *DB
	mu       sync.Mutex
	queue    [lanes][]*call
	stopping bool
	want     int // calls to be waited for, see gather
	wake     chan struct{}
	ended    chan struct{}

	// Owned by the goroutine.
	pool    *sql.DB
	conn    *sql.Conn
	tx      *tx
	failed  bool  // the last connection was given up
	scrub   bool  // an erasure waits for its checkpoint
	blocked bool  // and has been told to
	final   error // of tidying up
}

func newWriter(d *DB) *writer {
	w := &writer{db: d, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go w.run()
	return w
}

// write queues a write and waits for its commit. If the context ends before its
// turn, it is not carried out. What do sets belongs to the writer until write
// has returned nil: after an error it may still be at work.
func (d *DB) write(ctx context.Context, l lane, rows, bytes int, do func(*tx) error) error {
	if d.writer == nil {
		return store.ErrReadOnly
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &call{do: do, rows: rows, bytes: bytes, done: make(chan error, 1)}
	if err := d.writer.enqueue(l, c); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		if c.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
		select { // it is under way: what it came to matters more than a moment
		case err := <-c.done:
			return err
		case <-time.NewTimer(time.Second).C:
			return fmt.Errorf("the write is under way, its outcome unknown: %w", ctx.Err())
		}
	}
}

func (w *writer) enqueue(l lane, c *call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.stopping:
		return store.ErrClosed
	case len(w.queue[urgent])+len(w.queue[bulk]) >= maxWaiting:
		return fmt.Errorf("%w: %d writes are waiting", store.ErrBusy, maxWaiting)
	}
	w.queue[l] = append(w.queue[l], c)
	if l == urgent || len(w.queue[l]) >= w.want {
		w.signal()
	}
	return nil
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close lets the goroutine finish what is queued.
func (w *writer) close() error {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.signal()
	<-w.ended
	return w.final
}

func (w *writer) run() {
	defer close(w.ended)
	var batch []*call
	for {
		var stopping bool
		letOthersIn()
		batch, stopping = w.take(batch[:0])
		if len(batch) > 0 {
			begun := time.Now()
			w.commit(batch)
			clear(batch)
			w.gather(len(batch), time.Since(begun))
			continue
		}
		if stopping {
			w.final = w.tidy()
			return
		}
		<-w.wake
	}
}

// letOthersIn lets goroutines run that can. On few processors those that the last
// commit has answered, or whose bodies came meanwhile, stand in line behind this
// one: a moment later their calls share the next commit. It costs nothing when
// nobody is there, and takes more than one turn, as a turn is over when each has run
// once, and a request takes some.
func letOthersIn() {
	const turns = 4
	for range turns {
		runtime.Gosched()
	}
}

// gather waits until as many inserts are queued as the last commit carried calls,
// an urgent call is, or the time that is worth it is over.
func (w *writer) gather(calls int, took time.Duration) {
	wait := min(took/gatherShare, mostGather)
	if calls < 2 || wait < leastGather {
		return
	}
	w.mu.Lock()
	if w.stopping || len(w.queue[urgent]) > 0 || len(w.queue[bulk]) >= calls {
		w.mu.Unlock()
		return
	}
	w.want = calls
	select {
	case <-w.wake: // of a call that is queued already
	default:
	}
	w.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-w.wake:
	case <-timer.C:
	}
	w.mu.Lock()
	w.want = 0
	w.mu.Unlock()
}

// take takes the calls of the next transaction, urgent ones first.
func (w *writer) take(batch []*call) (_ []*call, stopping bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rows, bytes := 0, 0
	for l := range w.queue {
		n := 0
		for _, c := range w.queue[l] {
			if len(batch) > 0 && (rows+c.rows > maxRows || bytes+c.bytes > maxBytes) {
				break
			}
			n++
			if c.state.CompareAndSwap(waiting, taken) {
				batch = append(batch, c)
				rows, bytes = rows+c.rows, bytes+c.bytes
			}
		}
		rest := copy(w.queue[l], w.queue[l][n:])
		clear(w.queue[l][rest:])
		w.queue[l] = w.queue[l][:rest]
	}
	return batch, w.stopping
}

// commit carries out a batch and answers its calls.
func (w *writer) commit(batch []*call) {
	err := w.attempt(batch)
	if err != nil && len(batch) > 1 && w.conn != nil && !general(err) {
		for _, c := range batch {
			c.done <- classify(w.attempt([]*call{c}))
		}
		return
	}
	err = classify(err)
	for _, c := range batch {
		c.done <- err
	}
	if w.scrub && w.conn != nil {
		w.checkpoint()
	}
}

// attempt runs a batch in one transaction. After a failure that leaves the state
// of the file in doubt it gives up the connection, and the next attempt recovers.
func (w *writer) attempt(batch []*call) (err error) {
	ctx := context.Background()
	if w.conn == nil {
		if err := w.open(ctx); err != nil {
			return err
		}
	}
	if err := w.tx.begin(ctx); err != nil {
		w.giveUpAfter(err)
		return err
	}
	for _, c := range batch {
		if err = c.do(w.tx); err != nil {
			break
		}
	}
	committing := err == nil
	if committing {
		if err = w.tx.commit(ctx); err == nil {
			return nil
		}
	}
	if undo := w.tx.rollback(ctx); undo != nil || committing {
		w.giveUp(err)
	} else {
		w.giveUpAfter(err)
	}
	return err
}

func (w *writer) giveUpAfter(err error) {
	if code := primary(err); code == codeIO || code == codeCorrupt || code == codeCantOpen {
		w.giveUp(err)
	}
}

// giveUp closes the connection. The readers stay open, and with them the index
// of the write-ahead file, in which the failed transaction is not: were it
// rebuilt from the file, the transaction might come to life.
func (w *writer) giveUp(cause error) {
	w.db.log.LogAttrs(context.Background(), slog.LevelError, "a commit failed, the database is opened anew", errorAttr(cause))
	_ = w.tx.close()
	_ = w.conn.Close()
	_ = w.pool.Close()
	w.pool, w.conn, w.tx, w.failed = nil, nil, nil, true
}

// open opens the connection. After a failed sync the system may have dropped
// pages and report the next sync as good, so then a checkpoint that empties the
// write-ahead file must succeed before anything is acknowledged. At the start,
// when a process before this one may have died of such a failure, it is made
// if no other process is in the way.
func (w *writer) open(ctx context.Context) (err error) {
	pool, err := openPool(w.db.path, w.db.cfg, "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)")
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err == nil {
		if w.failed {
			err = w.truncateLog(ctx, conn, w.db.cfg.BusyTimeout)
		} else if err = w.truncateLog(ctx, conn, 0); errors.Is(err, store.ErrBusy) {
			err = nil
		}
		if err == nil {
			w.failed = false
			w.pool, w.conn, w.tx = pool, conn, newTx(w.db, conn)
			return nil
		}
		err = errors.Join(err, conn.Close())
	}
	return errors.Join(err, pool.Close())
}

// truncateLog moves the write-ahead file into the database and empties it. It
// waits for readers, of other processes too, for as long as it is told.
func (w *writer) truncateLog(ctx context.Context, c *sql.Conn, wait time.Duration) (err error) {
	patience := func(d time.Duration) error {
		_, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", max(0, d.Milliseconds())))
		return classify(err)
	}
	if err := patience(wait); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, patience(w.db.cfg.BusyTimeout)) }()
	var busy, frames, moved int
	if err := c.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved); err != nil {
		return classify(err)
	}
	if busy != 0 {
		return fmt.Errorf("%w: a reader holds up the checkpoint", store.ErrBusy)
	}
	return nil
}

// checkpoint finishes erasures.
func (w *writer) checkpoint() {
	err := w.truncateLog(context.Background(), w.conn, checkpointWait)
	if err != nil && !w.blocked {
		w.db.log.LogAttrs(context.Background(), slog.LevelWarn, "erased bytes are still in the write-ahead file", errorAttr(err))
	}
	w.scrub, w.blocked = err != nil, err != nil
}

// tidy ends the goroutine's part.
func (w *writer) tidy() error {
	if w.conn == nil {
		return nil
	}
	if w.scrub {
		w.checkpoint()
	}
	_, _ = w.conn.ExecContext(context.Background(), "PRAGMA optimize") // for the next one to open it; no matter if not
	return errors.Join(w.tx.close(), w.conn.Close(), w.pool.Close())
}
