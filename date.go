package asleep

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Date is a day of the calendar, in no particular timezone. The zero Date
// means that none was given.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the date of t in t's own location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// ParseDate reads a date in the form 2026-03-14. A date that does not exist,
// such as 2026-02-30, is an error.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, fmt.Errorf("asleep: %.40q is not a date: want YYYY-MM-DD, such as 2026-03-14", s)
	}
	return DateOf(t), nil
}

// String writes the date as 2026-03-14.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// IsZero reports whether d is the zero Date.
func (d Date) IsZero() bool { return d == Date{} }

// Valid reports whether the date exists in the calendar and can be written
// with a year of four digits.
func (d Date) Valid() bool {
	return d.Year >= 0 && d.Year <= 9999 && DateOf(d.utc()) == d
}

// AddDays returns the date n days later, or earlier for a negative n.
func (d Date) AddDays(n int) Date { return DateOf(d.utc().AddDate(0, 0, n)) }

// DaysUntil returns the number of days from d to e, negative if e is earlier.
// Days of 23 and 25 hours count as one.
func (d Date) DaysUntil(e Date) int { return int((e.utc().Unix() - d.utc().Unix()) / (24 * 60 * 60)) }

// Compare is negative if d is before e, zero if they are equal, else positive.
func (d Date) Compare(e Date) int {
	return cmp.Or(cmp.Compare(d.Year, e.Year), cmp.Compare(d.Month, e.Month), cmp.Compare(d.Day, e.Day))
}

// Before reports whether d is before e.
func (d Date) Before(e Date) bool { return d.Compare(e) < 0 }

// In returns the first instant of the date in loc, which is not midnight where
// the clocks go forward at midnight.
func (d Date) In(loc *time.Location) time.Time {
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, loc)
	if DateOf(t) == d {
		return t
	}
	// Midnight does not exist: time.Date chose the offset before the change.
	// The day begins at the change itself, which lies within the next hours.
	for range 3 * 60 {
		if t = t.Add(time.Minute); DateOf(t) == d {
			break
		}
	}
	return t
}

// MarshalText writes the date as 2026-03-14. The zero Date is empty.
func (d Date) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (d *Date) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*d = Date{}
		return nil
	}
	*d, err = ParseDate(string(b))
	return err
}

// Bind reads a request parameter.
func (d *Date) Bind(s string) error { return d.UnmarshalText([]byte(strings.TrimSpace(s))) }

func (d Date) utc() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// Dates returns the first and the last date of the period, both inclusive.
func (p Period) Dates() (from, to Date, err error) {
	if from, err = ParseDate(p.StartDate); err != nil {
		return Date{}, Date{}, err
	}
	to, err = ParseDate(p.EndDate)
	return from, to, err
}
