package asleep

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// plainly decodes as if there were no outlines.
func plainly(raw string) (*Report, error) {
	r := new(Report)
	err := decode(raw, (*plainReport)(r))
	return r, err
}

// agrees holds the outline against plain decoding: what the one accepts the other
// accepts, and finds the same in it.
func agrees(t *testing.T, raw string) (outlined bool) {
	t.Helper()
	r := new(Report)
	if !r.outlined(raw) {
		return false
	}
	if want, err := plainly(raw); err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("%.400q: by its outline it is %+v, else %+v (%v)", raw, r, want, err)
	}
	return true
}

func TestAnOutlineIsReadAsTheWhole(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{
		`{"session":{"id":"x","sleep_stages":[0,1,2,3],"breath_stages":[1],"snoring_stages":[0,1]}}`:            true,
		"{\"session\" : { \"sleep_stages\" :\n[ 0 , null , 300 ] , \"id\" : \"x\" } , \"timezone\" : \"UTC\" }": true,
		`{"session":{"sleep_stages":[]},"peculiarities":["A"],"stat":{"time_in_bed":1}}`:                        true,
		`{"session":{"sleep_stages":null,"breath_stages":[1,1]}}`:                                               true,
		`{"session":{"sleep_stages":[1],"sleep_stages":[2],"sleep_stages":null}}`:                               true,
		`{"session":{"sleep_stages":[1],"Sleep_Stages":[2]},"session":{"breath_stages":[1]}}`:                   true,
		`{"session":{"sleep_stages":[1],"sleep_stages":[2]},"Session":null,"ſession":{"id":"y"}}`:               true,
		`{"timezone":"\"sleep_stages\":[1]","session":{"sleep_stages":[3]}}`:                                    true,
		`{"session":{"x_stages":[["a"]],"sleep_stages":[3]}}`:                                                   true,
		`{"session":{"id":"x"}}`:                                                  false,
		`{"sleep_stages":[1],"session":{"breath_stages":[2]}}`:                    false, // not where they belong
		`{"stat":{"sleep_stages":["a"]},"session":{"id":"x"}}`:                    false,
		`{"session":{"SLEEP_STAGES":"\u0000epochs"},"stat":{"sleep_stages":[1]}}`: false, // an outline's own sign
		`{"session":{"sleep_stages":[1],"SLEEP_STAGES":"\u0000epochs"}}`:          false,
		`{"session":{"sleep_stages":[1,]}}`:                                       false,
		`{"session":{"sleep_stages":[[1]]}}`:                                      false,
		`{"session":{"sleep_stages":["]"]}}`:                                      false,
		`{"session":{"sleep_stages":[1`:                                           false,
		`{"session":{"sleep_stages":[1]}`:                                         false,
		`{"session":{sleep_stages":[1]}}`:                                         false,
		`{"session":{"a" sleep_stages":[1]}}`:                                     false,
		`{"session":{"id":1,"sleep_stages":[1]}}`:                                 false,
		`{"session":{"id":"x","sleep_stages":[1]},"timezone":"\u00"}`:             false,
		`[{"sleep_stages":[1]}]`:                                                  false,
		``:                                                                        false,
	} {
		if got := agrees(t, raw); got != want {
			t.Errorf("%s: read by its outline: %v, want %v", raw, got, want)
		}
		_, plain := plainly(raw)
		if _, err := ParseReport(raw); (err == nil) != (plain == nil) || err != nil && err.Error() != plain.Error() {
			t.Errorf("%s: %v, want %v", raw, err, plain)
		}
	}
}

func TestEveryFixtureIsReadByItsOutline(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/fixtures/session_*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	used := 0
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, result, ok := strings.Cut(string(body), `"result":`)
		if i := strings.LastIndexByte(result, '}'); ok && i >= 0 && agrees(t, result[:i]) {
			used++
		}
	}
	if used < 3 {
		t.Errorf("of %d fixtures only %d are read by their outline", len(files), used)
	}
}

// An answer may be made to cost time: keys of epochs without an end of any array.
func TestAnOutlineIsDrawnInOnePass(t *testing.T) {
	t.Parallel()
	r, raw := new(Report), strings.Repeat(`"sleep_stages":[`, 1<<17)
	if r.outlined(raw) || r.outlined(strings.Repeat(`{"sleep_stages":[0]`, 1<<17)) {
		t.Error("nonsense was read")
	}
}

func FuzzOutline(f *testing.F) {
	for _, s := range []string{
		`{"session":{"id":"x","sleep_stages":[0,1,2,3],"breath_stages":[1],"snoring_stages":[0,null]}}`,
		`{"sleep_stages":[1],"session":{"breath_stages":[2],"Sleep_Stages":[3]},"session":null}`,
		`{"session":{"sleep_stages":"\u0000epochs","snoring_stages" : [ 1 ]}}`,
		`{"timezone":"\"sleep_stages\":[1]","session":{"sleep_stages":[-1,300]}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) { agrees(t, raw) })
}

// Outlines share memory one after the other: nothing that was read may be a part of it.
func TestAReportKeepsNothingOfItsOutline(t *testing.T) {
	t.Parallel()
	const raw = `{"timezone":"Asia/Seoul","peculiarities":["A"],"session":{"id":"first","state":"COMPLETE","start_time":"2026-03-14T13:51:07+00:00","sleep_stages":[1,2]},` +
		`"stat":{"sleep_time":"2026-03-14T13:51:07+00:00","sleep_cycle":[{"order":0,"start_time":"2026-03-14T13:51:07+00:00"}]}}`
	want, err := plainly(raw)
	if err != nil {
		t.Fatal(err)
	}
	o := new(outline)
	r := new(Report)
	if !o.draw(raw) || !r.read(o) {
		t.Fatal("it has no outline")
	}
	for i := range o.text {
		o.text[i] = '#'
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("it became %+v, want %+v", r, want)
	}
}
