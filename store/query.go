package store

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/asleep-sdk/asleep"
)

// The size of a page: what a limit of 0 means, and the most that one page holds.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Query selects sessions. Members that are zero do not restrict.
type Query struct {
	UserID string // "" selects the sessions of all users

	// Start is in [From, To). A session without a start is before all instants.
	From, To time.Time

	// The session began on one of these dates, where it was recorded, both
	// inclusive. Sessions without a start have no date.
	FromDate, ToDate asleep.Date

	After Cursor // continue behind this session
	Limit int    // sessions a page; 0 is DefaultLimit, the most is MaxLimit

	// Brief leaves out Raw and Epochs, which is most of what there is to read.
	Brief bool
}

// Normalize checks the query, fills in the limit and rounds instants as stores
// keep them: From and To up, for an instant within a millisecond is stored as its
// beginning. Backends call it first thing. The error matches [ErrInvalid].
func (q Query) Normalize() (Query, error) {
	switch {
	case q.Limit < 0 || q.Limit > MaxLimit:
		return Query{}, invalid("limit %d is not between 0 and %d", q.Limit, MaxLimit)
	case q.UserID != "" && checkText("user id", q.UserID) != nil:
		return Query{}, checkText("user id", q.UserID)
	case !q.FromDate.IsZero() && !q.FromDate.Valid():
		return Query{}, invalid("%v is not a date", q.FromDate)
	case !q.ToDate.IsZero() && !q.ToDate.Valid():
		return Query{}, invalid("%v is not a date", q.ToDate)
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	q.From, q.To = ceilMilli(q.From), ceilMilli(q.To)
	q.After.Start = Milli(q.After.Start)
	return q, nil
}

func ceilMilli(t time.Time) time.Time {
	m := Milli(t)
	if m.Before(t) {
		m = m.Add(time.Millisecond)
	}
	return m
}

// Matches reports whether a stored session is selected, After and all. It is the
// meaning of a normalized query, for backends that filter in Go and for tests.
func (q Query) Matches(s Session) bool {
	date := s.LocalDate()
	switch {
	case q.UserID != "" && s.UserID != q.UserID,
		!q.From.IsZero() && s.Start.Before(q.From),
		!q.To.IsZero() && !s.Start.Before(q.To),
		!q.FromDate.IsZero() && (date.IsZero() || date.Before(q.FromDate)),
		!q.ToDate.IsZero() && (date.IsZero() || q.ToDate.Before(date)):
		return false
	}
	return q.After.IsZero() || CursorOf(s).follows(q.After)
}

// Cursor is a place in a list, right behind one session. It stays valid when
// that session is gone. The zero Cursor is the beginning.
type Cursor struct {
	Start time.Time
	ID    string
}

// CursorOf is the place behind s.
func CursorOf(s Session) Cursor { return Cursor{Start: s.Start, ID: s.ID} }

// IsZero reports whether c is the beginning.
func (c Cursor) IsZero() bool { return c.ID == "" && c.Start.IsZero() }

// follows reports whether c comes behind d, newest first.
func (c Cursor) follows(d Cursor) bool {
	if !c.Start.Equal(d.Start) {
		return c.Start.Before(d.Start)
	}
	return c.ID < d.ID
}

// String writes the cursor as text that is safe in URLs and opaque to others;
// the beginning is empty.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(c.Start.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(b, c.ID...))
}

// ParseCursor reads what [Cursor.String] wrote. The error matches [ErrInvalid].
func ParseCursor(text string) (Cursor, error) {
	if text == "" {
		return Cursor{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) <= 8 {
		return Cursor{}, invalid("cursor %.40q is not one that this program gave out", text)
	}
	c := Cursor{Start: time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC(), ID: string(b[8:])} //nolint:gosec // see String
	// The decoder passes over line breaks: there is one text of a cursor.
	if !inYears(c.Start) || CheckID("session id", c.ID) != nil || c.String() != text {
		return Cursor{}, invalid("cursor %.40q is not one that this program gave out", text)
	}
	return c, nil
}

// All iterates over the sessions that q selects, in the order of List, page by
// page: memory is bounded by a page, and no transaction stays open while the
// caller works. Sessions that are stored throughout appear once each, unless
// their start is changed meanwhile. The first error ends it. Ranging again
// starts over.
func All(ctx context.Context, s Sessions, q Query) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		q := q
		for {
			page, err := s.List(ctx, q)
			if err != nil {
				yield(Session{}, err)
				return
			}
			for _, session := range page {
				if !yield(session, nil) {
					return
				}
			}
			limit := q.Limit
			if limit == 0 {
				limit = DefaultLimit
			}
			if len(page) < limit {
				return
			}
			next := CursorOf(page[len(page)-1])
			if !q.After.IsZero() && !next.follows(q.After) {
				yield(Session{}, fmt.Errorf("%w: a page ends with session %q, which does not come behind the page before", ErrCorrupt, next.ID))
				return
			}
			q.After = next
		}
	}
}

// Recent returns the newest sessions of a user, at most limit of them.
func Recent(ctx context.Context, s Sessions, user string, limit int) ([]Session, error) {
	if err := CheckID("user id", user); err != nil {
		return nil, err
	}
	return s.List(ctx, Query{UserID: user, Limit: limit})
}

// Between iterates over a user's sessions that began in [from, to), newest first.
func Between(ctx context.Context, s Sessions, user string, from, to time.Time) iter.Seq2[Session, error] {
	if err := CheckID("user id", user); err != nil {
		return func(yield func(Session, error) bool) { yield(Session{}, err) }
	}
	return All(ctx, s, Query{UserID: user, From: from, To: to})
}
