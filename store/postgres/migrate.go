package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// steps are the migrations in their order; step i leads to version i+1. A step
// that was released is never edited.
func steps() (list []string, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		list = append(list, string(text))
	}
	return list, nil
}

// migrate brings the schema up to date. All that is missing is done in one
// transaction, under a lock by which processes that start together take turns.
func (d *DB) migrate(ctx context.Context) error {
	list, err := steps()
	if err != nil {
		return err
	}
	version := 0
	err = d.run(ctx, reads, func(ctx context.Context, c *pgx.Conn) (err error) {
		version, err = versionOf(ctx, c, d.cfg.schema)
		return err
	})
	switch {
	case err != nil:
		return err
	case version > len(list):
		return fmt.Errorf("%w: it has version %d, and this program knows %d; run the newer program", store.ErrNewerSchema, version, len(list))
	case version == len(list):
		return nil
	case d.cfg.readOnly:
		return fmt.Errorf("%w: the schema has version %d of %d: open it for writing once", store.ErrReadOnly, version, len(list))
	}
	// A migration takes as long as it takes: only the caller's context bounds it.
	c, err := d.pool.Acquire(ctx)
	if err != nil {
		return d.failure(ctx, err)
	}
	defer c.Release()
	return d.failure(ctx, pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return migrateAll(ctx, tx, d.cfg.schema, list) }))
}

// migrateAll makes the steps that nobody else has made meanwhile.
func migrateAll(ctx context.Context, tx pgx.Tx, schema string, list []string) error {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lockKey(lockSchema, 0)); err != nil {
		return err
	}
	version, err := versionOf(ctx, tx.Conn(), schema)
	if err != nil {
		return err
	}
	if version == 0 {
		var there bool
		if err := tx.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", schema).Scan(&there); err != nil {
			return err
		}
		text := "CREATE TABLE asleep_schema (version bigint NOT NULL); INSERT INTO asleep_schema VALUES (0)"
		if !there {
			text = "CREATE SCHEMA " + pgx.Identifier{schema}.Sanitize() + "; " + text
		}
		if _, err := tx.Exec(ctx, text); err != nil {
			return err
		}
	}
	for ; version < len(list); version++ {
		if _, err := tx.Exec(ctx, list[version]+";\nUPDATE asleep_schema SET version = "+strconv.Itoa(version+1)); err != nil {
			return fmt.Errorf("migrate to version %d: %w", version+1, err)
		}
	}
	return nil
}

// versionOf is the version of the schema; 0 is one that is empty or not there.
func versionOf(ctx context.Context, c *pgx.Conn, schema string) (version int, err error) {
	var tables int
	var ours bool
	const text = "SELECT count(*), count(*) FILTER (WHERE relname = 'asleep_schema') > 0 FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p')"
	if err := c.QueryRow(ctx, text, schema).Scan(&tables, &ours); err != nil {
		return 0, err
	}
	switch {
	case ours:
		err = c.QueryRow(ctx, "SELECT version FROM "+pgx.Identifier{schema, "asleep_schema"}.Sanitize()).Scan(&version)
		if errors.Is(err, pgx.ErrNoRows) {
			err = fmt.Errorf("%w: the schema %s does not say its version", store.ErrCorrupt, schema)
		}
		return version, err
	case tables > 0:
		return 0, fmt.Errorf("%w: the schema %s belongs to another program: it has %d tables; name another with schema=NAME", store.ErrCorrupt, schema, tables)
	}
	return 0, nil
}

// Schema returns the version of the database's schema, 0 for one that is not there,
// and the one that Open brings it to. It changes nothing. Errors are as Open's, but
// never [store.ErrNewerSchema].
func Schema(ctx context.Context, rawURL string) (have, want int, err error) {
	cfg, err := parseURL(rawURL, true)
	if err != nil {
		return 0, 0, err
	}
	list, err := steps()
	if err != nil {
		return 0, 0, err
	}
	d := &DB{cfg: cfg, opening: true}
	bound, cancel := context.WithTimeout(ctx, cfg.timeout)
	defer cancel()
	c, err := pgx.ConnectConfig(bound, cfg.pool.ConnConfig)
	if err != nil {
		return 0, 0, d.failure(ctx, err)
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	if err = cfg.pool.AfterConnect(bound, c); err == nil {
		have, err = versionOf(bound, c, cfg.schema)
	}
	return have, len(list), d.failure(ctx, err)
}
