package postgres

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/envelope"
)

// DB is an open database. It implements [store.Store], [store.Backuper],
// [store.Checker] and [store.Resealer].
type DB struct {
	cfg     config
	codec   envelope.Codec
	log     *slog.Logger
	pool    *pgxpool.Pool
	opening bool
	ending  context.Context // ends with Close; what runs beside the calls lives by it
	end     context.CancelFunc
	closed  atomic.Bool
	beside  sync.WaitGroup

	mu    sync.Mutex
	inbox *inbox
}

var (
	_ store.Store    = (*DB)(nil)
	_ store.Backuper = (*DB)(nil)
	_ store.Checker  = (*DB)(nil)
	_ store.Resealer = (*DB)(nil)
)

// Backend opens URLs of the schemes postgres and postgresql, see the package
// documentation.
func Backend() store.Backend {
	return store.Backend{
		Name: "PostgreSQL", Schemes: []string{"postgres", "postgresql"},
		Open: func(ctx context.Context, u *url.URL, o store.Options) (store.Store, error) {
			return Open(ctx, u.String(), o)
		},
		Schema: func(ctx context.Context, u *url.URL) (have, want int, err error) {
			return Schema(ctx, u.String())
		},
	}
}

// Open connects to the database and brings its schema up to date, unless it is opened
// read-only; see the package documentation for the URL. Processes that open it at once
// take turns. Errors: [store.ErrInvalid] for the URL, a password that is wrong and a role
// or database that does not exist, [store.ErrNewerSchema], [store.ErrCorrupt] when the
// schema belongs to another program, [store.ErrReadOnly] and [store.ErrUnavailable]. None
// of them contains the password.
func Open(ctx context.Context, rawURL string, o store.Options) (*DB, error) {
	cfg, err := parseURL(rawURL, o.ReadOnly)
	if err != nil {
		return nil, err
	}
	d := &DB{cfg: cfg, codec: envelope.Codec{Sealer: o.Sealer}, log: o.Logger, opening: true}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.ending, d.end = context.WithCancel(context.Background())
	if d.pool, err = pgxpool.NewWithConfig(ctx, cfg.pool); err != nil {
		return nil, errors.Join(d.failure(ctx, err), d.Close())
	}
	if err := d.migrate(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.opening = false
	return d, nil
}

// Sessions returns the half that keeps sessions.
func (d *DB) Sessions() store.Sessions { return (*sessions)(d) }

// Inbox returns the queue, a [store.Applier] too, and begins to listen for what
// other processes put. Any number of processes share it: nobody owns it.
func (d *DB) Inbox() (store.Inbox, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed.Load():
		return nil, store.ErrClosed
	case d.cfg.readOnly:
		return nil, store.ErrReadOnly
	case d.inbox == nil:
		d.inbox = newInbox(d)
	}
	return d.inbox, nil
}

// Ping asks for the version of the schema, and whether the server takes writes.
func (d *DB) Ping(ctx context.Context) error {
	return d.run(ctx, reads, func(ctx context.Context, c *pgx.Conn) error {
		var version int
		var standby bool
		const text = "SELECT version, pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean FROM asleep_schema"
		if err := c.QueryRow(ctx, text).Scan(&version, &standby); err != nil {
			return err
		}
		if standby && !d.cfg.readOnly {
			return store.ErrReadOnly
		}
		return nil
	})
}

// Backup is not something that a client of the server can do well: it returns an
// error that matches [errors.ErrUnsupported] and names pg_dump.
func (d *DB) Backup(context.Context, string) error {
	return &unsupported{"back up with the server's own tools: pg_dump --schema=" + d.cfg.schema + " --format=custom, or pg_basebackup and archived WAL"}
}

type unsupported struct{ text string }

func (e *unsupported) Error() string { return e.text }
func (e *unsupported) Unwrap() error { return errors.ErrUnsupported }

// Close does what [store.Store] says. It waits for calls that are under way, which
// their own deadlines bound.
func (d *DB) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	d.mu.Lock()
	i := d.inbox
	d.mu.Unlock()
	if i != nil {
		i.gather.wait()
	}
	d.end()
	d.beside.Wait()
	if d.pool != nil {
		d.pool.Close()
	}
	return nil
}
