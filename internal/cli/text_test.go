package cli_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/cli"
)

func TestJSONForPeopleKeepsPlainArraysOnOneLine(t *testing.T) {
	t.Parallel()
	for compact, want := range map[string]string{
		`{}`:                          `{}`,
		`[]`:                          `[]`,
		`{"a":1}`:                     "{\n  \"a\": 1\n}",
		`{"a":[1,2],"b":[],"c":{}}`:   "{\n  \"a\": [1,2],\n  \"b\": [],\n  \"c\": {}\n}",
		`{"a":[{"b":null}],"c":[[]]}`: "{\n  \"a\": [\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": [\n    []\n  ]\n}",
		`{"a":"x,{:[\"\\","b":["]"]}`: "{\n  \"a\": \"x,{:[\\\"\\\\\",\n  \"b\": [\"]\"]\n}",
	} {
		if got := string(cli.Indent([]byte(compact))); got != want {
			t.Errorf("%s became\n%s\nwant\n%s", compact, got, want)
		}
	}
}

func FuzzIndent(f *testing.F) {
	f.Add(`{"a":[1,"]"],"b":{"c":[{}]}}`)
	f.Add(`"\\\""`)
	f.Fuzz(func(t *testing.T, text string) {
		var compact, back bytes.Buffer
		if json.Compact(&compact, []byte(text)) != nil {
			return
		}
		if err := json.Compact(&back, cli.Indent(compact.Bytes())); err != nil || back.String() != compact.String() {
			t.Errorf("%q became %q, %v", &compact, &back, err)
		}
	})
}

func TestTablesHaveTheClockOfTheSessionsZone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ at, zone, want string }{
		{"2026-03-14T13:51:07+00:00", "Asia/Seoul", "2026-03-14 22:51"},
		{"2026-03-08T06:59:00Z", "America/New_York", "2026-03-08 01:59"}, // the clocks go forward
		{"2026-03-08T07:00:00Z", "America/New_York", "2026-03-08 03:00"},
		{"2026-03-14T22:51:07+09:00", "", "2026-03-14 22:51 +09:00"},
		{"2026-03-14T22:51:07+09:00", "Local", "2026-03-14 22:51 +09:00"},
		{"2026-03-14T22:51:07+09:00", "Mars/Olympus", "2026-03-14 22:51 +09:00"},
		{"half past ten", "Asia/Seoul", "half past ten"},
		{"", "Asia/Seoul", ""},
	} {
		if got := cli.Local(asleep.Timestamp(c.at), c.zone); got != c.want {
			t.Errorf("%s in %q is %q, want %q", c.at, c.zone, got, c.want)
		}
	}
}

func TestDurationsInTables(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[asleep.Seconds]string{
		0: "0s", 40: "40s", 59.6: "1m00s", 185: "3m05s", 3599.4: "59m59s", 25_920: "7h12m", 90_061: "25h01m", -61: "-1m01s",
	} {
		if got := cli.Span(&seconds); got != want {
			t.Errorf("%v s is %q, want %q", float64(seconds), got, want)
		}
	}
	if got := cli.Span(nil); got != "" {
		t.Errorf("none is %q", got)
	}
}

func TestNothingFromElsewhereSteersTheTerminal(t *testing.T) {
	t.Parallel()
	if got := cli.Cell("a\x1b[31mb\nc\td\u009be\u202ef\u2028g é 수면"); got != "a\ufffd[31mb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg é 수면" {
		t.Errorf("%q", got)
	}
}
