package client

import (
	"context"
	"time"

	"github.com/asleep-sdk/asleep"
)

// SummaryDays is the length of the period of a [Summary], today included.
const SummaryDays = 30

// Summary is how a user has slept lately.
type Summary struct {
	// From and To are the period, both inclusive, in the call's timezone.
	From, To asleep.Date
	// LastSession is the newest session, also when it is older than the
	// period or still being recorded; nil if the user has none.
	LastSession *asleep.SessionSummary
	// Averages are those of the period; its member Averages is nil without
	// sleep.
	Averages *asleep.AverageStats
	// SessionCount is the number of sessions begun in the period, whatever
	// their state. With MoreSessions there are at least as many.
	SessionCount int
	MoreSessions bool
}

// Summary reads the last session, the averages of the last [SummaryDays] days
// and the number of sessions in them, in two calls one after the other. If one of
// them fails, so does the summary. The overall timeout bounds both together.
func (c *Client) Summary(ctx context.Context, userID string, opts ...CallOption) (*Summary, error) {
	list := c.newCall(opListSessions, opts)
	list.checkUser(userID)
	if err := list.refusal(); err != nil {
		return nil, err
	}
	ctx, cancel := list.bounded(ctx)
	defer cancel()
	stats := c.newCall(opAverageStats, opts)
	stats.checkUser(userID)

	zone := time.UTC
	if list.zone != nil {
		zone = c.zones.location(*list.zone)
	}
	to := asleep.DateOf(time.Now().In(zone))
	s := &Summary{From: to.AddDays(1 - SummaryDays), To: to}
	page, err := list.page(ctx, PageQuery{Order: asleep.SortOrderDescending, PageSize: MaxPageSize})
	if err != nil {
		return nil, err
	}
	s.count(page.Sessions, zone)
	if s.Averages, err = stats.averages(ctx, s.From, s.To); err != nil {
		return nil, err
	}
	return s, nil
}

// count takes the newest session and counts those begun in the period. A full
// page that lies in it altogether may have more behind it.
func (s *Summary) count(newestFirst []asleep.SessionSummary, zone *time.Location) {
	if len(newestFirst) == 0 {
		return
	}
	last := newestFirst[0]
	s.LastSession = &last
	for i := range newestFirst {
		began, err := newestFirst[i].SessionStartTime.Time()
		if err != nil {
			continue // without a start it belongs to no date
		}
		if on := asleep.DateOf(began.In(zone)); !on.Before(s.From) && !s.To.Before(on) {
			s.SessionCount++
		}
	}
	s.MoreSessions = len(newestFirst) >= MaxPageSize && s.SessionCount == len(newestFirst)
}
