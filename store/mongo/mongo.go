package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/envelope"
)

// Config is how a database is used. The zero value is a good start.
type Config struct {
	// Timeout bounds every command, its wait for a server and for a connection
	// included; 0 is 10 seconds. A shorter deadline of the caller counts.
	Timeout time.Duration

	// Batch is how many sessions go into one command, at most 1,000; 0 is 25, as
	// FerretDB v1 hangs at a hundred updates a command and a session takes two.
	Batch int

	// Lean leaves out statistics and sleep_stages, which this package itself does
	// not read: other readers of the collection do. It saves about 9 KB a night.
	Lean bool

	// Monitor is told of every command. Nil is nobody. It sees what is stored.
	Monitor *event.CommandMonitor
}

const (
	defaultTimeout  = 10 * time.Second
	defaultBatch    = 25
	maxBatch        = 1000
	defaultDatabase = "asleep"
)

// The collections.
const (
	sessionsName   = "sleep_sessions"
	nightsName     = "sleep_nights"
	tombstonesName = "sleep_tombstones"
	metaName       = "sleep_meta"
)

// DB is an open database. It implements [store.Store], [store.Checker] and
// [store.Resealer].
type DB struct {
	cfg      Config
	codec    envelope.Codec
	log      *slog.Logger
	readOnly bool
	password string // what no error may tell
	closed   atomic.Bool

	client                          *mongo.Client
	sleep, nights, tombstones, meta *mongo.Collection
}

var (
	_ store.Store    = (*DB)(nil)
	_ store.Backuper = (*DB)(nil)
	_ store.Checker  = (*DB)(nil)
	_ store.Resealer = (*DB)(nil)
)

// Backend opens URLs of the schemes mongodb and mongodb+srv, see the package
// documentation.
func Backend() store.Backend {
	return store.Backend{
		Name: "MongoDB", Schemes: []string{"mongodb", "mongodb+srv"},
		Open: func(ctx context.Context, u *url.URL, o store.Options) (store.Store, error) {
			u, cfg, err := parseURL(u)
			if err != nil {
				return nil, err
			}
			return Open(ctx, u, cfg, o)
		},
		Schema: func(ctx context.Context, u *url.URL) (have, want int, err error) {
			u, cfg, err := parseURL(u)
			if err != nil {
				return 0, 0, err
			}
			return Schema(ctx, u, cfg)
		},
	}
}

// Open connects to the database that the URL names, and makes the indexes that
// are missing. The URL is the driver's alone: what [Backend] takes from it stands
// in cfg. Errors: [store.ErrInvalid], [store.ErrNewerSchema], [store.ErrCorrupt],
// [store.ErrUnavailable]. None of them tells the password.
func Open(ctx context.Context, u *url.URL, cfg Config, o store.Options) (*DB, error) {
	d, err := connect(u, cfg, o)
	if err != nil {
		return nil, err
	}
	if err := d.migrate(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// connect makes the client, which asks no server for anything yet.
func connect(u *url.URL, cfg Config, o store.Options) (*DB, error) {
	if cfg.Timeout < 0 || cfg.Batch < 0 || cfg.Batch > maxBatch {
		return nil, fmt.Errorf("%w: timeout %v, batch %d: want a positive duration and 1 to %d sessions", store.ErrInvalid, cfg.Timeout, cfg.Batch, maxBatch)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Batch == 0 {
		cfg.Batch = defaultBatch
	}
	d := &DB{cfg: cfg, codec: envelope.Codec{Sealer: o.Sealer}, log: o.Logger, readOnly: o.ReadOnly}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if u.User != nil {
		d.password, _ = u.User.Password()
	}
	opts := options.Client().ApplyURI(u.String())
	if opts.WriteConcern == nil {
		journal := true
		opts.SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal})
	}
	opts.SetMonitor(cfg.Monitor)
	opts.SetTimeout(cfg.Timeout)
	if opts.AppName == nil {
		opts.SetAppName("asleep")
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		// The driver's own words may repeat what stands in the URL.
		return nil, fmt.Errorf("%w: the URL of the database is not one of MongoDB: want mongodb://[USER:PASSWORD@]HOST[:PORT][,HOST…]/DATABASE[?OPTIONS], what is special percent-encoded", store.ErrInvalid)
	}
	d.client = client
	db := client.Database(databaseOf(u))
	// What is decided by must not be read from a secondary that lags behind.
	fresh := options.Collection().SetReadPreference(readpref.Primary())
	d.sleep = db.Collection(sessionsName)
	d.nights = db.Collection(nightsName, fresh)
	d.tombstones = db.Collection(tombstonesName, fresh)
	d.meta = db.Collection(metaName, fresh)
	return d, nil
}

// Sessions returns the half that keeps sessions.
func (d *DB) Sessions() store.Sessions { return (*sessions)(d) }

// Inbox returns an error that matches [errors.ErrUnsupported] and says what to
// use: a queue promises to put, and to settle, many events in one commit, which
// MongoDB has on replica sets alone.
func (d *DB) Inbox() (store.Inbox, error) {
	if d.closed.Load() {
		return nil, store.ErrClosed
	}
	return nil, fmt.Errorf("%w: MongoDB keeps sessions and no inbox: queue webhook events in a SQLite file or a PostgreSQL database beside it", errors.ErrUnsupported)
}

// Ping reads the schema, and asks whether the server takes writes.
func (d *DB) Ping(ctx context.Context) error {
	return d.call(ctx, func(ctx context.Context) error {
		if _, err := d.version(ctx); err != nil || d.readOnly {
			return err
		}
		var hello struct {
			Writable bool `bson:"isWritablePrimary"`
			Master   bool `bson:"ismaster"`
		}
		err := d.meta.Database().RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}, options.RunCmd().SetReadPreference(readpref.Primary())).Decode(&hello)
		if err == nil && !hello.Writable && !hello.Master {
			err = fmt.Errorf("%w: the server takes no writes", store.ErrReadOnly)
		}
		return err
	})
}

// Backup is not something that a client of the server can do well: it returns an
// error that matches [errors.ErrUnsupported] and names mongodump.
func (d *DB) Backup(context.Context, string) error {
	return fmt.Errorf("%w: back up with the server's own tools: mongodump --db=%s --archive=FILE, or snapshots of its disks", errors.ErrUnsupported, d.sleep.Database().Name())
}

// closeWithin bounds the wait of Close for commands that are under way.
const closeWithin = 5 * time.Second

// Close does what [store.Store] says.
func (d *DB) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	return d.classify(d.client.Disconnect(ctx))
}

// call runs commands that belong together within one deadline and names what
// they fail with.
func (d *DB) call(ctx context.Context, do func(context.Context) error) error {
	if d.closed.Load() {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	err := do(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case d.closed.Load():
		return store.ErrClosed
	}
	return d.classify(err)
}

// change is call for writes.
func (d *DB) change(ctx context.Context, do func(context.Context) error) error {
	if d.readOnly && !d.closed.Load() {
		return store.ErrReadOnly
	}
	return d.call(ctx, do)
}
