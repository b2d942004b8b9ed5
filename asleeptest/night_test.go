package asleeptest_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
)

// Everything that a report says twice must agree, over thousands of nights of
// all kinds, in all zones, across both changes of the clocks.
func TestReportsAreConsistent(t *testing.T) {
	t.Parallel()
	kinds, peculiarities := map[asleeptest.NightKind]int{}, map[asleep.Peculiarity]int{}
	nights, longer, shorter := 0, 0, 0
	for _, last := range []asleep.Date{{Year: 2026, Month: 3, Day: 31}, {Year: 2026, Month: 11, Day: 8}} {
		s := asleeptest.New(asleeptest.Config{Users: 60, SessionsPerUser: 40, Seed: 7, LastNight: last})
		for user := range s.Users() {
			for _, session := range s.Sessions(user) {
				r, ok := s.Report(session.ID, session.Zone)
				if !ok {
					t.Fatalf("no report of %s", session.ID)
				}
				if err := consistent(session, r); err != nil {
					t.Fatalf("%s of %s (%s, %s): %v", session.ID, user, session.Kind, session.Plan, err)
				}
				switch change := offset(t, r.Session.EndTime) - offset(t, r.Session.StartTime); {
				case change > 0:
					shorter++
				case change < 0:
					longer++
				}
				kinds[session.Kind]++
				for _, p := range r.Peculiarities {
					peculiarities[p]++
				}
				nights++
			}
		}
	}
	if nights != 2*60*40 {
		t.Errorf("%d nights, want %d", nights, 2*60*40)
	}
	if longer < 20 || shorter < 20 {
		t.Errorf("%d nights of a day of 25 hours, %d of one of 23", longer, shorter)
	}
	for _, k := range []asleeptest.NightKind{
		asleeptest.Night, asleeptest.Nap, asleeptest.NeverSlept, asleeptest.NeverSleptNull, asleeptest.TooShort, asleeptest.TooLong, asleeptest.Defects,
	} {
		if kinds[k] == 0 {
			t.Errorf("no night of kind %q among %v", k, kinds)
		}
	}
	for _, p := range []asleep.Peculiarity{
		asleep.PeculiarityNeverSlept, asleep.PeculiarityTooShortForAnalysis, asleep.PeculiarityTooLongForAnalysis,
		asleep.PeculiarityTooManyDefectsInSleepStages, asleep.PeculiarityNoBreathingStability,
	} {
		if peculiarities[p] == 0 {
			t.Errorf("no report has %s", p)
		}
	}
}

// offset is that of a timestamp from UTC, in seconds.
func offset(t *testing.T, ts asleep.Timestamp) int {
	t.Helper()
	at, err := ts.Time()
	if err != nil {
		t.Fatal(err)
	}
	_, seconds := at.Zone()
	return seconds
}

// checker collects the first thing that does not agree.
type checker struct{ err error }

func (c *checker) that(ok bool, format string, args ...any) {
	if !ok && c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func equal[T ~float64](c *checker, what string, got *T, want float64) {
	c.that(got != nil && float64(*got) == want, "%s is %v, want %v", what, deref(got), want)
}

func ratio[T ~float64](c *checker, what string, got *T, part, whole float64) {
	want := math.Round(part/whole*100) / 100
	c.that(got != nil && float64(*got) == want, "%s is %v, want %v", what, deref(got), want)
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

func consistent(session asleeptest.Session, r *asleep.Report) error {
	c := new(checker)
	start, err1 := r.Session.StartTime.Time()
	end, err2 := r.Session.EndTime.Time()
	c.that(err1 == nil && err2 == nil, "times %q, %q", r.Session.StartTime, r.Session.EndTime)
	c.that(start.Equal(session.Start) && end.Equal(session.End), "times %s, %s are not the session's", start, end)
	c.that(session.ID[:14] == start.UTC().Format("20060102150405"), "id %s does not bear the start %s", session.ID, start)
	c.that(r.Immutable(), "it is not complete")
	inBed := end.Sub(start).Seconds()
	epochs := int(inBed / 30)
	if r.Has(asleep.PeculiarityTooShortForAnalysis) {
		epochs = 0
	}
	stages, breath, snoring := r.Session.SleepStages, r.Session.BreathStages, r.Session.SnoringStages
	c.that(len(stages) == epochs && len(snoring) == epochs, "%d stages, %d snoring, want %d", len(stages), len(snoring), epochs)
	c.that(breath == nil || len(breath) == epochs, "%d breath stages, want %d", len(breath), epochs)
	c.that(session.Plan == asleeptest.PlanFull || breath == nil, "breath on plan %s", session.Plan)
	missing := 0.0
	for _, s := range stages {
		c.that(s >= asleep.StageUnknown && s <= asleep.StageREM, "stage %d", s)
		c.that(session.Plan != asleeptest.PlanTwoStage || s <= asleep.StageLight, "stage %d on the two-stage plan", s)
		if s == asleep.StageUnknown {
			missing++
		}
	}
	if epochs > 0 {
		ratio(c, "missing_data_ratio", r.MissingDataRatio, missing, float64(epochs))
	}
	c.that((session.Kind == asleeptest.TooLong) == r.Has(asleep.PeculiarityTooLongForAnalysis), "too long, or not")
	if r.Stat == nil {
		noStat := []asleeptest.NightKind{asleeptest.TooShort, asleeptest.NeverSleptNull, asleeptest.Defects}
		c.that(slices.Contains(noStat, session.Kind), "stat is null")
		return c.err
	}
	equal(c, "time_in_bed", r.Stat.TimeInBed, inBed)
	if r.Has(asleep.PeculiarityNeverSlept) {
		equal(c, "time_in_sleep", r.Stat.TimeInSleep, 0)
		c.that(r.Stat.SleepTime == "" && r.Stat.SleepLatency == nil && r.Stat.SleepRatio == nil, "figures of sleep without sleep")
		return c.err
	}
	c.sleep(r, start, end)
	return c.err
}

func (c *checker) sleep(r *asleep.Report, start, end time.Time) {
	st := r.Stat
	asleepAt := func(s asleep.Stage) bool { return s.Asleep() }
	first := slices.IndexFunc(r.Session.SleepStages, asleepAt)
	last := len(r.Session.SleepStages)
	for ; !r.Session.SleepStages[last-1].Asleep(); last-- {
	}
	fell, woke := start.Add(time.Duration(first)*asleep.EpochLength), start.Add(time.Duration(last)*asleep.EpochLength)
	sleepTime, ok1 := st.SleepTime.Instant()
	wakeTime, ok2 := st.WakeTime.Instant()
	c.that(ok1 && ok2 && sleepTime.Equal(fell) && wakeTime.Equal(woke), "asleep from %s to %s, want %s to %s", st.SleepTime, st.WakeTime, fell, woke)
	period := woke.Sub(fell).Seconds()
	equal(c, "time_in_sleep_period", st.TimeInSleepPeriod, period)
	equal(c, "sleep_latency", st.SleepLatency, fell.Sub(start).Seconds())
	equal(c, "wakeup_latency", st.WakeupLatency, end.Sub(woke).Seconds())
	stages := r.Session.SleepStages[first:last]
	count := map[asleep.Stage]float64{}
	for _, s := range stages {
		count[s] += 30
	}
	inSleep := count[asleep.StageLight] + count[asleep.StageDeep] + count[asleep.StageREM]
	equal(c, "time_in_sleep", st.TimeInSleep, inSleep)
	equal(c, "time_in_wake", st.TimeInWake, count[asleep.StageWake])
	c.that(inSleep+count[asleep.StageWake] == period, "sleep and wake are not the period")
	ratio(c, "sleep_efficiency", st.SleepEfficiency, inSleep, end.Sub(start).Seconds())
	ratio(c, "sleep_ratio", st.SleepRatio, inSleep, period)
	ratio(c, "wake_ratio", st.WakeRatio, count[asleep.StageWake], period)
	c.that(st.SleepIndex != nil && *st.SleepIndex >= 50 && *st.SleepIndex <= 100, "sleep_index %v", deref(st.SleepIndex))
	wakes, longest := runsOf(stages, asleep.StageWake)
	equal(c, "waso_count", st.WASOCount, wakes)
	equal(c, "longest_waso", st.LongestWASO, longest)
	c.snoring(r, first, last, period)
	c.breath(r, first, last, period)
	c.staged(r, stages, count, period, fell)
}

func (c *checker) snoring(r *asleep.Report, first, last int, period float64) {
	snoring := r.Session.SnoringStages[first:last]
	n, _ := runsOf(snoring, asleep.SnoringHeard)
	equal(c, "snoring_count", r.Stat.SnoringCount, n)
	heard := timeOf(snoring, asleep.SnoringHeard)
	equal(c, "time_in_snoring", r.Stat.TimeInSnoring, heard)
	equal(c, "time_in_no_snoring", r.Stat.TimeInNoSnoring, period-heard)
	ratio(c, "snoring_ratio", r.Stat.SnoringRatio, heard, period)
	ratio(c, "no_snoring_ratio", r.Stat.NoSnoringRatio, period-heard, period)
}

func (c *checker) breath(r *asleep.Report, first, last int, period float64) {
	st := r.Stat
	if r.Session.BreathStages == nil {
		c.that(st.TimeInStableBreath == nil && st.TimeInUnstableBreath == nil && st.StableBreathRatio == nil && st.UnstableBreathRatio == nil &&
			st.BreathingIndex == nil && st.BreathingPattern == "" && st.UnstableBreathCount == nil, "figures of breath without breath")
		c.that(r.Has(asleep.PeculiarityNoBreathingStability), "no breath, and no peculiarity")
		return
	}
	breath := r.Session.BreathStages[first:last]
	n, _ := runsOf(breath, asleep.BreathUnstable)
	unstable := timeOf(breath, asleep.BreathUnstable)
	equal(c, "unstable_breath_count", st.UnstableBreathCount, n)
	equal(c, "time_in_unstable_breath", st.TimeInUnstableBreath, unstable)
	equal(c, "time_in_stable_breath", st.TimeInStableBreath, period-unstable)
	ratio(c, "unstable_breath_ratio", st.UnstableBreathRatio, unstable, period)
	ratio(c, "stable_breath_ratio", st.StableBreathRatio, period-unstable, period)
	c.that(st.BreathingPattern != "" && st.BreathingIndex != nil, "no index or pattern of breath")
}

func (c *checker) staged(r *asleep.Report, stages asleep.Stages, count map[asleep.Stage]float64, period float64, fell time.Time) {
	st := r.Stat
	cycles, _ := runsOf(stages, asleep.StageREM)
	equal(c, "sleep_cycle_count", st.SleepCycleCount, cycles)
	times := st.SleepCycleTime.Times()
	if cycles > 0 {
		c.that(len(times) == int(cycles)+1 && times[0].Equal(fell), "cycles at %v", times)
		mean := math.Round(times[len(times)-1].Sub(fell).Seconds() / cycles)
		got, ok := st.SleepCycle.Length()
		c.that(ok && got.Seconds() == mean, "sleep_cycle is %v, want %v", got, mean)
	} else {
		c.that(len(times) == 0, "cycles at %v, and none counted", times)
	}
	if st.TimeInLight == nil {
		c.that(st.TimeInDeep == nil && st.TimeInREM == nil && st.LightRatio == nil && st.DeepRatio == nil && st.REMRatio == nil &&
			st.LightLatency == nil && st.DeepLatency == nil && st.REMLatency == nil, "figures of stages on the two-stage plan")
		return
	}
	for _, s := range []struct {
		stage   asleep.Stage
		time    *asleep.Seconds
		ratio   *asleep.Ratio
		latency *asleep.Seconds
	}{
		{asleep.StageLight, st.TimeInLight, st.LightRatio, st.LightLatency},
		{asleep.StageDeep, st.TimeInDeep, st.DeepRatio, st.DeepLatency},
		{asleep.StageREM, st.TimeInREM, st.REMRatio, st.REMLatency},
	} {
		equal(c, "time in "+s.stage.String(), s.time, count[s.stage])
		ratio(c, "ratio of "+s.stage.String(), s.ratio, count[s.stage], period)
		if i := slices.Index(stages, s.stage); i >= 0 {
			equal(c, "latency of "+s.stage.String(), s.latency, float64(i)*30)
		} else {
			c.that(s.latency == nil, "latency of a stage that never comes")
		}
	}
}

func timeOf[T comparable](values []T, v T) float64 {
	n := 0
	for _, got := range values {
		if got == v {
			n += 30
		}
	}
	return float64(n)
}

func runsOf[T comparable](values []T, v T) (count, longest float64) {
	for len(values) > 0 {
		n := slices.IndexFunc(values, func(got T) bool { return got != v })
		if n < 0 {
			n = len(values)
		}
		if n > 0 {
			count, longest = count+1, max(longest, float64(n)*30)
		}
		values = values[min(n+1, len(values)):]
	}
	return count, longest
}

func TestNightsLookLikeNights(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 50, SessionsPerUser: 8, Ordinary: true, LastNight: lastNight})
	for user := range s.Users() {
		for _, session := range s.Sessions(user) {
			r, _ := s.Report(session.ID, "")
			if session.Kind == asleeptest.Nap {
				continue
			}
			st := r.Stat
			if st == nil || *st.SleepCycleCount < 3 || *st.SleepCycleCount > 8 || *st.TimeInDeep < 30*60 || *st.TimeInREM < 30*60 || *st.SleepEfficiency < 0.8 {
				t.Errorf("%s: %s", session.ID, r.Raw[len(r.Raw)-1500:])
			}
			hour := session.Start.In(mustZone(t, session.Zone)).Hour()
			if hour < 21 && hour > 0 {
				t.Errorf("%s begins at %d o'clock in %s", session.ID, hour, session.Zone)
			}
		}
	}
}

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// The same seed makes the same service, another one another.
func TestPopulationFollowsTheSeed(t *testing.T) {
	t.Parallel()
	body := func(seed uint64) string {
		s := asleeptest.New(asleeptest.Config{Users: 3, SessionsPerUser: 3, Seed: seed, LastNight: lastNight})
		return get(t, s, "/data/v3/sessions/"+s.Sessions("user-0003")[1].ID, "x-user-id: user-0003").body
	}
	if first, again := body(1), body(1); first != again {
		t.Error("the same seed makes different reports")
	}
	if body(1) == body(2) {
		t.Error("different seeds make the same report")
	}
}

// What was seen while a session was OPEN stays as it was.
func TestCuttingASessionKeepsItsStages(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	start := time.Now().Add(-3 * time.Hour)
	id, err := s.AddSession("user-0001", asleeptest.Session{Start: start, Length: 8 * time.Hour, State: asleep.SessionStateOpen})
	if err != nil {
		t.Fatal(err)
	}
	open, _ := s.Report(id, "")
	s.Advance("user-0001", id)
	s.Advance("user-0001", id)
	done, _ := s.Report(id, "")
	n := len(open.Session.SleepStages)
	if n < 359 || !slices.Equal(open.Session.SleepStages, done.Session.SleepStages[:n]) {
		t.Errorf("%d epochs while open, %d after", n, len(done.Session.SleepStages))
	}
	if err := consistent(s.Sessions("user-0001")[0], done); err != nil {
		t.Error(err)
	}
}
