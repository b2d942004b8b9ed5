package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/api"
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
	k := c.newCall(opListSessions, opts)
	k.checkUser(userID)
	k.checkRange(q.From, q.To)
	k.checkPaging(q.Order, q.PageSize)
	k.checkNumber("offset", q.Offset)
	if err := k.refusal(); err != nil {
		return nil, err
	}
	return k.page(ctx, q)
}

// Sessions iterates over the sessions of a user, fetching pages as the loop asks
// for them. Every range over the sequence starts over with the first page. The
// first error is yielded with a zero summary and ends the sequence; what was
// yielded before it stands.
//
// The list may shift while it is paged through, as sessions come and go: a
// session that is met twice is yielded once. A session may still be passed over
// when another one is deleted meanwhile. A service that repeats its pages for ever
// is given up with [ErrDecode]. The overall timeout bounds each page, not the
// loop.
func (c *Client) Sessions(ctx context.Context, userID string, q Query, opts ...CallOption) iter.Seq2[asleep.SessionSummary, error] {
	return func(yield func(asleep.SessionSummary, error) bool) {
		k := c.newCall(opListSessions, opts)
		k.checkUser(userID)
		k.checkRange(q.From, q.To)
		k.checkPaging(q.Order, q.PageSize)
		k.checkNumber("limit", q.Limit)
		if err := k.refusal(); err != nil {
			yield(asleep.SessionSummary{}, err)
			return
		}
		p := newPager(k, q)
		for p.more {
			fresh, err := p.next(ctx)
			if err != nil {
				yield(asleep.SessionSummary{}, err)
				return
			}
			for _, s := range fresh {
				if !yield(s, nil) {
					return
				}
			}
		}
	}
}

// pager walks through a list that has neither a total nor a cursor.
type pager struct {
	call  *call
	query PageQuery
	size  int // of a full page
	left  int // sessions still to yield, negative if there is no limit
	seen  map[string]struct{}
	stale int // pages in a row that brought nothing new
	more  bool
}

// maxStale is how many pages in a row may bring nothing new. Some may, when the
// list grows while it is read; an upstream that ignores the offset always does.
const maxStale = 3

func newPager(k *call, q Query) *pager {
	p := &pager{
		call: k, query: PageQuery{From: q.From, To: q.To, Order: q.Order}, size: q.PageSize,
		left: -1, seen: make(map[string]struct{}), more: true,
	}
	if p.size == 0 {
		p.size = MaxPageSize
	}
	if q.Limit > 0 {
		p.left = q.Limit
	}
	return p
}

// next fetches the page that is due and returns what is new in it. A page
// shorter than asked for is the last one; behind a full one there may be an
// empty one.
func (p *pager) next(ctx context.Context) ([]asleep.SessionSummary, error) {
	p.query.PageSize = p.size
	if p.left >= 0 {
		p.query.PageSize = min(p.size, p.left)
	}
	page, err := p.call.page(ctx, p.query)
	if err != nil {
		return nil, err
	}
	got := len(page.Sessions)
	p.query.Offset += got
	fresh := slices.DeleteFunc(page.Sessions, p.known)
	if p.left >= 0 {
		fresh = fresh[:min(len(fresh), p.left)]
		p.left -= len(fresh)
	}
	p.more = got >= p.query.PageSize && p.left != 0
	if p.stale++; len(fresh) > 0 {
		p.stale = 0
	}
	if p.more && p.stale >= maxStale {
		return nil, &Error{
			Op: p.call.name, Layer: LayerDecode, StatusCode: http.StatusOK, kinds: []error{ErrDecode},
			Err: fmt.Errorf("the %d pages before offset %d hold nothing new: the service ignores the offset", p.stale, p.query.Offset),
		}
	}
	return fresh, nil
}

// known reports whether a session was met before, and notes it.
func (p *pager) known(s asleep.SessionSummary) bool {
	_, known := p.seen[s.SessionID]
	p.seen[s.SessionID] = struct{}{}
	return known
}

// page makes one request of a checked query. Zero fields are not sent.
func (k *call) page(ctx context.Context, q PageQuery) (*SessionPage, error) {
	return kept(ctx, k, pageKind, q.id(), func(ctx context.Context, k *call) (page *SessionPage, raw string, err error) {
		a, err := k.exchange(ctx, func(context.Context) (*http.Request, error) {
			return api.NewListSessionsRequest(k.client.server, &api.ListSessionsParams{
				DateGte: given(q.From), DateLte: given(q.To), OrderBy: given(q.Order),
				Offset: given(q.Offset), Limit: given(q.PageSize),
				XUserID: k.userID, Timezone: k.zone,
			})
		})
		if err != nil {
			return nil, "", err
		}
		page, err = decodeResult(a, func(result string) (*SessionPage, error) {
			raw = result
			return parsePage(result)
		})
		return page, raw, err
	})
}

// given returns nil for the zero value.
func given[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// checkRange notes dates that do not exist or are in the wrong order. Zero dates
// are open ends.
func (k *call) checkRange(from, to asleep.Date) {
	good := k.checkDate("first date", from) && k.checkDate("last date", to)
	if good && !from.IsZero() && !to.IsZero() && to.Before(from) {
		k.problem("dates", "the first date %s is after the last date %s: exchange them", from, to)
	}
}

func (k *call) checkDate(name string, d asleep.Date) bool {
	if d.IsZero() || d.Valid() {
		return true
	}
	k.problem(name, "%s does not exist: give a date of the calendar", d)
	return false
}

func (k *call) checkPaging(order asleep.SortOrder, size int) {
	switch order {
	case "", asleep.SortOrderAscending, asleep.SortOrderDescending:
	default:
		k.problem("order", "%q: give ASC or DESC", clip(string(order), 40))
	}
	if size < 0 || size > MaxPageSize {
		k.problem("page size", "is %d: give 1 to %d, or 0 for the default", size, MaxPageSize)
	}
}

func (k *call) checkNumber(name string, n int) {
	if n < 0 {
		k.problem(name, "is %d: give 0 or more", n)
	}
}
