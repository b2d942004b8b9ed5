package client

import (
	"context"
	"iter"

	"github.com/asleep-sdk/asleep"
)

// MaxPageSize is the largest page that the service gives.
const MaxPageSize = 100

// Query selects the sessions of a user. The zero Query is all of them, newest
// first.
type Query struct {
	// From and To are the first and the last date, both inclusive, judged by
	// the service in the call's timezone. Zero means open.
	From, To asleep.Date
	// Order is by start time; empty means newest first.
	Order asleep.SortOrder
	// PageSize is the number of sessions asked for in one request, 1 to 100;
	// 0 means 100.
	PageSize int
	// Limit is the most sessions to yield; 0 means all.
	Limit int
}

// PageQuery selects one page of the sessions of a user.
type PageQuery struct {
	// From and To are the first and the last date, both inclusive, judged by
	// the service in the call's timezone. Zero means open.
	From, To asleep.Date
	// Order is by start time; empty means newest first.
	Order asleep.SortOrder
	// Offset is the number of sessions to pass over.
	Offset int
	// PageSize is the number of sessions asked for, 1 to 100; 0 leaves it to
	// the service, which then gives 20.
	PageSize int
}

// SessionPage is one page of a user's sessions.
type SessionPage struct {
	// Timezone is the zone that the times are rendered in.
	Timezone string
	// Sessions are in the order asked for. The service gives neither a total
	// nor a cursor: a page shorter than asked for is the last one, a full one
	// may be.
	Sessions []asleep.SessionSummary
}

// ListSessions reads one page of a user's sessions. [Client.Sessions] reads them
// all.
func (c *Client) ListSessions(ctx context.Context, userID string, q PageQuery, opts ...CallOption) (*SessionPage, error) {
	panic("client: not built yet")
}

// Sessions iterates over the sessions of a user, fetching pages as the loop asks
// for them. Every range over the sequence starts over with the first page. The
// first error is yielded with a zero summary and ends the sequence; what was
// yielded before it stands.
//
// The list may shift while it is paged through, as sessions come and go: a
// session that is met twice is yielded once. A session may still be passed over
// when another one is deleted meanwhile. The overall timeout bounds each page,
// not the loop.
func (c *Client) Sessions(ctx context.Context, userID string, q Query, opts ...CallOption) iter.Seq2[asleep.SessionSummary, error] {
	panic("client: not built yet")
}
