package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep"
)

// Period is the width of a bucket of statistics.
type Period uint8

// The periods.
const (
	PeriodAll    Period = iota // one bucket of all
	PeriodDaily                // by the date on which a session began
	PeriodHourly               // by the hour in which it began
)

// ParsePeriod reads "all", "daily" or "hourly". The error matches [ErrInvalid].
func ParsePeriod(s string) (Period, error) {
	if i := slices.Index([]string{"all", "daily", "hourly"}, s); i >= 0 {
		return Period(i), nil //nolint:gosec // below 3
	}
	return 0, invalid("period %.40q is not known: want all, daily or hourly", s)
}

// StatsQuery selects the sessions of a user that statistics are about: those that
// began in [From, To), a zero instant being no bound.
type StatsQuery struct {
	UserID   string
	From, To time.Time
	Period   Period
}

// Normalize checks and rounds as [Query.Normalize] does.
func (q StatsQuery) Normalize() (StatsQuery, error) {
	if err := CheckID("user id", q.UserID); err != nil {
		return StatsQuery{}, err
	}
	if q.Period > PeriodHourly {
		return StatsQuery{}, invalid("period %d is not known", q.Period)
	}
	q.From, q.To = ceilMilli(q.From), ceilMilli(q.To)
	return q, nil
}

// Bucket is the statistics of one period. Sessions without a start fall into the
// bucket with no date.
type Bucket struct {
	Date     asleep.Date // of the day, or of the hour's day; zero for PeriodAll
	Hour     time.Time   // PeriodHourly: when the hour began, at the offset of the device
	Sessions int         // all that began in it, also those without figures
	figures  [metricCount]Figure
}

// Figure returns the statistics of one figure.
func (b Bucket) Figure(m Metric) Figure {
	if m >= metricCount {
		return Figure{}
	}
	return b.figures[m]
}

// Figure sums up one figure over Count sessions that have it. All is zero when
// there is none. Latest is of the session that began last.
type Figure struct {
	Count                  int
	Mean, Min, Max, Latest float64
}

// Tally computes statistics one session at a time, for backends. Of a session it
// needs ID, Start, Offset and Metrics. The zero value tallies over all; it is
// used by one goroutine.
type Tally struct {
	Period  Period
	buckets map[bucketKey]*tallied
}

type bucketKey struct {
	date asleep.Date
	hour int64 // Unix seconds
}

type tallied struct {
	Bucket
	latest [metricCount]Cursor
}

// Add counts a session.
func (t *Tally) Add(s Session) {
	key, hour := bucketKey{}, time.Time{}
	if t.Period != PeriodAll {
		key.date = s.LocalDate()
	}
	if t.Period == PeriodHourly && !s.Start.IsZero() {
		local := s.LocalStart()
		hour = local.Add(-time.Duration(local.Minute())*time.Minute - time.Duration(local.Second())*time.Second - time.Duration(local.Nanosecond()))
		key.hour = hour.Unix()
	}
	b := t.buckets[key]
	if b == nil {
		if t.buckets == nil {
			t.buckets = map[bucketKey]*tallied{}
		}
		b = &tallied{Bucket: Bucket{Date: key.date, Hour: hour}}
		t.buckets[key] = b
	}
	b.Sessions++
	for m := range metricCount {
		if v, ok := s.Metrics.Get(m); ok {
			b.add(m, v, CursorOf(s))
		}
	}
}

func (b *tallied) add(m Metric, v float64, at Cursor) {
	f := &b.figures[m]
	f.Count++
	if f.Count == 1 {
		f.Min, f.Max = v, v
	}
	f.Mean += (v - f.Mean) / float64(f.Count)
	f.Min, f.Max = min(f.Min, v), max(f.Max, v)
	if f.Count == 1 || b.latest[m].follows(at) {
		f.Latest, b.latest[m] = v, at
	}
}

// Buckets returns the statistics in ascending order.
func (t *Tally) Buckets() []Bucket {
	list := make([]Bucket, 0, len(t.buckets))
	for _, b := range t.buckets {
		list = append(list, b.Bucket)
	}
	slices.SortFunc(list, func(a, b Bucket) int {
		return cmp.Or(a.Date.Compare(b.Date), a.Hour.Compare(b.Hour))
	})
	return list
}
