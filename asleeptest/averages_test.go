package asleeptest_test

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
)

func averages(t *testing.T, s *asleeptest.Server, user, from, to string, headers ...string) *asleep.AverageStats {
	t.Helper()
	r := get(t, s, "/data/v1/users/"+user+"/average-stats?start_date="+from+"&end_date="+to, headers...)
	a, err := asleep.ParseAverageStats(r.result(t))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The means are those of the sessions of the period, judged in the zone.
func TestAveragesAreOfThePeriod(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 20, SessionsPerUser: 40, LastNight: lastNight})
	for user := range s.Users() {
		for _, zone := range []string{"UTC", "Asia/Seoul", "America/Los_Angeles"} {
			a := averages(t, s, user, "2026-02-20", "2026-03-10", "timezone: "+zone)
			slept, never, inBed, efficiency, wakes := 0, 0, 0.0, 0.0, 0.0
			for _, session := range s.Sessions(user) {
				date := asleep.DateOf(session.Start.In(mustZone(t, zone))).String()
				if date < "2026-02-20" || date > "2026-03-10" {
					continue
				}
				r, _ := s.Report(session.ID, zone)
				switch {
				case r.Has(asleep.PeculiarityNeverSlept):
					never++
				case r.Stat != nil:
					slept++
					wakes += float64(*r.Stat.WASOCount)
					inBed += float64(*r.Stat.TimeInBed)
					efficiency += float64(*r.Stat.TimeInSleep) / float64(*r.Stat.TimeInBed)
				}
			}
			if len(a.SleptSessions) != slept || len(a.NeverSleptSessions) != never || slept == 0 {
				t.Errorf("%s in %s: %d and %d sessions, want %d and %d", user, zone, len(a.SleptSessions), len(a.NeverSleptSessions), slept, never)
				continue
			}
			if got, want := float64(*a.Averages.TimeInBed), math.Round(inBed/float64(slept)); got != want {
				t.Errorf("%s: mean time in bed %v, want %v", user, got, want)
			}
			if got, want := float64(*a.Averages.WASOCount), math.Round(wakes/float64(slept)*10)/10; got != want {
				t.Errorf("%s: mean of awakenings %v, want %v", user, got, want)
			}
			if got, want := *a.Averages.SleepEfficiency, math.Round(efficiency/float64(slept)*1000)/1000; math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: mean efficiency %v, want %v", user, got, want)
			}
			if a.Period.Timezone != zone || a.Period.StartDate != "2026-02-20" || a.Period.EndDate != "2026-03-10" {
				t.Errorf("period %+v", a.Period)
			}
		}
	}
	noViolations(t, s)
}

// Clock times are averaged around the clock: half an hour before midnight and
// half an hour after it make midnight, not noon.
func TestMeanClockTimesGoAroundMidnight(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1})
	for _, start := range []time.Time{
		time.Date(2026, 3, 10, 23, 30, 0, 0, time.UTC), time.Date(2026, 3, 12, 0, 30, 0, 0, time.UTC),
	} {
		add(t, s, asleeptest.Session{Start: start, Length: 7 * time.Hour})
	}
	a := averages(t, s, "user-0001", "2026-03-01", "2026-03-31").Averages
	if a.StartTime != "00:00:00" || a.EndTime != "07:00:00" {
		t.Errorf("from %s to %s", a.StartTime, a.EndTime)
	}
	if a := averages(t, s, "user-0001", "2026-03-01", "2026-03-31", "timezone: Asia/Seoul").Averages; a.StartTime != "09:00:00" {
		t.Errorf("from %s in Seoul", a.StartTime)
	}
}

func TestAveragesErrors(t *testing.T) {
	t.Parallel()
	s := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1})
	path := func(user, query string) string { return "/data/v1/users/" + user + "/average-stats?" + query }
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{path("user-0001", "start_date=2026-01-01&end_date=2026-04-11"), http.StatusOK, "average_stats"},
		{path("user-0001", "start_date=2026-01-01&end_date=2026-04-12"), http.StatusBadRequest, "The period should be less than or equal to 100 days"},
		{path("user-0002", "start_date=2026-01-01&end_date=2026-01-02"), http.StatusNotFound, "Unable to find the user of id user-0002"},
		{path("user-0001", "start_date=2026-01-02&end_date=2026-01-01"), http.StatusUnprocessableEntity, "end_date"},
		{path("user-0001", "start_date=2026-01-02"), http.StatusUnprocessableEntity, "field required"},
		{path("user-0001", "start_date=2026-02-30&end_date=2026-03-01"), http.StatusUnprocessableEntity, "value is not a valid date"},
	} {
		if r := get(t, s, c.path); r.status != c.status || !strings.Contains(r.body, c.want) {
			t.Errorf("%s: %d %s", c.path, r.status, r.body)
		}
	}
}
