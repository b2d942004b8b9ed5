package cli

import (
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/config"
)

func date(t *testing.T, text string) asleep.Date {
	t.Helper()
	if text == "" {
		return asleep.Date{}
	}
	d, err := asleep.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDaysCountBackFromTodayInTheTimezone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 14, 23, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		days           int
		zone, from, to string
	}{
		{1, "", "2026-03-14", "2026-03-14"},
		{7, "", "2026-03-08", "2026-03-14"},
		{1, "Asia/Seoul", "2026-03-15", "2026-03-15"},
		{2, "America/New_York", "2026-03-13", "2026-03-14"},
	} {
		a := &app{reader: config.NewReader(), origins: map[string]origin{"days": {"--days", 0}}}
		p := period{days: c.days, timezone: c.zone}
		p.resolve(a, now)
		if p.from != date(t, c.from) || p.to != date(t, c.to) || a.refusal() != nil {
			t.Errorf("%d days in %q: %s to %s, %v", c.days, c.zone, p.from, p.to, a.refusal())
		}
	}
}

func TestOfDatesAndDaysTheStrongerOriginWins(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.March, 14, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		from, to, days int // ranks; -1: not given
		wantFrom       string
		problem        string
	}{
		"dates of the command line": {0, 0, 1, "2026-03-01", ""},
		"one date is enough":        {0, -1, 1, "2026-03-01", ""},
		"days of the command line":  {1, 1, 0, "2026-03-12", ""},
		"both on the command line":  {0, -1, 0, "", "days does not go together with from: give one of them"},
		"both in the environment":   {-1, 1, 1, "", "days does not go together with to: give one of them"},
		"neither":                   {-1, -1, -1, "", ""},
	} {
		a := &app{reader: config.NewReader(), origins: map[string]origin{}}
		p := period{days: 3}
		for flag, rank := range map[string]int{"from": c.from, "to": c.to, "days": c.days} {
			if rank < 0 {
				rank = unset
			}
			a.origins[flag] = origin{flag, rank}
		}
		if c.from >= 0 {
			p.from = date(t, "2026-03-01")
		}
		p.resolve(a, now)
		got := ""
		if err := a.refusal(); err != nil {
			got = err.Error()
		}
		if got != c.problem {
			t.Errorf("%s: problem %q, want %q", name, got, c.problem)
		}
		if c.problem == "" && p.from != date(t, c.wantFrom) {
			t.Errorf("%s: from %s, want %q", name, p.from, c.wantFrom)
		}
	}
}
