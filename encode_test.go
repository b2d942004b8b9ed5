package asleep_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep"
)

const original = `{"timezone":"UTC","extra":{"a":[1,2.50]},"peculiarities":[],"session":{"id":"s","state":"CLOSED","start_time":"2026-03-14T13:51:07","heart_rate":61},"stat":{"time_in_bed":24253.0,"new":true}}`

func TestAnEditReplacesExactlyWhatWasEdited(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*asleep.Report)
		from string // what the edit replaces in the original
		to   string
	}{
		{"nothing", func(*asleep.Report) {}, "", ""},
		{"a member", func(r *asleep.Report) { r.Timezone = "Asia/Seoul" }, `"UTC"`, `"Asia/Seoul"`},
		{"a nested member", func(r *asleep.Report) { r.Session.State = asleep.SessionStateComplete }, `"CLOSED"`, `"COMPLETE"`},
		{"a number", func(r *asleep.Report) { r.Stat.TimeInBed = new(asleep.Seconds(7)) }, `24253.0`, `7`},
		{"a member that was absent", func(r *asleep.Report) { r.Session.SleepStages = asleep.Stages{1} }, `"heart_rate":61`, `"heart_rate":61,"sleep_stages":[1]`},
		{"an object set to null", func(r *asleep.Report) { r.Stat = nil }, `{"time_in_bed":24253.0,"new":true}`, `null`},
		{"a list of another length", func(r *asleep.Report) { r.Peculiarities = []asleep.Peculiarity{"A", "B"} }, `"peculiarities":[]`, `"peculiarities":["A","B"]`},
		{"a member set to null", func(r *asleep.Report) { r.Stat.TimeInBed = nil }, `24253.0`, `null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := asleep.ParseReport(original)
			if err != nil {
				t.Fatal(err)
			}
			c.edit(r)
			want := strings.Replace(original, c.from, c.to, 1)
			if out, err := json.Marshal(r); err != nil || string(out) != want {
				t.Errorf("encoded as\n%s (%v), want\n%s", out, err, want)
			}
			if r.Raw != original {
				t.Error("Raw was changed")
			}
		})
	}
}

func TestAValueThatWasNotDecodedIsEncodedFromItsMembers(t *testing.T) {
	t.Parallel()
	r := asleep.Report{Timezone: "UTC", Session: asleep.Session{ID: "s", State: asleep.SessionStateOpen}}
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"id":"s"`, `"state":"OPEN"`, `"end_time":null`, `"sleep_stages":null`, `"stat":null`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s lacks %s", out, want)
		}
	}
	if strings.Contains(string(out), "raw") || strings.Contains(string(out), "Raw") {
		t.Errorf("Raw is on the wire: %s", out)
	}
}

func TestAnEditedAliasIsReadAgain(t *testing.T) {
	t.Parallel()
	s, err := asleep.ParseSessionSummary(`{"id":"old","start_time":"2026-03-14T13:51:07Z"}`)
	if err != nil {
		t.Fatal(err)
	}
	s.SessionID = "new"
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := asleep.ParseSessionSummary(string(out))
	if err != nil || again.SessionID != "new" || again.SessionStartTime != s.SessionStartTime {
		t.Errorf("%s is read as %+v (%v)", out, again, err)
	}
}

func TestDecodingRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{``, `null`, ` null `, `[]`, `"x"`, `7`, `{`, `{"session":7}`, `{"session":{"id":5}}`, `{"timezone":"UTC"}x`} {
		if r, err := asleep.ParseReport(bad); err == nil {
			t.Errorf("%q decoded as %+v", bad, r)
		}
	}
	r := asleep.Report{Timezone: "kept"}
	if err := json.Unmarshal([]byte("null"), &r); err != nil || r.Timezone != "kept" {
		t.Errorf("null changed the value: %+v (%v)", r, err)
	}
}

func TestDecodingFromBytesKeepsACopy(t *testing.T) {
	t.Parallel()
	b := []byte(original)
	var r asleep.Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = 'x'
	}
	if r.Raw != original || r.Session.ID != "s" {
		t.Error("the value shares memory with the caller's bytes")
	}
}

// FuzzReport: whatever decodes encodes to JSON that decodes to the same, and
// an edit neither fails nor loses unknown members.
func FuzzReport(f *testing.F) {
	for _, fx := range manifest(f) {
		if strings.HasPrefix(fx.Endpoint, "GET /data/v3/sessions") && fx.Status == 200 && len(fx.Body) < 4000 {
			f.Add(string(fx.Body))
		}
	}
	f.Add(original)
	f.Add(`{"session":{"sleep_stages":[1,null]},"Session":{"id":"twice"},"stat":{"sleep_cycle":[{}]}}`)
	f.Fuzz(func(t *testing.T, in string) {
		r, err := asleep.ParseReport(in)
		if err != nil {
			return
		}
		out, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("decodes but does not encode: %v", err)
		}
		again, err := asleep.ParseReport(string(out))
		if err != nil {
			t.Fatalf("%s does not decode: %v", out, err)
		}
		again.Timezone += "!"
		edited, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if last, err := asleep.ParseReport(string(edited)); err != nil || last.Timezone != again.Timezone {
			t.Fatalf("an edit of %s became %s (%v)", out, edited, err)
		}
		_, _ = r.Session.Intervals()
		_, _ = r.Session.NightDate()
		_, _ = r.Stat.Efficiency()
	})
}

func FuzzSummaryUserAverages(f *testing.F) {
	for _, fx := range manifest(f) {
		if fx.Status == 200 && len(fx.Body) < 4000 {
			f.Add(string(fx.Body))
		}
	}
	f.Add(`{"id":"x","session_id":null}`)
	f.Fuzz(func(t *testing.T, in string) {
		for name, roundTrip := range map[string]func() (any, error){
			"SessionSummary": func() (any, error) { return asleep.ParseSessionSummary(in) },
			"User":           func() (any, error) { return asleep.ParseUser(in) },
			"AverageStats":   func() (any, error) { return asleep.ParseAverageStats(in) },
			"WebhookBody":    func() (any, error) { return asleep.ParseWebhookBody(in) },
			"Failure": func() (any, error) {
				v := new(asleep.Failure)
				err := json.Unmarshal([]byte(in), v)
				v.Detail.Text()
				return v, err
			},
			"SessionCompleteData": func() (any, error) {
				v := new(asleep.SessionCompleteData)
				return v, json.Unmarshal([]byte(in), v)
			},
			"InferenceData": func() (any, error) {
				v := new(asleep.InferenceData)
				return v, json.Unmarshal([]byte(in), v)
			},
			"Int": func() (any, error) { v := new(asleep.Int); return v, json.Unmarshal([]byte(in), v) },
			"SleepCycle": func() (any, error) {
				v := new(asleep.SleepCycle)
				err := json.Unmarshal([]byte(in), v)
				v.Length()
				return v, err
			},
			"SleepCycleTimes": func() (any, error) {
				v := new(asleep.SleepCycleTimes)
				err := json.Unmarshal([]byte(in), v)
				v.Times()
				v.Numbers()
				return v, err
			},
		} {
			v, err := roundTrip()
			if err != nil {
				continue
			}
			if out, err := json.Marshal(v); err != nil || !json.Valid(out) {
				t.Errorf("%s: %q decodes but encodes as %q (%v)", name, in, out, err)
			}
		}
	})
}
