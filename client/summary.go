package client

import (
	"context"

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
// and the number of sessions in them, in two calls. If one of them fails, so
// does the summary.
func (c *Client) Summary(ctx context.Context, userID string, opts ...CallOption) (*Summary, error) {
	panic("client: not built yet")
}
