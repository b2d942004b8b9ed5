package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/asleep-sdk/asleep/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as one of ours: "ASLP".
const applicationID = 0x41534C50

// steps are the migrations in their order; step i leads to version i+1. A step
// that was released is never edited.
func steps() (list []string, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if want := fmt.Sprintf("%04d_", i+1); path.Base(name)[:len(want)] != want {
			return nil, fmt.Errorf("migration %s: want one that begins with %s", name, want)
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		list = append(list, string(text))
	}
	return list, nil
}

// migrate brings the schema up to date. Turning a new file into write-ahead mode
// fails at once when another process does the same, without the wait that other
// locks have, so all of it is tried again for as long as that wait may take.
func (d *DB) migrate(ctx context.Context) error {
	giveUp := time.Now().Add(d.cfg.BusyTimeout)
	for {
		err := d.migrateOnce(ctx)
		if !errors.Is(err, store.ErrBusy) || time.Now().After(giveUp) {
			return err
		}
		pause := time.NewTimer(5 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// migrateOnce makes every step in one transaction that takes the write lock
// first, so that processes that start together take turns.
func (d *DB) migrateOnce(ctx context.Context) (err error) {
	list, err := steps()
	if err != nil {
		return err
	}
	db, err := openPool(d.path, d.cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	version, err := versionOf(ctx, c)
	switch {
	case err != nil:
		return err
	case version > len(list):
		return fmt.Errorf("%w: it has version %d, and this program knows %d; run the newer program", store.ErrNewerSchema, version, len(list))
	case version < len(list) && d.cfg.ReadOnly:
		return fmt.Errorf("%w: the schema has version %d of %d: open it for writing once", store.ErrReadOnly, version, len(list))
	case d.cfg.ReadOnly:
		return nil
	}
	if version == 0 {
		if _, err := c.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
			return classify(err)
		}
	}
	for version < len(list) {
		if version, err = migrateStep(ctx, c, list); err != nil {
			return err
		}
	}
	return nil
}

// Schema returns the version of the file's schema, 0 for an empty file, and the one
// that Open brings it to. It changes nothing; cfg.ReadOnly is of no matter. The
// error matches fs.ErrNotExist if there is no file.
func Schema(ctx context.Context, path string, cfg Config) (have, want int, err error) {
	cfg.ReadOnly = true
	if cfg.BusyTimeout == 0 {
		cfg.BusyTimeout = defaultBusyTimeout
	}
	list, err := steps()
	if err != nil {
		return 0, 0, err
	}
	if err := prepareFile(path, true); err != nil {
		return 0, 0, err
	}
	db, err := openPool(path, cfg)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Conn(ctx)
	if err != nil {
		return 0, 0, classify(err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	have, err = versionOf(ctx, c)
	return have, len(list), err
}

// versionOf is the version of the schema; 0 is an empty file.
func versionOf(ctx context.Context, c *sql.Conn) (version int, err error) {
	var app, tables int
	err = c.QueryRowContext(ctx, "SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)").
		Scan(&version, &app, &tables)
	switch {
	case err != nil:
		return 0, classify(err)
	case app != applicationID && (app != 0 || version != 0 || tables != 0):
		return 0, fmt.Errorf("%w: the file belongs to another program (application id %#x, %d tables and indexes)", store.ErrCorrupt, app, tables)
	}
	return version, nil
}

// migrateStep makes the next step, if nobody else has made it meanwhile, and
// returns the version then.
func migrateStep(ctx context.Context, c *sql.Conn, list []string) (version int, err error) {
	if _, err = c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return 0, classify(err)
	}
	defer func() {
		if err != nil {
			_, undo := c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			err = errors.Join(err, undo)
		}
	}()
	if version, err = versionOf(ctx, c); err != nil {
		return 0, err
	}
	if version < len(list) {
		mark := fmt.Sprintf("\nPRAGMA user_version = %d;\nPRAGMA application_id = %d;", version+1, applicationID)
		if _, err = c.ExecContext(ctx, list[version]+mark); err != nil {
			return 0, fmt.Errorf("migrate to version %d: %w", version+1, classify(err))
		}
		version++
	}
	if _, err = c.ExecContext(ctx, "COMMIT"); err != nil {
		return 0, classify(err)
	}
	return version, nil
}
