package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/asleep-sdk/asleep"
)

// maxDays bounds --days: a century.
const maxDays = 36525

// period is a range of dates, both inclusive, judged in a timezone: --from and
// --to, or --days back from today.
type period struct {
	from, to asleep.Date
	days     int
	timezone string
}

func (p *period) add(flags *pflag.FlagSet) {
	addDate(flags, &p.from, "from", "first date, inclusive")
	addDate(flags, &p.to, "to", "last date, inclusive")
	addInt(flags, &p.days, "days", "N", "the last N days, today included, in place of --from and --to", 1, maxDays)
	addZone(flags, &p.timezone, "timezone", "IANA name of the zone that dates are judged and answers are written in (default UTC)")
}

// resolve turns --days into dates, and notes what does not fit together. Where
// days and dates come from different places, as --days and ASLEEP_FROM, the
// stronger place wins. A date that was not given stays zero.
func (p *period) resolve(a *app, now time.Time) {
	from, to, days := a.origin("from"), a.origin("to"), a.origin("days")
	dates := from
	if to.rank < from.rank {
		dates = to
	}
	switch {
	case days.rank == unset || dates.rank < days.rank:
		// The dates stand, and may be none.
	case days.rank < dates.rank:
		p.from, p.to = asleep.Date{}, asleep.Date{}
		if p.days > 0 { // else its problem is noted
			p.to = p.today(now)
			p.from = p.to.AddDays(1 - p.days)
		}
		return
	default:
		a.problem(days.label, "does not go together with %s: give one of them", dates.label)
		return
	}
	if !p.from.IsZero() && !p.to.IsZero() && p.to.Before(p.from) {
		a.problem(from.label, "%s is after %s %s: swap them", p.from, to.label, p.to)
	}
}

// today is the date in the timezone.
func (p *period) today(now time.Time) asleep.Date {
	loc, err := loadZone(p.timezone)
	if err != nil {
		loc = time.UTC
	}
	return asleep.DateOf(now.In(loc))
}

// given reports whether there is any date.
func (p *period) given() bool { return !p.from.IsZero() || !p.to.IsZero() }
