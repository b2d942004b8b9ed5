package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/envelope"
)

// Config is how a file is opened. The zero value is a good start.
type Config struct {
	// ReadOnly opens an existing file for reads. It is not migrated, so its
	// schema must be the one of this program.
	ReadOnly bool

	// BusyTimeout bounds the wait for the write lock of another process. 0 is
	// five seconds, negative is no wait.
	BusyTimeout time.Duration
}

const defaultBusyTimeout = 5 * time.Second

// DB is an open file. It implements [store.Store], [store.Backuper],
// [store.Checker] and [store.Resealer].
type DB struct {
	path    string
	cfg     Config
	codec   envelope.Codec
	log     *slog.Logger
	readers *sql.DB
	writer  *writer // nil if read-only
	closed  atomic.Bool

	preparing sync.Mutex
	prepared  map[string]*sql.Stmt // of readers, by text

	mu    sync.Mutex
	owner *ownership
	inbox *inbox
}

var (
	_ store.Store    = (*DB)(nil)
	_ store.Backuper = (*DB)(nil)
	_ store.Checker  = (*DB)(nil)
	_ store.Resealer = (*DB)(nil)
)

// Backend opens URLs of the scheme sqlite, see the package documentation.
func Backend() store.Backend {
	return store.Backend{
		Name: "SQLite", Schemes: []string{"sqlite"},
		Open: func(ctx context.Context, u *url.URL, o store.Options) (store.Store, error) {
			path, cfg, err := parseURL(u)
			if err != nil {
				return nil, err
			}
			cfg.ReadOnly = cfg.ReadOnly || o.ReadOnly
			return Open(ctx, path, cfg, o)
		},
		File: func(u *url.URL) (string, error) {
			path, _, err := parseURL(u)
			return path, err
		},
		Schema: func(ctx context.Context, u *url.URL) (have, want int, err error) {
			path, cfg, err := parseURL(u)
			if err != nil {
				return 0, 0, err
			}
			return Schema(ctx, path, cfg)
		},
	}
}

// Open opens the file, makes it if it is not there, and brings its schema up to
// date. Errors: [store.ErrNewerSchema], [store.ErrCorrupt], [store.ErrBusy],
// [store.ErrReadOnly], [store.ErrUnavailable], and for a read-only file that is
// not there one that matches fs.ErrNotExist.
func Open(ctx context.Context, path string, cfg Config, o store.Options) (*DB, error) {
	if cfg.BusyTimeout == 0 {
		cfg.BusyTimeout = defaultBusyTimeout
	}
	d := &DB{path: path, cfg: cfg, codec: envelope.Codec{Sealer: o.Sealer}, log: o.Logger, prepared: map[string]*sql.Stmt{}}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if err := prepareFile(path, cfg.ReadOnly); err != nil {
		return nil, err
	}
	if err := d.migrate(ctx); err != nil {
		return nil, err
	}
	readers, err := openPool(path, cfg, "query_only(1)")
	if err != nil {
		return nil, err
	}
	n := max(4, runtime.GOMAXPROCS(0))
	readers.SetMaxOpenConns(n)
	readers.SetMaxIdleConns(n)
	d.readers = readers
	if err := readers.PingContext(ctx); err != nil {
		return nil, errors.Join(classify(err), readers.Close())
	}
	if !cfg.ReadOnly {
		d.writer = newWriter(d)
	}
	return d, nil
}

// prepareFile makes the file before SQLite does, for SQLite would make it
// readable by all, and its companions take its mode.
func prepareFile(path string, readOnly bool) error {
	if readOnly {
		_, err := os.Stat(path) //nolint:gosec // the path is the caller's to choose
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is the caller's to choose
	switch {
	case errors.Is(err, os.ErrPermission):
		if _, statErr := os.Stat(path); statErr == nil { //nolint:gosec // as above
			return wrap(store.ErrReadOnly, err)
		}
		return wrap(store.ErrUnavailable, err)
	case err != nil:
		return classify(err)
	}
	return f.Close()
}

// Sessions returns the half that keeps sessions.
func (d *DB) Sessions() store.Sessions { return (*sessions)(d) }

// Inbox takes ownership of the queue, once, and returns it; it is a
// [store.Applier] too. What an owner that is gone had claimed is handed out again.
func (d *DB) Inbox() (store.Inbox, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed.Load():
		return nil, store.ErrClosed
	case d.writer == nil:
		return nil, store.ErrReadOnly
	case d.inbox != nil:
		return d.inbox, nil
	}
	owner, err := own(d.path + "-owner")
	if err != nil {
		return nil, err
	}
	i := &inbox{db: d, wake: make(chan struct{}, 1)}
	if err := i.releaseAll(context.Background()); err != nil {
		return nil, errors.Join(err, owner.free())
	}
	d.owner, d.inbox = owner, i
	return i, nil
}

// Ping reads the schema, and sees whether the write lock can be had.
func (d *DB) Ping(ctx context.Context) error {
	if _, err := d.schemaVersion(ctx); err != nil {
		return err
	}
	if d.writer == nil {
		return nil
	}
	return d.write(ctx, urgent, 1, 0, func(*tx) error { return nil })
}

// Close does what [store.Store] says, and lets SQLite tidy up the file.
func (d *DB) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	var err error
	if d.writer != nil {
		err = d.writer.close()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.owner != nil {
		err = errors.Join(err, d.owner.free())
	}
	return errors.Join(err, d.readers.Close())
}

// query prepares a read once for the pool of readers, which closes it.
func (d *DB) query(ctx context.Context, text string) (*sql.Stmt, error) {
	if d.closed.Load() {
		return nil, store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.preparing.Lock()
	st := d.prepared[text]
	d.preparing.Unlock()
	if st != nil {
		return st, nil
	}
	st, err := d.readers.PrepareContext(ctx, text)
	if err != nil {
		return nil, d.readError(ctx, err)
	}
	d.preparing.Lock()
	defer d.preparing.Unlock()
	if other := d.prepared[text]; other != nil { // prepared by another goroutine meanwhile
		return other, st.Close() //nolint:sqlclosecheck // this is the one to close
	}
	d.prepared[text] = st
	return st, nil
}

// readError names what a read failed of.
func (d *DB) readError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case d.closed.Load():
		return store.ErrClosed
	}
	return classify(err)
}

func (d *DB) schemaVersion(ctx context.Context) (v int, err error) {
	st, err := d.query(ctx, "PRAGMA user_version") //nolint:sqlclosecheck // kept for the next call
	if err != nil {
		return 0, err
	}
	return v, d.readError(ctx, st.QueryRowContext(ctx).Scan(&v))
}
