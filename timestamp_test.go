package asleep_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
)

func TestTimestamp(t *testing.T) {
	t.Parallel()
	utc := time.Date(2026, 3, 14, 13, 51, 7, 0, time.UTC)
	for _, c := range []struct {
		text     asleep.Timestamp
		want     time.Time
		zoneless bool
	}{
		{"2026-03-14T13:51:07+00:00", utc, false},
		{"2026-03-14T13:51:07Z", utc, false},
		{"2026-03-14T22:51:07+09:00", utc, false},
		{"2026-03-14T22:51:07+0900", utc, false},
		{"2026-03-14T22:51:07+09", utc, false},
		{"2026-03-14T13:51:07.250Z", utc.Add(250 * time.Millisecond), false},
		{"2026-03-14T13:51:07.250", utc.Add(250 * time.Millisecond), true},
		{"2026-03-14T13:51:07", utc, true},
		{"2026-03-14 13:51:07", utc, true},
		{"2026-03-14 22:51:07+09:00", utc, false},
		{"2026-03-14T13:51", utc.Add(-7 * time.Second), true},
		{" 2026-03-14t13:51:07z ", utc, false},
	} {
		got, err := c.text.Time()
		if err != nil || !got.Equal(c.want) || c.text.Zoneless() != c.zoneless {
			t.Errorf("%q = %v, zoneless %v (%v); want %v, %v", c.text, got, c.text.Zoneless(), err, c.want, c.zoneless)
		}
	}
	if _, err := asleep.Timestamp("").Time(); !errors.Is(err, asleep.ErrNoTime) {
		t.Errorf("empty: %v", err)
	}
	for _, bad := range []asleep.Timestamp{"yesterday", "2026-02-30T00:00:00Z", "13:51:07", "2026-03-14", "2026-03-14T25:00:00Z", "\x00"} {
		if got, err := bad.Time(); err == nil || errors.Is(err, asleep.ErrNoTime) {
			t.Errorf("%q = %v (%v)", bad, got, err)
		}
	}
}

func TestTheTextOfATimestampSurvives(t *testing.T) {
	t.Parallel()
	for _, in := range []string{`"2026-03-14T13:51:07"`, `"2026-03-14 13:51:07.000"`, `"not a time"`} {
		var ts asleep.Timestamp
		if err := json.Unmarshal([]byte(in), &ts); err != nil {
			t.Fatal(err)
		}
		if out, err := json.Marshal(ts); err != nil || string(out) != in {
			t.Errorf("%s encoded as %s (%v)", in, out, err)
		}
	}
	if out, err := json.Marshal(asleep.Timestamp("")); err != nil || string(out) != "null" {
		t.Errorf("empty encoded as %s (%v)", out, err)
	}
	if got := asleep.NewTimestamp(time.Date(2026, 3, 14, 22, 51, 7, 9, time.FixedZone("", 9*3600))); got != "2026-03-14T22:51:07+09:00" {
		t.Errorf("NewTimestamp = %q", got)
	}
}

func TestClockTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    asleep.ClockTime
		h, m, s int
		ok      bool
		instant bool
	}{
		{"22:47:19", 22, 47, 19, true, false},
		{"06:04:30", 6, 4, 30, true, false},
		{"2026-03-14T22:47:19+09:00", 22, 47, 19, true, true},
		{"", 0, 0, 0, false, false},
		{"25:00:00", 0, 0, 0, false, false},
	} {
		h, m, s, ok := c.text.Clock()
		_, instant := c.text.Instant()
		if h != c.h || m != c.m || s != c.s || ok != c.ok || instant != c.instant {
			t.Errorf("%q: %d:%d:%d %v, instant %v", c.text, h, m, s, ok, instant)
		}
	}
	if out, err := json.Marshal(struct{ A, B asleep.ClockTime }{"06:04:30", ""}); err != nil || string(out) != `{"A":"06:04:30","B":null}` {
		t.Errorf("encoded as %s (%v)", out, err)
	}
}

// FuzzTimestamp: whatever parses is an instant that can be written and read
// again.
func FuzzTimestamp(f *testing.F) {
	for _, s := range []string{"", "2026-03-14T13:51:07+00:00", "2026-03-14T13:51:07", "2026-03-14 13:51:07.5", "06:04:30", "2026-03-14T13:51:07+09"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := asleep.Timestamp(s).Time()
		if err != nil {
			return
		}
		again, err := asleep.NewTimestamp(at).Time()
		if _, offset := at.Zone(); offset%60 != 0 || at.Year() > 9999 || at.Year() < 0 {
			return // RFC 3339 cannot write it
		}
		if err != nil || !again.Equal(at.Truncate(time.Second)) {
			t.Errorf("%q = %v, written and read again %v (%v)", s, at, again, err)
		}
		asleep.ClockTime(s).Clock()
	})
}
