package asleeptest

import (
	"math"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep"
)

// Bodies are appended by hand: a report is three arrays of a thousand numbers,
// which reflection would make the price of every test that reads many.

const (
	timeLayout     = "2006-01-02T15:04:05-07:00"
	zonelessLayout = "2006-01-02T15:04:05"
)

// analysis is a session as it can be told at an instant.
type analysis struct {
	state         asleep.SessionState
	night         night
	missing       float64
	stat          *figures
	peculiarities []asleep.Peculiarity
}

// Bounds of what can be analysed.
const (
	shortest     = 5 * time.Minute
	longest      = 24 * time.Hour
	mostDefects  = 0.25
	reportSize   = 8 << 10 // of a report, about
	listItemSize = 300
)

// analyse says what the service would say of a recording.
func analyse(r *recording, now time.Time) analysis {
	a := analysis{state: r.state(now), night: newNight(r).cut(r.recorded(now))}
	if a.state != asleep.SessionStateComplete {
		a.night.breath = nil
		a.peculiarities = append(a.peculiarities, asleep.PeculiarityInProgress)
		if r.scope != PlanFull {
			a.peculiarities = append(a.peculiarities, asleep.PeculiarityNoBreathingStability)
		}
		if r.noPolling {
			a.night = night{}
			a.peculiarities = append(a.peculiarities, asleep.PeculiarityNoRealtimePolling)
		}
		return a
	}
	a.missing = a.night.missing()
	if r.length < shortest {
		a.night = night{stages: []int8{}, snoring: []int8{}}
		a.peculiarities = append(a.peculiarities, asleep.PeculiarityTooShortForAnalysis)
		return a
	}
	if a.missing > mostDefects {
		a.peculiarities = append(a.peculiarities, asleep.PeculiarityTooManyDefectsInSleepStages)
		return a
	}
	a.stat = measure(a.night, r)
	if !a.stat.slept {
		a.peculiarities = append(a.peculiarities, asleep.PeculiarityNeverSlept)
	}
	if r.kind == NeverSleptNull {
		a.stat = nil
		return a
	}
	if r.length > longest {
		a.peculiarities = append(a.peculiarities, asleep.PeculiarityTooLongForAnalysis)
	}
	if a.night.breath == nil {
		a.peculiarities = append(a.peculiarities, asleep.PeculiarityNoBreathingStability)
	}
	return a
}

// appendReport appends the result of getSession.
func appendReport(b []byte, r *recording, now time.Time, z *zone) []byte {
	a := analyse(r, now)
	b = append(b, `{"timezone":`...)
	b = appendString(b, z.name)
	b = append(b, `,"peculiarities":`...)
	b = appendPeculiarities(b, a.peculiarities)
	b = append(b, `,"missing_data_ratio":`...)
	b = appendRatio(b, a.missing)
	b = append(b, `,"session":`...)
	b = appendSession(b, r, &a, z.loc)
	b = append(b, `,"stat":`...)
	if a.stat == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, '{')
		b = appendStat(b, a.stat, z.loc)
		b = append(b, `,"sleep_cycle_time":`...)
		b = appendBoundaries(b, a.stat.boundaries, z.loc)
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendPeculiarities(b []byte, list []asleep.Peculiarity) []byte {
	b = append(b, '[')
	for i, p := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, string(p))
	}
	return append(b, ']')
}

func appendSession(b []byte, r *recording, a *analysis, loc *time.Location) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, r.id)
	b = append(b, `,"state":"`...)
	b = append(b, a.state...)
	b = append(b, `","start_time":`...)
	b = appendTime(b, r.start, loc)
	b = append(b, `,"end_time":`...)
	b = appendTime(b, r.ended(a.state), loc)
	b = append(b, `,"unexpected_end_time":`...)
	b = appendTime(b, r.brokenOff(a.state), loc)
	b = append(b, `,"created_timezone":`...)
	b = appendString(b, r.zone.name)
	b = append(b, `,"sleep_stages":`...)
	b = appendEpochs(b, a.night.stages)
	b = append(b, `,"breath_stages":`...)
	b = appendEpochs(b, a.night.breath)
	b = append(b, `,"snoring_stages":`...)
	b = appendEpochs(b, a.night.snoring)
	return append(b, '}')
}

// ended is the end of a recording, or zero while it is open.
func (r *recording) ended(state asleep.SessionState) time.Time {
	if state == asleep.SessionStateOpen {
		return time.Time{}
	}
	return r.end()
}

// brokenOff is the end of a recording that the server put an end to.
func (r *recording) brokenOff(state asleep.SessionState) time.Time {
	if r.length <= longest {
		return time.Time{}
	}
	return r.ended(state)
}

// appendStat appends the members that a report and an averaged session have in
// common, without braces.
func appendStat(b []byte, f *figures, loc *time.Location) []byte {
	b = append(b, `"sleep_time":`...)
	b = appendTime(b, f.sleepTime, loc)
	b = append(b, `,"wake_time":`...)
	b = appendTime(b, f.wakeTime, loc)
	for _, m := range f.members() {
		b = append(b, ',', '"')
		b = append(b, m.name...)
		b = append(b, '"', ':')
		switch {
		case math.IsNaN(m.value):
			b = append(b, "null"...)
		case m.form == inRatio:
			b = appendRatio(b, round(m.value, 2))
		case m.form == inTenths:
			b = appendRatio(b, round(m.value, 1))
		default:
			b = strconv.AppendInt(b, int64(m.value), 10)
		}
	}
	b = append(b, `,"breathing_pattern":`...)
	return appendPattern(b, f)
}

// unstableFrom is the breathing index from which the pattern is called
// unstable.
const unstableFrom = 15

func appendPattern(b []byte, f *figures) []byte {
	switch {
	case math.IsNaN(f.breathingIndex):
		return append(b, "null"...)
	case f.breathingIndex < unstableFrom:
		return append(b, `"STABLE_BREATH"`...)
	}
	return append(b, `"UNSTABLE_BREATH"`...)
}

func appendBoundaries(b []byte, list []time.Time, loc *time.Location) []byte {
	b = append(b, '[')
	for i, t := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTime(b, t, loc)
	}
	return append(b, ']')
}

// appendTime appends an instant as seen in loc, or null for the zero time.
func appendTime(b []byte, t time.Time, loc *time.Location) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = t.In(loc).AppendFormat(b, timeLayout)
	return append(b, '"')
}

// appendRatio appends a number that always has a fraction, as the service
// writes them.
func appendRatio(b []byte, v float64) []byte {
	if v == math.Trunc(v) {
		return strconv.AppendFloat(b, v, 'f', 1, 64)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

func appendEpochs(b []byte, values []int8) []byte {
	if values == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		if v < 0 {
			b = append(b, '-')
			v = -v
		}
		b = append(b, '0'+byte(v)) //nolint:gosec // a stage is one digit
	}
	return append(b, ']')
}
