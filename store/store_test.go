package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 999_999, time.UTC)

func report(t *testing.T, fixture string) *asleep.Report {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "fixtures", fixture))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), `"result":`)
	r, err := asleep.ParseReport(strings.TrimSuffix(strings.TrimSpace(rest), "}"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestURLsMayNameSeveralHosts, which url.Parse of some releases of Go refuses.
func TestURLsMayNameSeveralHosts(t *testing.T) {
	t.Parallel()
	for raw, host := range map[string]string{
		"x://u:p%40w@a:1,b:2/d?k=v":   "a:1,b:2",
		"x://u:p%40w@a,b,c/d?k=v":     "a,b,c",
		"x://u:p%40w@[::1]:1,b/d?k=v": "[::1]:1,b",
		"x://u:p%40w@a:1/d?k=v":       "a:1",
	} {
		_, u, err := store.Resolve(raw, store.Backend{Name: "X", Schemes: []string{"x"}})
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if p, _ := u.User.Password(); u.Host != host || u.Path != "/d" || u.RawQuery != "k=v" || p != "p@w" || u.String() != raw {
			t.Errorf("%s: %#v, written %s", raw, u, u)
		}
	}
	for _, raw := range []string{"x://u:hunter2@a:1,b:port/d", "x://u:hunter2@a,,b/d", "x://u:hunter2@a,b c/d", "x://u:hunter2@,/d"} {
		if _, _, err := store.Resolve(raw, store.Backend{Name: "X", Schemes: []string{"x"}}); !errors.Is(err, store.ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestOpenTellsWhatIsWrongWithTheURL(t *testing.T) {
	t.Parallel()
	failing := store.Backend{Name: "X", Schemes: []string{"x", "xx"}, Open: func(context.Context, *url.URL, store.Options) (store.Store, error) {
		return nil, store.ErrBusy
	}}
	for raw, want := range map[string]string{
		"":                             "no scheme: want x: or xx:",
		"./asleep.db":                  "no scheme",
		`C:\asleep.db`:                 `scheme "c"`,
		"mysql://u:hunter2@h/d":        `no backend for the database URL scheme "mysql": want x: or xx:`,
		"x://u:hunter2@h:port/d":       "cannot be parsed",
		"x://u:hunter2@h/%zz":          "cannot be parsed",
		"XX://u:hunter2@localhost/abc": "open the X database: store: unavailable: busy",
	} {
		_, err := store.Open(t.Context(), raw, store.Options{}, failing)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want something with %q", raw, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error tells the password: %v", raw, err)
		}
	}
	if _, err := store.Open(t.Context(), "x:", store.Options{}); err == nil || !strings.Contains(err.Error(), "a backend to be passed") {
		t.Errorf("no backend: %v", err)
	}
}

func TestFromReportKeepsBodyAndFigures(t *testing.T) {
	t.Parallel()
	r := report(t, "session_complete_timezone_seoul.json")
	s, err := store.FromReport("u1", r, noon)
	if err != nil {
		t.Fatal(err)
	}
	if s.Raw != r.Raw || !s.Settled || s.Form != store.FormReport || len(s.Epochs.Sleep) != len(r.Session.SleepStages) {
		t.Errorf("not the report: %+v", s)
	}
	if want := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC); !s.Observed.Equal(want) || s.Observed.Location() != time.UTC {
		t.Errorf("observed %v, want %v", s.Observed, want)
	}
	if date, _ := r.Session.LocalDate(); s.LocalDate() != date || s.Offset != 9*time.Hour {
		t.Errorf("began on %v at offset %v, want %v at 9h", s.LocalDate(), s.Offset, date)
	}
	if v, ok := s.Metrics.Get(store.TimeInSleep); !ok || v != float64(*r.Stat.TimeInSleep) {
		t.Errorf("time in sleep %v %v, want %v", v, ok, *r.Stat.TimeInSleep)
	}
	back, err := s.Report()
	if err != nil || back.Raw != r.Raw {
		t.Errorf("report again: %v", err)
	}
}

// TestTimesThatCannotBeKeptAreUnknown: a zero time that somebody wrote at an offset, and
// clocks that nobody has, refuse no report; and a page can end anywhere.
func TestTimesThatCannotBeKeptAreUnknown(t *testing.T) {
	t.Parallel()
	for start, want := range map[string]struct {
		unix   int64
		offset time.Duration
	}{
		"0001-01-01T00:00:00+09:00": {time.Time{}.Unix(), 0},
		"0001-01-01T00:00:00Z":      {time.Time{}.Unix(), 0},
		"0001-01-01T00:00:00-01:00": {time.Time{}.Unix() + 3600, -time.Hour},
		"9999-12-31T23:59:59-00:01": {time.Time{}.Unix(), 0},
		"9999-12-31T23:59:59+00:01": {time.Date(9999, 12, 31, 23, 58, 59, 0, time.UTC).Unix(), time.Minute},
		"2026-03-14T12:00:00+24:59": {noon.Add(-24*time.Hour - 59*time.Minute).Unix(), 0},
		"2026-03-14T12:00:00+24:00": {noon.Add(-24 * time.Hour).Unix(), 24 * time.Hour},
	} {
		r, err := asleep.ParseReport(fmt.Sprintf(`{"session":{"id":"s","state":"COMPLETE","start_time":%q,"end_time":%q}}`, start, start))
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.FromReport("u", r, noon)
		if err != nil || s.Start.Unix() != want.unix || s.End.Unix() != want.unix || s.Offset != want.offset {
			t.Errorf("%s: %v, %v, %v", start, s.Start, s.Offset, err)
		}
		if again, err := s.Normalize(); err != nil || !again.Start.Equal(s.Start) {
			t.Errorf("%s: %v", start, err)
		}
		if c, err := store.ParseCursor(store.CursorOf(s).String()); err != nil || c != store.CursorOf(s) {
			t.Errorf("%s: cursor %v, %v", start, c, err)
		}
	}
}

func TestEfficiencyIsARatioWhateverTheServiceWrote(t *testing.T) {
	t.Parallel()
	for _, f := range []string{"session_complete_v3_sdk_shape.json", "session_complete_doc_shape.json"} {
		v, ok := store.MetricsOf(report(t, f)).Get(store.SleepEfficiency)
		if !ok || v <= 0 || v > 1 {
			t.Errorf("%s: efficiency %v %v, want a ratio", f, v, ok)
		}
	}
}

func TestUnreliableAndAbsentFiguresAreNotProjected(t *testing.T) {
	t.Parallel()
	for _, f := range []string{"session_too_long.json", "session_in_progress.json", "session_never_slept_stat_null.json"} {
		if m := store.MetricsOf(report(t, f)); m != (store.Metrics{}) {
			t.Errorf("%s: figures %+v, want none", f, m)
		}
	}
}

func TestRevOrdersNews(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	ascending := []store.Session{
		{Observed: at(0), State: "NEW_STATE"},
		{Observed: at(0), State: asleep.SessionStateOpen},
		{Observed: at(0), State: asleep.SessionStateClosed},
		{Observed: at(0), State: asleep.SessionStateComplete},
		{Observed: at(0), State: asleep.SessionStateOpen, Form: store.FormReport},
		{Observed: at(0), State: asleep.SessionStateComplete, Form: store.FormReport},
		{Observed: at(time.Millisecond), State: asleep.SessionStateOpen},
		{Observed: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), State: asleep.SessionStateComplete},
		{Observed: at(-time.Hour), State: asleep.SessionStateComplete, Form: store.FormReport, Settled: true},
		{Observed: at(0), State: asleep.SessionStateComplete, Form: store.FormReport, Settled: true},
	}
	for i := range ascending[1:] {
		if a, b := ascending[i].Rev(), ascending[i+1].Rev(); a >= b {
			t.Errorf("news %d has rev %d, news %d has %d: want it greater", i, a, i+1, b)
		}
	}
}

func TestNormalizeNamesTheFault(t *testing.T) {
	t.Parallel()
	good := store.Session{ID: "s", UserID: "u", Observed: noon}
	for want, edit := range map[string]func(*store.Session){
		"session id is empty":              func(s *store.Session) { s.ID = "" },
		"user id is empty":                 func(s *store.Session) { s.UserID = "" },
		"513 bytes long":                   func(s *store.Session) { s.ID = strings.Repeat("x", 513) },
		"not UTF-8":                        func(s *store.Session) { s.UserID = "\xff" },
		"zero byte":                        func(s *store.Session) { s.Zone = "a\x00b" },
		"start of session":                 func(s *store.Session) { s.Start = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"observed at no time":              func(s *store.Session) { s.Observed = time.Time{} },
		"form 9":                           func(s *store.Session) { s.Form = 9 },
		"state is 1000 bytes long":         func(s *store.Session) { s.State = asleep.SessionState(strings.Repeat("x", 1000)) },
		"end of session \"s\" is not in t": func(s *store.Session) { s.End = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) },
		"start of session \"s\" is not in": func(s *store.Session) { s.Start = time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 9*3600)) },
		"offset 24h0m1s of session \"s\"":  func(s *store.Session) { s.Offset = 24*time.Hour + time.Second },
		"offset -24h0m1s of session":       func(s *store.Session) { s.Offset = -24*time.Hour - time.Second },
	} {
		s := good
		edit(&s)
		if _, err := s.Normalize(); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want ErrInvalid with %q", err, want)
		}
	}
	if _, err := good.Normalize(); err != nil {
		t.Error(err)
	}
}

func TestOriginIsTheEarlierOfStartAndObserved(t *testing.T) {
	t.Parallel()
	s := store.Session{Observed: noon}
	if !s.Origin().Equal(noon) {
		t.Error("no start: want Observed")
	}
	s.Start = noon.Add(-time.Hour)
	if !s.Origin().Equal(s.Start) {
		t.Error("started before it was observed: want Start")
	}
	s.Start = noon.Add(time.Hour)
	if !s.Origin().Equal(noon) {
		t.Error("a start in the future must not slip past a tombstone")
	}
}

func TestAssembleIsTheSameInAnyOrderAndFillsGaps(t *testing.T) {
	t.Parallel()
	w := func(seq int, stages ...asleep.Stage) store.Window {
		return store.Window{SessionID: "s", UserID: "u", Seq: seq, Epochs: store.Epochs{Sleep: stages}, Observed: noon.Add(time.Duration(seq))}
	}
	list := []store.Window{w(0, 1, 1), w(1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2), w(3, 3)}
	want := store.Assemble(list)
	if got := len(want.Epochs.Sleep); got != 40 {
		t.Fatalf("%d epochs, want 40: the last one is number 39", got)
	}
	for i, stage := range map[int]asleep.Stage{0: -1, 7: -1, 8: 2, 9: 2, 19: 2, 20: -1, 38: -1, 39: 3} {
		if want.Epochs.Sleep[i] != stage {
			t.Errorf("epoch %d is %v, want %v", i, want.Epochs.Sleep[i], stage)
		}
	}
	if want.Epochs.Breath != nil {
		t.Error("a series that never came is not nil")
	}
	for _, order := range [][]int{{2, 1, 0}, {1, 0, 2}, {2, 0, 1}} {
		if got := store.Assemble([]store.Window{list[order[0]], list[order[1]], list[order[2]]}); !reflect.DeepEqual(got, want) {
			t.Errorf("order %v gave %+v", order, got)
		}
	}
}

func TestWindowMustFitTheNight(t *testing.T) {
	t.Parallel()
	good := store.Window{SessionID: "s", UserID: "u", Seq: 0, Epochs: store.Epochs{Sleep: make(asleep.Stages, 10)}, Observed: noon}
	if _, err := good.Normalize(); err != nil {
		t.Error(err)
	}
	for name, edit := range map[string]func(*store.Window){
		"begins before the night": func(w *store.Window) { w.Epochs.Sleep = make(asleep.Stages, 11) },
		"negative":                func(w *store.Window) { w.Seq = -1 },
		"far away":                func(w *store.Window) { w.Seq = 1 << 40 },
		"no time":                 func(w *store.Window) { w.Observed = time.Time{} },
	} {
		w := good
		edit(&w)
		if _, err := w.Normalize(); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

func TestTallyHoursOfADayWhoseClocksGoBack(t *testing.T) {
	t.Parallel()
	tally := store.Tally{Period: store.PeriodHourly}
	first := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC) // 02:30 in Berlin, twice
	for i, offset := range []time.Duration{2 * time.Hour, time.Hour} {
		tally.Add(store.Session{ID: "s", Start: first.Add(time.Duration(i) * time.Hour), Offset: offset})
	}
	got := tally.Buckets()
	if len(got) != 2 || got[0].Hour.Hour() != 2 || got[1].Hour.Hour() != 2 || got[1].Hour.Sub(got[0].Hour) != time.Hour {
		t.Errorf("%v: want two buckets, both at 2 o'clock, an hour apart", got)
	}
}

func TestLongReasonsAreCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	s, err := store.Settlement{Action: store.Bury, Reason: "x" + strings.Repeat("é", 1000) + "\x00\xff"}.Normalize()
	if err != nil || len(s.Reason) != 1023 || strings.Contains(s.Reason, "\x00") || !utf8.ValidString(s.Reason) {
		t.Errorf("%d bytes, %v: want 1023", len(s.Reason), err)
	}
	for _, step := range []string{"", "a b", "ä", strings.Repeat("x", 41), "a,b"} {
		if _, err := (store.Settlement{Action: store.StepDone, Step: step}).Normalize(); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("step %q: %v, want ErrInvalid", step, err)
		}
	}
}
