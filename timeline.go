package asleep

import (
	"fmt"
	"iter"
	"sync"
	"time"
)

// StageInterval is a run of epochs of one stage. End is the end of its last
// epoch and the start of the next interval.
type StageInterval struct {
	Stage      Stage
	Start, End time.Time
}

// Duration is the length of the interval.
func (i StageInterval) Duration() time.Duration { return i.End.Sub(i.Start) }

// Timeline iterates over the epochs, each with the instant it begins at, in
// the zone of the recording device. Epochs are counted in elapsed time, so a
// night of 23 or 25 hours is neither stretched nor torn. The error is that of
// [Timestamp.Time] for the start; a session without stages gives an empty
// sequence.
func (s *Session) Timeline() (iter.Seq2[time.Time, Stage], error) {
	start, err := s.start()
	if err != nil {
		return nil, err
	}
	return func(yield func(time.Time, Stage) bool) {
		for i, stage := range s.SleepStages {
			if !yield(start.Add(time.Duration(i)*EpochLength), stage) {
				return
			}
		}
	}, nil
}

// Intervals joins neighbouring epochs of one stage, in order and without gaps.
// The error is that of [Timestamp.Time] for the start.
func (s *Session) Intervals() ([]StageInterval, error) {
	timeline, err := s.Timeline()
	if err != nil {
		return nil, err
	}
	var list []StageInterval
	for at, stage := range timeline {
		if n := len(list); n == 0 || list[n-1].Stage != stage {
			list = append(list, StageInterval{Stage: stage, Start: at})
		}
		list[len(list)-1].End = at.Add(EpochLength)
	}
	return list, nil
}

// Location is the zone of the recording device. If it is absent, unknown to
// this machine, or "Local", the error says so.
func (s *Session) Location() (*time.Location, error) { return location(s.CreatedTimezone) }

// LocalDate is the date on which the session began, where the device was. If
// the zone of the device is not known, the offset of the start time decides.
func (s *Session) LocalDate() (Date, error) {
	start, err := s.start()
	if err != nil {
		return Date{}, err
	}
	return DateOf(start), nil
}

// NightDate is the date of the evening that the session belongs to: a session
// that began before noon, where the device was, counts to the day before. It is
// what a calendar of nights shows; a nap in the morning counts as the end of
// the night before.
func (s *Session) NightDate() (Date, error) {
	start, err := s.start()
	if err != nil {
		return Date{}, err
	}
	return nightOf(start), nil
}

// LocalDate is the date on which the session began; see [Session.LocalDate].
func (s *SessionSummary) LocalDate() (Date, error) {
	start, err := startIn(s.SessionStartTime, s.CreatedTimezone)
	if err != nil {
		return Date{}, err
	}
	return DateOf(start), nil
}

// NightDate is the date of the evening that the session belongs to; see
// [Session.NightDate].
func (s *SessionSummary) NightDate() (Date, error) {
	start, err := startIn(s.SessionStartTime, s.CreatedTimezone)
	if err != nil {
		return Date{}, err
	}
	return nightOf(start), nil
}

func (s *Session) start() (time.Time, error) { return startIn(s.StartTime, s.CreatedTimezone) }

func startIn(at Timestamp, zone string) (time.Time, error) {
	t, err := at.Time()
	if err != nil {
		return time.Time{}, fmt.Errorf("asleep: start of the session: %w", err)
	}
	if loc, err := location(zone); err == nil {
		t = t.In(loc)
	}
	return t, nil
}

// nightOf works on the calendar, not by subtracting twelve hours, which would
// be off by one on the days that the clocks change.
func nightOf(start time.Time) Date {
	if start.Hour() < 12 {
		return DateOf(start).AddDays(-1)
	}
	return DateOf(start)
}

// Zones that were loaded: time.LoadLocation reads a file each time. Only zones
// that exist are kept, so their number is bounded.
var zones sync.Map // name -> *time.Location

func location(name string) (*time.Location, error) {
	if v, ok := zones.Load(name); ok {
		if loc, ok := v.(*time.Location); ok {
			return loc, nil
		}
	}
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("asleep: %q names no timezone", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("asleep: timezone %.60q is not known here: want an IANA name, such as Asia/Seoul", name)
	}
	zones.Store(name, loc)
	return loc, nil
}
