package relational

import (
	"math"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// ZeroMilli is what an unknown instant is stored as: the zero time of Go.
const ZeroMilli int64 = -62135596800000

// FromMilli reads the column of an instant.
func FromMilli(ms int64) time.Time {
	if ms == ZeroMilli {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// CeilMilli rounds up: what is stored is whole milliseconds, and one before a
// fraction of the next is before it.
func CeilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// DateNumber writes a date as yyyymmdd, the zero date as 0.
func DateNumber(d asleep.Date) int64 {
	return int64(d.Year)*10_000 + int64(d.Month)*100 + int64(d.Day)
}

// Dates is the range of date numbers that a query selects, both inclusive.
func Dates(q store.Query) (first, last int64) {
	last = math.MaxInt64
	if !q.ToDate.IsZero() {
		last = DateNumber(q.ToDate)
	}
	return max(1, DateNumber(q.FromDate)), last
}

// Starts is the range of starts, from <= start < to, that a query reads. It is
// narrowed to what the dates and the cursor allow, as only that is looked up in
// an index: a local date lies within a day of the same date in UTC. Without it a
// page would read all pages before it.
func Starts(q store.Query) (from, to int64) {
	from, to = Bounds(q.From, q.To)
	if !q.After.IsZero() {
		to = min(to, q.After.Start.UnixMilli()+1)
	}
	if !q.FromDate.IsZero() {
		from = max(from, q.FromDate.AddDays(-1).In(time.UTC).UnixMilli())
	}
	if !q.ToDate.IsZero() {
		to = min(to, q.ToDate.AddDays(2).In(time.UTC).UnixMilli())
	}
	return from, to
}

// Bounds is a range of instants; a zero one is no bound.
func Bounds(after, before time.Time) (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if !after.IsZero() {
		from = after.UnixMilli()
	}
	if !before.IsZero() {
		to = before.UnixMilli()
	}
	return from, to
}
