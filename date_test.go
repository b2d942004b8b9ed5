package asleep_test

import (
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
)

func zone(tb testing.TB, name string) *time.Location {
	tb.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return loc
}

func TestDate(t *testing.T) {
	t.Parallel()
	d, err := asleep.ParseDate("2028-02-28")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.AddDays(2).String(); got != "2028-03-01" {
		t.Errorf("two days after the 28th in a leap year: %s", got)
	}
	if got := d.AddDays(-28).String(); got != "2028-01-31" {
		t.Errorf("28 days before: %s", got)
	}
	if n := d.DaysUntil(asleep.Date{Year: 2029, Month: 2, Day: 28}); n != 366 {
		t.Errorf("a leap year has %d days", n)
	}
	if n := (asleep.Date{Year: 1, Month: 1, Day: 1}).DaysUntil(asleep.Date{Year: 9999, Month: 12, Day: 31}); n != 3652058 {
		t.Errorf("the calendar has %d days", n)
	}
	if !d.Before(d.AddDays(1)) || d.Before(d) || d.Compare(d) != 0 {
		t.Error("order is wrong")
	}
	for _, bad := range []string{"", "2026-02-30", "2026-2-3", "14.03.2026", "2026-03-14T00:00:00Z", "20260314"} {
		if got, err := asleep.ParseDate(bad); err == nil {
			t.Errorf("%q = %v", bad, got)
		}
	}
	for bad := range map[asleep.Date]bool{{}: true, {2026, 2, 30}: true, {2026, 13, 1}: true, {12026, 1, 1}: true, {2026, 1, 0}: true} {
		if bad.Valid() {
			t.Errorf("%v is valid", bad)
		}
	}
}

func TestADateBeginsWhenItBegins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ date, zone, want string }{
		{"2026-03-14", "Asia/Seoul", "2026-03-14T00:00:00+09:00"},
		{"2026-03-29", "Europe/Berlin", "2026-03-29T00:00:00+01:00"}, // changes at 02:00
		{"2026-09-06", "America/Santiago", "2026-09-06T01:00:00-03:00"},
		{"2018-11-04", "America/Sao_Paulo", "2018-11-04T01:00:00-02:00"},
	} {
		d, err := asleep.ParseDate(c.date)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.In(zone(t, c.zone)).Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s begins at %s, want %s", c.date, c.zone, got, c.want)
		}
	}
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"", "2026-03-14", "2026-02-30", "0000-01-01", "9999-12-31", "2026-3-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := asleep.ParseDate(s)
		if err == nil && (d.String() != s || !d.Valid()) {
			t.Errorf("%q = %v, valid %v", s, d, d.Valid())
		}
	})
}
