package asleep

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Seconds is a duration in seconds, as the service counts them.
type Seconds float64

// Duration converts to a [time.Duration]; ok is false for nil. A value beyond
// the range of a Duration becomes the nearest one within.
func (s *Seconds) Duration() (d time.Duration, ok bool) {
	if s == nil {
		return 0, false
	}
	ns := float64(*s) * float64(time.Second)
	switch {
	case math.IsNaN(ns):
		return 0, false
	case ns >= math.MaxInt64:
		return math.MaxInt64, true
	case ns <= math.MinInt64:
		return math.MinInt64, true
	}
	return time.Duration(math.Round(ns)), true
}

// Ratio is a share between 0 and 1.
type Ratio float64

// Count is a number of occurrences. In averages it may be fractional.
type Count float64

// Int is a whole number that the wire may write as 12 or as 12.0. A number
// with a fraction is rounded to the nearest whole one, and one beyond 64 bits
// becomes the nearest within; the number as it came stays in Raw.
type Int int64

// UnmarshalJSON accepts any JSON number. Null leaves the value as it is.
func (i *Int) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		*i = Int(n)
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil && !math.IsInf(f, 0) {
		return fmt.Errorf("asleep: %.40q is not a number", b)
	}
	switch f = math.RoundToEven(f); {
	case math.IsNaN(f):
		return fmt.Errorf("asleep: %.40q is not a number", b)
	case f >= math.MaxInt64:
		*i = math.MaxInt64
	case f <= math.MinInt64:
		*i = math.MinInt64
	default:
		*i = Int(f)
	}
	return nil
}

// A share above this is meant as a percentage: the service writes both, and
// nobody sleeps 150 % of the time in bed.
const percentFrom = 1.5

func ratioOf(v *float64) (ratio float64, ok bool) {
	switch {
	case v == nil:
		return 0, false
	case *v > percentFrom:
		return *v / 100, true
	}
	return *v, true
}

// Efficiency is the share of the time in bed that was slept, 0 to 1, whether
// the wire has a ratio or a percentage. It is not known (ok is false) for a nil
// Stat or an absent member.
func (s *Stat) Efficiency() (ratio float64, ok bool) {
	if s == nil {
		return 0, false
	}
	return ratioOf(s.SleepEfficiency)
}

// Efficiency is the mean share of the time in bed that was slept; see
// [Stat.Efficiency].
func (a *Averages) Efficiency() (ratio float64, ok bool) {
	if a == nil {
		return 0, false
	}
	return ratioOf(a.SleepEfficiency)
}

// Efficiency is the share of the time in bed that was slept; see
// [Stat.Efficiency].
func (s *SleptSession) Efficiency() (ratio float64, ok bool) {
	if s == nil {
		return 0, false
	}
	return ratioOf(s.SleepEfficiency)
}
