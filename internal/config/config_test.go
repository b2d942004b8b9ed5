package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/config"
)

func source(name string, pairs ...string) config.Source {
	s := config.Environment(pairs)
	s.Name = name
	return s
}

func problems(t *testing.T, err error) (list []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	all, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("%T is no *config.Error", err)
	}
	for _, p := range all.Problems {
		list = append(list, p.Error())
	}
	return list
}

func TestTheFirstSourceThatHasAValueWins(t *testing.T) {
	t.Parallel()
	flags := source("flag", "A=flag")
	flags.Label = func(string) string { return "--a" }
	r := config.NewReader(flags, source("environment", "A=env", "B=env", "C="), source(".env", "A=file", "B=file", "C=file", "OLD_D=file"))
	for _, c := range []struct{ names, want, source, label string }{
		{"A", "flag", "flag", "--a"},
		{"B", "env", "environment", "B"},
		{"C", "file", ".env", "C"}, // empty counts as none
		{"D OLD_D", "file", ".env", "OLD_D"},
		{"E", "default", config.DefaultSource, "E"},
	} {
		if got := r.String("default", strings.Fields(c.names)...); got != c.want {
			t.Errorf("%s is %q, want %q", c.names, got, c.want)
		}
		values := r.Values()
		if v := values[len(values)-1]; v.Source != c.source || v.Label != c.label || v.Text != c.want {
			t.Errorf("%s came from %+v", c.names, v)
		}
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestAStrongerSourceWinsEvenByAnOlderName(t *testing.T) {
	t.Parallel()
	r := config.NewReader(source("environment", "LOG_LEVEL=warn"), source(".env", "ASLEEP_LOG_LEVEL=debug"))
	if l := config.ReadLogging(r); l.Level != slog.LevelWarn {
		t.Errorf("level %v", l.Level)
	}
}

func TestOfANameThatStandsTwiceTheLastCounts(t *testing.T) {
	t.Parallel()
	s := config.Environment([]string{"A=1", "=x", "nothing", "A=2=3"})
	if s.Values["A"] != "2=3" || len(s.Values) != 1 {
		t.Errorf("%q", s.Values)
	}
}

func TestEveryProblemIsListedWithItsVariableValueAndRemedy(t *testing.T) {
	t.Parallel()
	r := config.NewReader(source("environment", "N=seven", "BIG=0", "D=-3s", "B=maybe", "W=purple", "ASLEEP_LOG_LEVEL=loud", "MAX_CONNECTIONS=0"))
	if r.Int(5, 1, 9, "N") != 5 || r.Int(6, 1, math.MaxInt32, "BIG") != 6 || r.Duration(time.Second, "D") != time.Second ||
		!r.Bool(true, "B") || r.Choice("red", []string{"red", "blue"}, "W") != "red" {
		t.Error("a bad value does not give the default")
	}
	config.ReadLogging(r)
	config.ReadUpstream(r, "https://example.com")
	want := []string{
		`N "seven" is not a whole number from 1 to 9: give one`,
		`BIG "0" is not a whole number of 1 or more: give one`,
		`D "-3s" is not a positive time: give seconds such as 30, or a duration such as 1m30s`,
		`B "maybe" is neither yes nor no: give true or false`,
		`W "purple" is not known: give one of red, blue`,
		`ASLEEP_LOG_LEVEL "loud" is not known: give one of debug, info, warn, error`,
		`MAX_CONNECTIONS "0" is not a whole number of 1 or more: give one`,
		`ASLEEP_API_KEY is not set: set it in the environment or in .env, or name the file that holds it in ASLEEP_API_KEY_FILE`,
	}
	if got := problems(t, r.Err()); !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	if text := r.Err().Error(); !strings.HasPrefix(text, "8 problems:\n  N ") || strings.Count(text, "\n") != 8 {
		t.Errorf("the list reads %q", text)
	}
	if _, ok := errors.AsType[config.Problem](r.Err()); !ok {
		t.Error("errors.As finds no problem in the list")
	}
}

func TestTheSameProblemIsToldOnce(t *testing.T) {
	t.Parallel()
	var p config.Problems
	p.Add("A", "is %d", 1)
	p.Add("A", "is %d", 1)
	if err := p.Err(); err == nil || err.Error() != "A is 1" {
		t.Errorf("%v", err)
	}
}

func TestValuesAreRead(t *testing.T) {
	t.Parallel()
	r := config.NewReader(source("environment", "N= 7 ", "D=30", "D2=1m30s", "T=YES", "F=off", "ASLEEP_API_KEY=k",
		"ASLEEP_BASE_URL=https://x", "MAX_CONNECTIONS=3", "REQUEST_TIMEOUT=2.5",
		"CIRCUIT_BREAKER_FAILURE_THRESHOLD=3", "CIRCUIT_BREAKER_RESET_TIMEOUT=1m", "LOG_FORMAT=json"))
	if r.Int(0, 1, 9, "N") != 7 || r.Duration(0, "D") != 30*time.Second || r.Duration(0, "D2") != 90*time.Second || !r.Bool(false, "T") || r.Bool(true, "F") {
		t.Error("misread")
	}
	u := config.ReadUpstream(r, "https://default")
	if u.APIKey.Reveal() != "k" || u.BaseURL != "https://x" || u.MaxConnections != 3 || u.RequestTimeout != 2500*time.Millisecond ||
		u.BreakerFailures != 3 || u.BreakerReset != time.Minute {
		t.Errorf("misread: %+v", u)
	}
	if l := config.ReadLogging(r); !l.JSON || l.Level != slog.LevelInfo {
		t.Errorf("misread: %+v", l)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestDefaultsAreShownAsOneWouldSetThem(t *testing.T) {
	t.Parallel()
	r := config.NewReader()
	config.ReadUpstream(r, "https://default")
	shown := map[string]string{}
	for _, v := range r.Values() {
		shown[v.Name] = v.Text
	}
	for name, want := range map[string]string{
		"ASLEEP_REQUEST_TIMEOUT":                   "30",
		"ASLEEP_CIRCUIT_BREAKER_FAILURE_THRESHOLD": "5",
		"ASLEEP_CIRCUIT_BREAKER_RESET_TIMEOUT":     "60",
		"ASLEEP_MAX_CONNECTIONS":                   "",
	} {
		if got, ok := shown[name]; !ok || got != want {
			t.Errorf("%s is shown as %q, want %q", name, got, want)
		}
	}
}

func TestASecretMayLieInAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, empty, long := file("good", " s3cret \r\n"), file("empty", "\n"), file("long", strings.Repeat("s3cret", 1000))
	for name, c := range map[string]struct {
		sources []config.Source
		want    string
		problem string
	}{
		"variable":       {[]config.Source{source("environment", "K=s3cret")}, "s3cret", ""},
		"file":           {[]config.Source{source("environment", "K_FILE="+good)}, " s3cret ", ""},
		"stronger file":  {[]config.Source{source("environment", "K_FILE="+good), source(".env", "K=weak")}, " s3cret ", ""},
		"both":           {[]config.Source{source("environment", "K=s3cret", "K_FILE="+good)}, "", "K_FILE is set beside K: unset one of them"},
		"missing":        {[]config.Source{source("environment", "K_FILE="+dir+"/gone")}, "", "gone: no such file"},
		"a directory":    {[]config.Source{source("environment", "K_FILE="+dir)}, "", "K_FILE cannot be read"},
		"empty":          {[]config.Source{source("environment", "K_FILE="+empty)}, "", "is empty: put the secret into it"},
		"not the secret": {[]config.Source{source("environment", "K_FILE="+long)}, "", "more than 4096 bytes"},
		"none":           {nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(c.sources...)
			if got := r.Secret("K").Reveal(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			got := strings.Join(problems(t, r.Err()), "\n")
			if (c.problem == "") != (got == "") || !strings.Contains(got, c.problem) || strings.Contains(got, "s3cret") {
				t.Errorf("problems %q, want one with %q", got, c.problem)
			}
			if shown := fmt.Sprintf("%+v %#v", r.Values(), r.Values()); strings.Contains(shown, "s3cret") {
				t.Errorf("the values show the secret: %s", shown)
			}
		})
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	s := config.NewSecret("s3cret")
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "a", s, "b", config.Upstream{APIKey: s})
	encoded, err := json.Marshal(config.Upstream{APIKey: s})
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s) + fmt.Sprintf("%+v %#v", config.Upstream{APIKey: s}, &config.Upstream{APIKey: s}) + b.String() + string(encoded) + s.String()
	if strings.Contains(shown, "s3cret") || strings.Contains(shown, "733363726574") {
		t.Errorf("printed: %s", shown)
	}
	if !config.NewSecret("").IsZero() || s.IsZero() || (config.Secret{}).Reveal() != "" {
		t.Error("IsZero is wrong")
	}
}

func TestAMessageQuotesOnOneLineAndNotTooMuch(t *testing.T) {
	t.Parallel()
	if got := config.Quote("a\nb\x1b[31m"); got != `"a\nb\x1b[31m"` {
		t.Errorf("%s", got)
	}
	if got := config.Quote(strings.Repeat("é", 1000)); len(got) > 90 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func FuzzValues(f *testing.F) {
	for _, s := range []string{"", "7", "-1", "1m30s", "30", "9999999999h", "yes", "\x00", "1e400", "+5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := config.Duration(text); err == nil && d <= 0 {
			t.Errorf("Duration(%q) = %v", text, d)
		}
		if n, err := config.Int(text, 1, 9); err == nil && (n < 1 || n > 9) {
			t.Errorf("Int(%q) = %d", text, n)
		} else if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("a message of several lines: %q", err)
		}
		_, _ = config.Bool(text)
	})
}
