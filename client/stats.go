package client

import (
	"context"
	"net/http"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/api"
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
// both inclusive and required, judged in the call's timezone. A period of more
// than [MaxStatsDays] days is split into windows of nearly equal length, asked
// for one after the other; the overall timeout bounds them together.
//
// A period without sleep has nil Averages. Any window that fails fails the call:
// the error names the window ([*WindowError]).
func (c *Client) AverageStats(ctx context.Context, userID string, from, to asleep.Date, opts ...CallOption) (*AverageStats, error) {
	k := c.newCall(opAverageStats, opts)
	k.checkUser(userID)
	k.checkPeriod(from, to)
	if err := k.refusal(); err != nil {
		return nil, err
	}
	ctx, cancel := k.bounded(ctx)
	defer cancel()
	windows := split(from, to)
	for i := range windows {
		w := &windows[i]
		stats, err := k.averages(ctx, w.From, w.To)
		switch {
		case err == nil:
			w.Stats = stats
		case len(windows) == 1:
			return nil, err
		default:
			return nil, &WindowError{From: w.From, To: w.To, Err: err}
		}
	}
	return combine(windows), nil
}

// averages makes one request of a checked period.
func (k *call) averages(ctx context.Context, from, to asleep.Date) (*asleep.AverageStats, error) {
	id := from.String() + "|" + to.String()
	return kept(ctx, k, averagesKind, id, func(ctx context.Context, k *call) (*asleep.AverageStats, string, error) {
		a, err := k.exchange(ctx, func(context.Context) (*http.Request, error) {
			return api.NewGetAverageStatsRequest(k.client.server, k.userID, &api.GetAverageStatsParams{
				StartDate: from, EndDate: to, Timezone: k.zone,
			})
		})
		if err != nil {
			return nil, "", err
		}
		stats, err := decodeResult(a, parseAverages)
		if err != nil {
			return nil, "", err
		}
		return stats, stats.Raw, nil
	})
}

// maxWindows bounds the requests of one call: 50 windows are more than 13 years.
const maxWindows = 50

func (k *call) checkPeriod(from, to asleep.Date) {
	before := len(k.problems)
	if from.IsZero() {
		k.problem("first date", "missing: averages need both dates")
	}
	if to.IsZero() {
		k.problem("last date", "missing: averages need both dates")
	}
	k.checkRange(from, to)
	if len(k.problems) > before {
		return
	}
	if days := from.DaysUntil(to) + 1; days > maxWindows*MaxStatsDays {
		k.problem("dates", "%s to %s are %d days: give at most %d", from, to, days, maxWindows*MaxStatsDays)
	}
}

// split cuts a period into the fewest windows, of lengths that differ by a day
// at most.
func split(from, to asleep.Date) []StatsWindow {
	days := from.DaysUntil(to) + 1
	windows := make([]StatsWindow, (days+MaxStatsDays-1)/MaxStatsDays)
	for i := range windows {
		length := days / (len(windows) - i)
		windows[i] = StatsWindow{From: from, To: from.AddDays(length - 1)}
		from, days = from.AddDays(length), days-length
	}
	return windows
}
