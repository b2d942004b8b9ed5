package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	driver "modernc.org/sqlite"

	"github.com/asleep-sdk/asleep/store"
)

// parseURL reads sqlite:PATH and sqlite:///PATH.
func parseURL(u *url.URL) (path string, cfg Config, err error) {
	bad := func(format string, args ...any) (string, Config, error) {
		return "", Config{}, fmt.Errorf("%w: "+format, append([]any{store.ErrInvalid}, args...)...)
	}
	if u.Host != "" {
		return bad("the URL names the host %q: write sqlite:PATH or sqlite:///PATH", u.Host)
	}
	if path = u.Path; u.Opaque != "" {
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return bad("the path %q is not percent-encoded", u.Opaque)
		}
	}
	if path == "" || strings.ContainsRune(path, 0) || u.Fragment != "" {
		return bad("the URL names no file: write sqlite:./asleep.db, with '?', '#' and '%%' percent-encoded")
	}
	for name, values := range u.Query() {
		switch value := values[len(values)-1]; name {
		case "mode":
			if value != "ro" && value != "rw" {
				return bad("mode=%s is not known: want ro or rw", value)
			}
			cfg.ReadOnly = value == "ro"
		case "busy_timeout":
			if cfg.BusyTimeout, err = time.ParseDuration(value); err != nil || cfg.BusyTimeout <= 0 {
				return bad("busy_timeout=%s is not a duration such as 5s", value)
			}
		default:
			return bad("the parameter %q is not known: want mode or busy_timeout", name)
		}
	}
	return filepath.FromSlash(path), cfg, nil
}

// openPool makes a pool of connections; it opens none.
func openPool(path string, cfg Config, pragmas ...string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, wrap(store.ErrUnavailable, err)
	}
	if abs = filepath.ToSlash(abs); !strings.HasPrefix(abs, "/") {
		abs = "/" + abs // file:///C:/…
	}
	q := url.Values{"_pragma": append([]string{
		"busy_timeout(" + strconv.FormatInt(max(0, cfg.BusyTimeout.Milliseconds()), 10) + ")",
		"foreign_keys(1)", "temp_store(MEMORY)", "cache_size(-8000)", "trusted_schema(0)",
	}, pragmas...)}
	if cfg.ReadOnly {
		q.Set("mode", "ro")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, wrap(store.ErrUnavailable, err)
	}
	return db, nil
}

func wrap(kind, err error) error { return fmt.Errorf("%w: %w", kind, err) }

// Primary result codes of SQLite, https://www.sqlite.org/rescode.html.
const (
	codeBusy     = 5
	codeLocked   = 6
	codeReadOnly = 8
	codeIO       = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
)

// classify gives an error of the driver or the system its kind.
func classify(err error) error {
	if err == nil || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrSealed) {
		return err
	}
	switch primary(err) {
	case codeBusy, codeLocked:
		return wrap(store.ErrBusy, err)
	case codeReadOnly:
		return wrap(store.ErrReadOnly, err)
	case codeFull:
		return wrap(store.ErrFull, err)
	case codeCorrupt, codeNotADB:
		return wrap(store.ErrCorrupt, err)
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return wrap(store.ErrFull, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return wrap(store.ErrReadOnly, err)
	}
	return wrap(store.ErrUnavailable, err)
}

// primary is the primary result code of an error of SQLite, or 0.
func primary(err error) int {
	var e *driver.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// general reports whether an error concerns the database and not one row, so
// that trying the calls of a batch one by one is of no use.
func general(err error) bool {
	switch primary(err) {
	case codeBusy, codeLocked, codeReadOnly, codeIO, codeCorrupt, codeFull, codeCantOpen, codeNotADB:
		return true
	}
	return false
}
