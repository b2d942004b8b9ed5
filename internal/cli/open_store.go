package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/internal/seal"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/store/mongo"
	"github.com/asleep-sdk/asleep/store/postgres"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

// storeBackends are the databases that DATABASE_URL can name.
func storeBackends() []store.Backend {
	return []store.Backend{sqlite.Backend(), postgres.Backend(), mongo.Backend(), memory.Backend()}
}

// database is the store of the settings, judged and not yet opened.
type database struct {
	config.Database

	backend store.Backend
	url     *url.URL
	file    string // of a backend that keeps everything in one; empty: none
	log     *slog.Logger
}

// database reads the settings of the store. What is wrong with them is noted as
// problems: ask refusal before opening it.
func (a *app) database() *database {
	return a.judge(&database{Database: config.ReadDatabase(a.reader), log: a.log})
}

// judge finds the backend of a URL.
func (a *app) judge(d *database) *database {
	var err error
	if d.backend, d.url, err = store.Resolve(d.URL.Reveal(), storeBackends()...); err == nil && d.backend.File != nil {
		d.file, err = d.backend.File(d.url)
	}
	if err != nil {
		a.problem(d.Label, "is not accepted: %s", withoutKind(err, store.ErrInvalid))
	}
	return d
}

// lastingDatabase is database for a command that would be of no use with one that ends
// with the process.
func (a *app) lastingDatabase() *database {
	return a.lasting(a.database())
}

// lasting notes it as a problem when a database does not last.
func (a *app) lasting(d *database) *database {
	if d.url != nil && d.backend.Name == memory.Backend().Name {
		a.problem(d.Label, "%s keeps nothing once the command has ended: name a database that lasts, such as %s", d.Shown, config.DefaultDatabase)
	}
	return d
}

// Whether a store is opened to be written.
type storeAccess bool

const (
	readStore  storeAccess = false // it must be there, and nothing of it is changed
	writeStore storeAccess = true  // it is made, or its schema brought up to date, if need be
)

// open opens the store. Its errors, and those of the store made with fail, say
// what to do and bring their exit code.
func (d *database) open(ctx context.Context, access storeAccess) (store.Store, error) {
	o := store.Options{Logger: d.log, ReadOnly: access == readStore}
	if d.Keys != nil {
		o.Sealer = d.Keys
	}
	if access == readStore && d.backend.Schema != nil {
		switch have, want, err := d.backend.Schema(ctx, d.url); {
		case err != nil:
			return nil, d.fail(err)
		case have < want:
			return nil, exitWith(ExitUsage, fmt.Errorf(`the database %s has version %d of the schema and this program needs %d: run "asleep store migrate"`, d.Shown, have, want))
		}
	}
	s, err := d.backend.Open(ctx, d.url, o)
	if err != nil {
		return nil, d.fail(err)
	}
	if access == writeStore {
		if err := d.tryKeys(ctx, s); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// tryKeys reads one session, so that nothing is written with keys that do not
// open what is there.
func (d *database) tryKeys(ctx context.Context, s store.Store) error {
	_, err := s.Sessions().List(ctx, store.Query{Limit: 1, Brief: true})
	return d.fail(err)
}

// storeFailures are what a store fails with, the narrower before the wider: the
// exit code, and what a person can do.
var storeFailures = []struct {
	kind   error
	code   ExitCode
	remedy string
}{
	{seal.ErrForged, ExitFailure, "a payload was damaged or moved: restore a backup"},
	{store.ErrSealed, ExitUsage, "give ENCRYPTION_KEYS the keys that it was written with, the current one first"},
	{store.ErrNewerSchema, ExitUsage, ""},
	{store.ErrInvalid, ExitUsage, ""},
	{errors.ErrUnsupported, ExitUsage, ""},
	{store.ErrCorrupt, ExitFailure, `"asleep store check" says more; restore a backup`},
	{store.ErrFull, ExitFailure, "make room"},
	{store.ErrReadOnly, ExitFailure, "make the file and its directory writable, or name another in DATABASE_URL"},
	{store.ErrBusy, ExitStopped, "another process holds it: try again later"},
	{store.ErrOwned, ExitStopped, "another process holds its inbox: try again later"},
	{fs.ErrNotExist, ExitUsage, `check its name; "asleep fetch --store" or "asleep store migrate" makes the one of DATABASE_URL`},
	{fs.ErrExist, ExitUsage, "name another file"},
	{store.ErrUnavailable, ExitStopped, "try again later"},
}

// fail makes an error of the store one of the command.
func (d *database) fail(err error) error {
	if _, done := errors.AsType[*exitError](err); err == nil || done || errors.Is(err, context.Canceled) {
		return err
	}
	code, remedy := ExitFailure, ""
	for _, f := range storeFailures {
		if errors.Is(err, f.kind) {
			code, remedy = f.code, f.remedy
			break
		}
	}
	if d.file == "" && errors.Is(err, store.ErrReadOnly) {
		remedy = "the server is a standby, or the role may not write: name a database that takes writes"
	}
	if dir := filepath.Dir(d.file); d.file != "" && !isDirectory(dir) {
		code, remedy = ExitUsage, "the directory "+dir+" does not exist: make it, or name another in DATABASE_URL"
	}
	text := withoutKind(err, store.ErrUnavailable, store.ErrSealed, store.ErrCorrupt, store.ErrNewerSchema, store.ErrInvalid)
	text = strings.ReplaceAll(text, errors.ErrUnsupported.Error()+": ", "")
	if remedy != "" {
		remedy = ": " + remedy
	}
	return exitWith(code, &storeError{text: fmt.Sprintf("the database %s: %s%s", d.Shown, text, remedy), err: err})
}

// storeError is an error of the store in a sentence.
type storeError struct {
	text string
	err  error
}

func (e *storeError) Error() string { return e.text }
func (e *storeError) Unwrap() error { return e.err }

// withoutKind is the text of an error, the words by which programs tell its kind
// in plain English.
func withoutKind(err error, kinds ...error) string {
	text := err.Error()
	for _, kind := range kinds {
		text = strings.ReplaceAll(text, kind.Error(), strings.TrimPrefix(kind.Error(), "store: "))
	}
	return strings.ReplaceAll(strings.TrimPrefix(text, "invalid: "), "seal: ", "")
}
