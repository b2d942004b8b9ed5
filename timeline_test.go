package asleep_test

import (
	"errors"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
)

func TestIntervalsJoinEpochsWithoutGaps(t *testing.T) {
	t.Parallel()
	s := report(t, "session_complete_v3_sdk_shape.json").Session
	intervals, err := s.Intervals()
	if err != nil {
		t.Fatal(err)
	}
	at, err := s.StartTime.Time()
	if err != nil {
		t.Fatal(err)
	}
	total := map[asleep.Stage]time.Duration{}
	for i, iv := range intervals {
		if !iv.Start.Equal(at) {
			t.Fatalf("interval %d starts at %v, want %v", i, iv.Start, at)
		}
		if i > 0 && iv.Stage == intervals[i-1].Stage {
			t.Fatalf("intervals %d and %d are both %v", i-1, i, iv.Stage)
		}
		total[iv.Stage] += iv.Duration()
		at = iv.End
	}
	// The figures of the report are made of the same epochs.
	for stage, want := range map[asleep.Stage]time.Duration{asleep.StageDeep: 4980 * time.Second, asleep.StageREM: 5340 * time.Second, asleep.StageLight: 11550 * time.Second} {
		if total[stage] != want {
			t.Errorf("%v lasts %v, want %v", stage, total[stage], want)
		}
	}
	if zone := intervals[0].Start.Location().String(); zone != "Asia/Seoul" {
		t.Errorf("times are in %s, want the zone of the device", zone)
	}
}

func TestTimelineOverTheNightsTheClocksChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ start, zone, last string }{
		{"2026-03-28T22:00:00Z", "Europe/Berlin", "2026-03-29T08:59:30+02:00"}, // 23:00 to 09:00: 9 h elapsed
		{"2026-10-24T21:00:00Z", "Europe/Berlin", "2026-10-25T06:59:30+01:00"}, // 23:00 to 07:00: 9 h elapsed
	} {
		s := asleep.Session{StartTime: asleep.Timestamp(c.start), CreatedTimezone: c.zone, SleepStages: make(asleep.Stages, 9*120)}
		timeline, err := s.Timeline()
		if err != nil {
			t.Fatal(err)
		}
		var last time.Time
		n := 0
		for at := range timeline {
			if n > 0 && at.Sub(last) != asleep.EpochLength {
				t.Fatalf("epoch %d comes %v after the one before", n, at.Sub(last))
			}
			last = at
			n++
		}
		if got := last.Format(time.RFC3339); got != c.last || n != 9*120 {
			t.Errorf("%d epochs, the last at %s, want %s", n, got, c.last)
		}
	}
}

func TestTimelineCanBeLeftAndRangedAgain(t *testing.T) {
	t.Parallel()
	s := asleep.Session{StartTime: "2026-03-14T13:51:07Z", SleepStages: asleep.Stages{0, 1, 2}}
	timeline, err := s.Timeline()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, stage := range timeline {
			if stage != asleep.StageWake {
				t.Errorf("first stage is %v", stage)
			}
			break
		}
	}
}

func TestLocalDates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ start, zone, local, night string }{
		{"2026-03-14T13:51:07+00:00", "Asia/Seoul", "2026-03-14", "2026-03-14"}, // 22:51
		{"2026-03-14T16:30:00+00:00", "Asia/Seoul", "2026-03-15", "2026-03-14"}, // 01:30
		{"2026-03-15T01:30:00+09:00", "", "2026-03-15", "2026-03-14"},           // the offset decides
		{"2026-03-15T01:30:00+09:00", "Mars/Olympus", "2026-03-15", "2026-03-14"},
		{"2026-03-29T09:30:00Z", "Europe/Berlin", "2026-03-29", "2026-03-28"}, // 11:30, twelve hours before is 22:30
		{"2026-03-29T10:30:00Z", "Europe/Berlin", "2026-03-29", "2026-03-29"}, // 12:30, twelve hours before is 23:30
		{"2026-03-29T00:30:00Z", "Europe/Berlin", "2026-03-29", "2026-03-28"},
		{"2026-01-01T00:10:00Z", "UTC", "2026-01-01", "2025-12-31"},
		{"2026-03-14T13:51:07", "America/New_York", "2026-03-14", "2026-03-13"}, // zone-less is UTC: 09:51
	} {
		s := asleep.Session{StartTime: asleep.Timestamp(c.start), CreatedTimezone: c.zone}
		item := asleep.SessionSummary{SessionStartTime: s.StartTime, CreatedTimezone: c.zone}
		for _, f := range []struct {
			name string
			get  func() (asleep.Date, error)
			want string
		}{
			{"LocalDate", s.LocalDate, c.local},
			{"NightDate", s.NightDate, c.night},
			{"LocalDate of the summary", item.LocalDate, c.local},
			{"NightDate of the summary", item.NightDate, c.night},
		} {
			if got, err := f.get(); err != nil || got.String() != f.want {
				t.Errorf("%s of %s in %q is %v (%v), want %s", f.name, c.start, c.zone, got, err, f.want)
			}
		}
	}
	empty := asleep.Session{}
	if _, err := empty.LocalDate(); !errors.Is(err, asleep.ErrNoTime) {
		t.Errorf("without a start: %v", err)
	}
	if _, err := empty.Intervals(); !errors.Is(err, asleep.ErrNoTime) {
		t.Errorf("without a start: %v", err)
	}
	if _, err := (&asleep.Session{CreatedTimezone: "Local"}).Location(); err == nil {
		t.Error("Local is the zone of this machine, never that of a device")
	}
}
