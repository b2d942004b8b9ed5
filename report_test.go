package asleep_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
)

func TestImmutableNeedsCompleteAndNotInProgress(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"session_complete_v3_sdk_shape.json": true,
		"session_never_slept_stat_null.json": true, // stat null, yet final
		"session_too_many_defects.json":      true,
		"session_closed_analyzing.json":      false,
		"session_in_progress.json":           false,
		"session_no_realtime_polling.json":   false,
		"session_unknown_future_fields.json": false, // a state that this package does not know
	} {
		if got := report(t, name).Immutable(); got != want {
			t.Errorf("%s: Immutable is %v, want %v", name, got, want)
		}
	}
	r := report(t, "session_complete_v3_sdk_shape.json")
	r.Peculiarities = append(r.Peculiarities, asleep.PeculiarityInProgress)
	if r.Immutable() || (*asleep.Report)(nil).Immutable() {
		t.Error("a report in progress, or none, is not immutable")
	}
}

func TestEfficiencyIsARatioFromRatioAndPercent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]float64{"session_complete_v3_sdk_shape.json": 0.9, "session_complete_doc_shape.json": 0.9017} {
		if got, ok := report(t, name).Stat.Efficiency(); !ok || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v (%v), want %v", name, got, ok, want)
		}
	}
	if _, ok := report(t, "session_too_short.json").Stat.Efficiency(); ok {
		t.Error("a report without figures has an efficiency")
	}
	for value, want := range map[float64]float64{0: 0, 1: 1, 1.5: 1.5, 1.51: 0.0151, 88.24: 0.8824, 100: 1} {
		for name, get := range map[string]func() (float64, bool){
			"Stat":         (&asleep.Stat{SleepEfficiency: &value}).Efficiency,
			"Averages":     (&asleep.Averages{SleepEfficiency: &value}).Efficiency,
			"SleptSession": (&asleep.SleptSession{SleepEfficiency: &value}).Efficiency,
		} {
			if got, ok := get(); !ok || math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: %v gives %v, want %v", name, value, got, want)
			}
		}
	}
}

func TestUnknownWordsAndMembersSurvive(t *testing.T) {
	t.Parallel()
	r := report(t, "session_unknown_future_fields.json")
	if r.Session.State != "ARCHIVED" || !r.Has("SOME_FUTURE_LABEL") {
		t.Errorf("state %q, peculiarities %q", r.Session.State, r.Peculiarities)
	}
	if r.Session.SleepStages[len(r.Session.SleepStages)-1] > 4 {
		t.Error("unknown stages were changed")
	}
	var got struct {
		ReportVersion string `json:"report_version"`
		Stat          struct {
			NewMetric any `json:"new_metric"`
		} `json:"stat"`
	}
	r.Stat.TimeInBed = new(asleep.Seconds(1))
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &got); err != nil || got.ReportVersion != "2027-01" || got.Stat.NewMetric == nil {
		t.Errorf("after an edit: %+v (%v)", got, err)
	}
}

func TestSleepCycleTakesEveryForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		json   string
		length time.Duration
		ok     bool
	}{
		{`4428`, 4428 * time.Second, true},
		{`[{"order":1,"start_time":"2026-03-14T14:00:00Z","end_time":"2026-03-14T15:30:00Z"},{"order":2,"start_time":"2026-03-14T15:30:00Z","end_time":"2026-03-14T16:30:00Z"}]`, 75 * time.Minute, true},
		{`[{"index":0,"start_time":"2026-03-14T14:00:00Z","end_time":null}]`, 0, false},
		{`null`, 0, false},
		{`"ninety minutes"`, 0, false},
		{`{"mean":90}`, 0, false},
		{`[1,2]`, 0, false},
	} {
		in := `{"session":{"id":"x"},"stat":{"sleep_cycle":` + c.json + `}}`
		r, err := asleep.ParseReport(in)
		if err != nil {
			t.Errorf("%s failed the report: %v", c.json, err)
			continue
		}
		if got, ok := r.Stat.SleepCycle.Length(); got != c.length || ok != c.ok {
			t.Errorf("%s: length %v (%v), want %v (%v)", c.json, got, ok, c.length, c.ok)
		}
		if out, err := json.Marshal(r); err != nil || string(out) != in {
			t.Errorf("%s encoded as %s (%v)", in, out, err)
		}
		if out, err := json.Marshal(r.Stat.SleepCycle); err != nil || !json.Valid(out) {
			t.Errorf("%s alone encoded as %s (%v)", c.json, out, err)
		}
	}
}

func TestSleepCycleTimes(t *testing.T) {
	t.Parallel()
	if times := report(t, "session_complete_v3_sdk_shape.json").Stat.SleepCycleTime.Times(); len(times) != 6 || times[1].Sub(times[0]) != 4890*time.Second {
		t.Errorf("times %v", times)
	}
	var c asleep.SleepCycleTimes
	if err := json.Unmarshal([]byte(`[4890, 4590.5]`), &c); err != nil || c.Times() != nil || len(c.Numbers()) != 2 {
		t.Errorf("numbers %v, times %v (%v)", c.Numbers(), c.Times(), err)
	}
	if err := json.Unmarshal([]byte(`{"odd":1}`), &c); err != nil || c.Times() != nil || c.Numbers() != nil {
		t.Errorf("an odd shape: %v", err)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]asleep.Int{`12`: 12, `12.0`: 12, `-3`: -3, `2.7`: 3, `1e3`: 1000, `1e400`: math.MaxInt64, `-1e30`: math.MinInt64, `9223372036854775807`: math.MaxInt64} {
		var i asleep.Int
		if err := json.Unmarshal([]byte(in), &i); err != nil || i != want {
			t.Errorf("%s = %d (%v), want %d", in, i, err, want)
		}
	}
	for _, bad := range []string{`"12"`, `true`, `{}`, `NaN`} {
		var i asleep.Int
		if err := i.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s = %d", bad, i)
		}
	}
	for in, want := range map[asleep.Seconds]time.Duration{0: 0, 24253: 24253 * time.Second, 0.5: 500 * time.Millisecond, 1e300: math.MaxInt64, -1e300: math.MinInt64} {
		if got, ok := in.Duration(); !ok || got != want {
			t.Errorf("%v = %v (%v), want %v", in, got, ok, want)
		}
	}
	if _, ok := (*asleep.Seconds)(nil).Duration(); ok {
		t.Error("nil has a duration")
	}
}

func TestDetail(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"error_404_session.json":         "session does not exist",
		"error_422_validation_list.json": "query.limit: ensure this value is less than or equal to 100",
		"error_422_string.json":          "Unprocessable Entity",
		"error_403_gateway_message.json": "",
	} {
		var f asleep.Failure
		if err := json.Unmarshal(read(t, name), &f); err != nil || f.Detail.Text() != want {
			t.Errorf("%s: %q (%v), want %q", name, f.Detail.Text(), err, want)
		}
	}
	for in, want := range map[asleep.Detail]string{``: ``, `{"a":1}`: `{"a":1}`, `[1]`: `[1]`, `[]`: `[]`, `[{"msg":"a"},{"msg":"b","loc":["x",0]}]`: `a; x.0: b`} {
		if got := in.Text(); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if d := asleep.NewDetail(`say "hi"`); d.Text() != `say "hi"` {
		t.Errorf("NewDetail: %s", d)
	}
}

func TestAliasNamesDecode(t *testing.T) {
	t.Parallel()
	var list asleep.SessionList
	if err := json.Unmarshal([]byte(result(t, read(t, "list_sdk_alias_names.json"))), &list); err != nil {
		t.Fatal(err)
	}
	if s := list.SleepSessionList[0]; s.SessionID != "20260314135107_yyyyy" || s.SessionStartTime != "2026-03-14T13:51:07+00:00" || s.SessionEndTime != "2026-03-14T20:31:07+00:00" {
		t.Errorf("item %+v", s)
	}
	u, err := asleep.ParseUser(result(t, read(t, "user_get_doc_shape.json")))
	if err != nil || u.LastSessionInfo.StartTime != "2026-03-14T13:51:07+00:00" || u.LastSessionInfo.EndTime == "" {
		t.Errorf("user %+v (%v)", u, err)
	}
	a, err := asleep.ParseAverageStats(result(t, read(t, "average_stats_doc_shape.json")))
	if err != nil || a.SleptSessions[0].ID != "sess-7f31" || a.SleptSessions[0].StartTime == "" {
		t.Errorf("averages %+v (%v)", a, err)
	}
	from, to, err := a.Period.Dates()
	if err != nil || from.String() != "2026-03-01" || to.String() != "2026-03-31" || *a.Period.Days != 31 {
		t.Errorf("period %v to %v (%v)", from, to, err)
	}
}
