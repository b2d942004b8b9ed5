package client_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// windowed returns a client whose upstream answers the windows of a period in
// turn, and the windows that were asked for.
func windowed(t *testing.T, results ...string) (*client.Client, *[]string) {
	t.Helper()
	asked := new([]string)
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		q := req.URL.Query()
		*asked = append(*asked, q.Get("start_date")+" "+q.Get("end_date"))
		result := results[min(len(*asked), len(results))-1]
		if result == "" {
			return response(req, 404, `{"detail":"user does not exist"}`), nil
		}
		return response(req, 200, `{"result":`+result+`}`), nil
	})
	return newClient(t, client.WithHTTPClient(&http.Client{Transport: wire})), asked
}

// window is an answer with a number of slept sessions.
func window(slept int, averages string) string {
	list := slices.Repeat([]string{`{"id":"x"}`}, slept)
	return fmt.Sprintf(`{"period":{"timezone":"Asia/Seoul","start_date":"a","end_date":"b"},"peculiarities":["IN_PROGRESS"],
		"average_stats":%s,"slept_sessions":[%s],"never_slept_sessions":[{"id":"n"}]}`, averages, strings.Join(list, ","))
}

func TestPeriodsAreSplitIntoWindowsOfAtMost100Days(t *testing.T) {
	t.Parallel()
	first := date("2025-01-01")
	for days, want := range map[int]int{1: 1, 2: 1, 99: 1, 100: 1, 101: 2, 200: 2, 201: 3, 365: 4, 366: 4, 5000: 50} {
		c, asked := windowed(t, window(1, "null"))
		stats, err := c.AverageStats(t.Context(), user, first, first.AddDays(days-1))
		if err != nil || len(stats.Windows) != want || len(*asked) != want {
			t.Fatalf("%d days: %d windows asked for, %v", days, len(*asked), err)
		}
		next, shortest, longest := first, math.MaxInt, 0
		for i, w := range stats.Windows {
			length := w.From.DaysUntil(w.To) + 1
			shortest, longest = min(shortest, length), max(longest, length)
			if w.From != next || length > client.MaxStatsDays || (*asked)[i] != w.From.String()+" "+w.To.String() {
				t.Errorf("%d days: window %d is %s to %s, asked for %s", days, i, w.From, w.To, (*asked)[i])
			}
			next = w.To.AddDays(1)
		}
		if next != first.AddDays(days) || longest-shortest > 1 {
			t.Errorf("%d days: ends before %s, lengths %d to %d", days, next, shortest, longest)
		}
	}
}

func TestASingleWindowIsTheServicesOwnAnswer(t *testing.T) {
	t.Parallel()
	c, _ := windowed(t, window(3, `{"time_in_bed":100}`))
	stats, err := c.AverageStats(t.Context(), user, date("2026-01-01"), date("2026-01-31"))
	if err != nil {
		t.Fatal(err)
	}
	if stats.Combination != client.CombinationNone || stats.Raw == "" || stats.Period.StartDate != "a" || *stats.Averages.TimeInBed != 100 {
		t.Errorf("%+v", stats)
	}
}

func TestAveragesAreWeightedBySleptSessions(t *testing.T) {
	t.Parallel()
	c, _ := windowed(t,
		window(30, `{"time_in_bed":100,"deep_ratio":0.2,"waso_count":3,"sleep_efficiency":0.9,"sleep_time":"23:00:00","deep_latency":null}`),
		window(0, `null`),
		window(10, `{"time_in_bed":200,"deep_ratio":0.4,"waso_count":1,"sleep_efficiency":70.0,"sleep_time":"01:00:00","deep_latency":60}`))
	stats, err := c.AverageStats(t.Context(), user, date("2026-01-01"), date("2026-10-01"))
	if err != nil {
		t.Fatal(err)
	}
	a := stats.Averages
	for name, test := range map[string]struct {
		got  float64
		want float64
	}{
		"time_in_bed":  {float64(*a.TimeInBed), (30*100 + 10*200) / 40.},
		"deep_ratio":   {float64(*a.DeepRatio), (30*0.2 + 10*0.4) / 40},
		"waso_count":   {float64(*a.WASOCount), 2.5},
		"efficiency":   {*a.SleepEfficiency, (30*0.9 + 10*0.7) / 40},
		"deep_latency": {float64(*a.DeepLatency), 60}, // only one window knows it
		"first weight": {stats.Windows[0].Weight, 30},
		"empty weight": {stats.Windows[1].Weight, 0},
	} {
		if math.Abs(test.got-test.want) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, test.got, test.want)
		}
	}
	// tan of the angle from 23:00, on a circle where two hours are 30 degrees:
	// 10 sin 30° / (30 + 10 cos 30°) is 7.369°, half an hour less 31 s.
	if a.SleepTime != "23:29:29" || a.WakeTime != "" || a.REMRatio != nil {
		t.Errorf("sleep time %q, wake time %q, REM %v", a.SleepTime, a.WakeTime, a.REMRatio)
	}
	if stats.Combination != client.CombinationBySessions || len(stats.SleptSessions) != 40 || len(stats.NeverSleptSessions) != 3 {
		t.Errorf("%s of %d and %d", stats.Combination, len(stats.SleptSessions), len(stats.NeverSleptSessions))
	}
	period := asleep.Period{Timezone: "Asia/Seoul", StartDate: "2026-01-01", EndDate: "2026-10-01", Days: new(asleep.Int(274))}
	if !reflect.DeepEqual(stats.Period, period) || !slices.Equal(stats.Peculiarities, []asleep.Peculiarity{"IN_PROGRESS"}) || stats.Raw != "" {
		t.Errorf("%+v %q", stats.Period, stats.Peculiarities)
	}
}

func TestAveragesOfWindowsWithoutListsAreWeightedByDays(t *testing.T) {
	t.Parallel()
	bare := func(bed int) string {
		return fmt.Sprintf(`{"period":{"start_date":"a","end_date":"b"},"peculiarities":[],"average_stats":{"time_in_bed":%d}}`, bed)
	}
	c, _ := windowed(t, bare(100), bare(200))
	stats, err := c.AverageStats(t.Context(), user, date("2026-01-01"), date("2026-04-11")) // 101 days: 50 and 51
	if err != nil {
		t.Fatal(err)
	}
	if want := (50*100 + 51*200) / 101.; stats.Combination != client.CombinationByDays || math.Abs(float64(*stats.Averages.TimeInBed)-want) > 1e-9 {
		t.Errorf("%s: %v, want %v", stats.Combination, *stats.Averages.TimeInBed, want)
	}
	if stats.SleptSessions != nil {
		t.Errorf("slept sessions %v out of nothing", stats.SleptSessions)
	}
}

func TestClockTimesAreAveragedOnTheCircle(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ a, b, want string }{
		{"23:00:00", "01:00:00", "00:00:00"},
		{"22:00:00", "23:00:00", "22:30:00"},
		{"00:00:00", "12:00:00", ""}, // no mean
		{"06:00:00", "06:00:00", "06:00:00"},
		{"23:59:59", "00:00:01", "00:00:00"},
		{"07:00:00", "", "07:00:00"},
	} {
		c, _ := windowed(t, window(1, fmt.Sprintf(`{"wake_time":%q}`, test.a)), window(1, fmt.Sprintf(`{"wake_time":%q}`, test.b)))
		stats, err := c.AverageStats(t.Context(), user, date("2026-01-01"), date("2026-07-01"))
		if err != nil || string(stats.Averages.WakeTime) != test.want {
			t.Errorf("%s and %s: %q, %v", test.a, test.b, stats.Averages.WakeTime, err)
		}
	}
}

func TestNoSleepAtAllHasNoAverages(t *testing.T) {
	t.Parallel()
	c, _ := windowed(t, window(0, "null"))
	stats, err := c.AverageStats(t.Context(), user, date("2026-01-01"), date("2026-12-31"))
	if err != nil || stats.Averages != nil || len(stats.Windows) != 4 {
		t.Errorf("%+v, %v", stats, err)
	}
}

func TestAFailingWindowFailsTheCallAndIsNamed(t *testing.T) {
	t.Parallel()
	c, asked := windowed(t, window(1, "null"), "")
	stats, err := c.AverageStats(t.Context(), user, date("2026-01-01"), date("2026-12-31"))
	wantSentinels(t, err, "not found")
	failed, ok := errors.AsType[*client.WindowError](err)
	if stats != nil || !ok || failed.From != date("2026-04-02") || failed.To != date("2026-07-01") || len(*asked) != 2 {
		t.Errorf("%v: %v, asked for %q", stats, err, *asked)
	}
	if !strings.HasPrefix(err.Error(), "asleep: window 2026-04-02 to 2026-07-01: getAverageStats: 404 user does not exist (1 attempt") {
		t.Errorf("reads %q", err)
	}
	c, _ = windowed(t, "")
	_, err = c.AverageStats(t.Context(), user, date("2026-01-01"), date("2026-01-31"))
	if _, ok := errors.AsType[*client.WindowError](err); ok {
		t.Errorf("a period of one window: %v", err)
	}
}

func TestPeriodsAreChecked(t *testing.T) {
	t.Parallel()
	c := offline(t)
	for want, period := range map[string][2]asleep.Date{
		"first date: missing":       {{}, date("2026-01-01")},
		"last date: missing":        {date("2026-01-01"), {}},
		"2026-02-29 does not exist": {{Year: 2026, Month: 2, Day: 29}, date("2026-03-01")},
		"is after the last date":    {date("2026-03-02"), date("2026-03-01")},
		"are 5001 days":             {date("2010-01-01"), date("2010-01-01").AddDays(5000)},
	} {
		_, err := c.AverageStats(t.Context(), user, period[0], period[1])
		wantSentinels(t, err, "invalid")
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
