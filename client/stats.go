package client

import (
	"context"

	"github.com/asleep-sdk/asleep"
)

// MaxStatsDays is the longest period, in days with both ends counted, that is
// asked for in one request. The service refuses longer ones.
const MaxStatsDays = 100

// AverageStats are the averages of a user over a period of any length.
type AverageStats struct {
	// AverageStats is the answer for the whole period. With several windows it
	// is made of theirs as Combination says, its lists are theirs one after the
	// other, and its Raw is empty.
	asleep.AverageStats
	// Combination says how the averages were made.
	Combination Combination
	// Windows are the parts that the service was asked for, oldest first. They
	// cover the period without gaps.
	Windows []StatsWindow
}

// StatsWindow is one part of a period.
type StatsWindow struct {
	From, To asleep.Date // both inclusive, at most MaxStatsDays days
	// Weight is what the window counted for in the combination: its slept
	// sessions or its days. 0 without averages.
	Weight float64
	// Stats is the service's answer.
	Stats *asleep.AverageStats
}

// Combination says how averages were made of those of several windows.
type Combination string

// The ways of combining.
const (
	// CombinationNone: one window, the service's own averages.
	CombinationNone Combination = "none"
	// CombinationBySessions: means weighted by the number of slept sessions of
	// each window; clock times by the circular mean with the same weights.
	CombinationBySessions Combination = "by_slept_sessions"
	// CombinationByDays: the same weighted by the days of each window, since
	// not every window listed its slept sessions. An approximation.
	CombinationByDays Combination = "by_days"
)

// AverageStats reads the averages of a user from the first date to the last,
// both inclusive, judged in the call's timezone. A period of more than
// [MaxStatsDays] days is split into windows of nearly equal length, asked for
// one after the other; the overall timeout bounds them together.
//
// A period without sleep has nil Averages. Any window that fails fails the call:
// the error names the window ([*WindowError]).
func (c *Client) AverageStats(ctx context.Context, userID string, from, to asleep.Date, opts ...CallOption) (*AverageStats, error) {
	panic("client: not built yet")
}
