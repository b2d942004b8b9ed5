package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/asleep-sdk/asleep/store"
)

// errEOF is how a connection ends that the server has dropped.
var errEOF = io.ErrUnexpectedEOF

// code is the SQLSTATE of an error of the server, or "".
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// failure names what a call failed of: the caller's context, or a kind of error of
// package store.
func (d *DB) failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case kindOf(err):
		return err
	case d.closed.Load():
		return store.ErrClosed
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer within %v: %w", store.ErrUnavailable, d.cfg.timeout, err)
	}
	if kind := refusals[code(err)]; d.opening && kind != nil {
		return fmt.Errorf("%w: %w", kind, &oneLine{err})
	}
	return classify(err)
}

// refusals are the SQLSTATEs by which a server that is opened says that the URL is
// wrong. Later they say that the server has changed, which passes.
var refusals = map[string]error{
	"28000": store.ErrInvalid, // no such role, or none that may come from here
	"28P01": store.ErrInvalid, // wrong password
	"3D000": store.ErrInvalid, // no such database
	"42704": store.ErrInvalid, // no such parameter
}

// kindOf reports whether an error has a kind already.
func kindOf(err error) bool {
	for _, kind := range []error{store.ErrUnavailable, store.ErrInvalid, store.ErrCorrupt, store.ErrSealed, store.ErrNotFound, store.ErrLeaseLost, store.ErrNewerSchema} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// kinds are the SQLSTATEs, or classes of them, that tell a kind;
// https://www.postgresql.org/docs/current/errcodes-appendix.html.
var kinds = map[string]error{
	"22":    store.ErrInvalid,  // data exception
	"25006": store.ErrReadOnly, // read-only transaction: a standby
	"42501": store.ErrReadOnly, // insufficient privilege
	"53100": store.ErrFull,     // disk full
	"53200": store.ErrBusy,     // out of memory, or of locks
	"53300": store.ErrBusy,     // too many connections
	"53400": store.ErrFull,     // a configured limit
	"55P03": store.ErrBusy,     // lock not available
	"57014": store.ErrBusy,     // statement timeout
	"40":    store.ErrBusy,     // deadlock, serialization failure
	"XX001": store.ErrCorrupt,  // damaged data
	"XX002": store.ErrCorrupt,  // damaged index
}

// classify gives an error of the driver or the server its kind.
func classify(err error) error {
	state := code(err)
	for _, key := range []string{state, state[:min(2, len(state))]} {
		if kind := kinds[key]; kind != nil {
			return fmt.Errorf("%w: %w", kind, err)
		}
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, &oneLine{err})
}

// oneLine is an error in one line: the driver gives every address that it tried a
// line of its own.
type oneLine struct{ err error }

func (e *oneLine) Error() string { return strings.ReplaceAll(e.err.Error(), "\n\t", " ") }
func (e *oneLine) Unwrap() error { return e.err }
