package asleep_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/asleep-sdk/asleep"
)

func TestStagesDecode(t *testing.T) {
	t.Parallel()
	const unknown, other = asleep.StageUnknown, asleep.StageOther
	for _, c := range []struct {
		json string
		want asleep.Stages
	}{
		{`null`, nil},
		{`[]`, asleep.Stages{}},
		{` [ ] `, asleep.Stages{}},
		{`[0,1,2,3]`, asleep.Stages{0, 1, 2, 3}},
		{"[ 0 ,\n1\t, 2\r,3 ]", asleep.Stages{0, 1, 2, 3}},
		{`[1,null,-1,0]`, asleep.Stages{1, unknown, unknown, 0}},
		{`[4,17,127,-127]`, asleep.Stages{4, 17, 127, -127}},
		{`[300,-128,-129,1e3,1e400]`, asleep.Stages{other, other, other, other, other}},
		{`[1.0,2e0,0.5]`, asleep.Stages{1, 2, other}},
	} {
		var got asleep.Stages
		if err := json.Unmarshal([]byte(c.json), &got); err != nil {
			t.Errorf("%s: %v", c.json, err)
			continue
		}
		if !slices.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s = %#v, want %#v", c.json, got, c.want)
		}
	}
	for _, bad := range []string{``, `{}`, `"0123"`, `7`, `[`, `[1`, `[1,`, `[1,]`, `[,1]`, `["1"]`, `[[1]]`, `[{}]`, `[true]`, `[01]`, `[1 2]`, `[0x1]`, `[1_0]`, `[Inf]`} {
		var got asleep.Stages
		if err := got.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s decoded as %v", bad, got)
		}
	}
}

func TestANullStageIsUnknownNeverAwake(t *testing.T) {
	t.Parallel()
	var s asleep.Session
	in := `{"id":"x","sleep_stages":[null],"breath_stages":[null],"snoring_stages":[null]}`
	if err := json.Unmarshal([]byte(in), &s); err != nil {
		t.Fatal(err)
	}
	if s.SleepStages[0] != asleep.StageUnknown || s.BreathStages[0] != asleep.BreathUnknown || s.SnoringStages[0] != asleep.SnoringUnknown {
		t.Errorf("null decoded as %v, %v, %v", s.SleepStages[0], s.BreathStages[0], s.SnoringStages[0])
	}
}

func TestValuesOutsideAByteSurviveInTheReport(t *testing.T) {
	t.Parallel()
	in := `{"session":{"id":"x","sleep_stages":[0,300,null,1.0,70000]}}`
	r, err := asleep.ParseReport(in)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := json.Marshal(r); err != nil || string(out) != in {
		t.Errorf("encoded as %s (%v), want %s", out, err, in)
	}
	r.Session.SleepStages[0] = asleep.StageDeep
	want := `{"session":{"id":"x","sleep_stages":[2,300,null,1.0,70000]}}`
	if out, err := json.Marshal(r); err != nil || string(out) != want {
		t.Errorf("after an edit encoded as %s (%v), want %s", out, err, want)
	}
}

func TestStagesEncode(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]asleep.Stages{
		`null`:         nil,
		`[]`:           {},
		`[-1,0,3,127]`: {-1, 0, 3, 127},
	} {
		if out, err := json.Marshal(s); err != nil || string(out) != want {
			t.Errorf("%v encoded as %s (%v), want %s", s, out, err, want)
		}
	}
}

func TestStageNames(t *testing.T) {
	t.Parallel()
	got := fmt.Sprint([]asleep.Stage{-1, 0, 1, 2, 3, 4, -128})
	if want := "[unknown wake light deep rem stage 4 other]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !asleep.StageREM.Asleep() || asleep.StageWake.Asleep() || asleep.StageUnknown.Asleep() {
		t.Error("Asleep is wrong about REM, wake or unknown")
	}
}

// FuzzStages holds the decoder against encoding/json: both take the same
// inputs, and agree on every element that fits.
func FuzzStages(f *testing.F) {
	for _, s := range []string{`null`, ` null `, `[]`, `[0,1,2,3]`, `[null,-1,300,1.0]`, `[1,]`, `[ 1 , 2 ]`, `{}`, `["a"]`, `[1e2]`, `[-]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want []*float64
		wantErr := json.Unmarshal(b, &want)
		var got asleep.Stages
		err := got.UnmarshalJSON(b)
		if wantErr == nil && err != nil {
			t.Fatalf("%q refused: %v", b, err)
		}
		if wantErr != nil || err != nil {
			return
		}
		if len(got) != len(want) || (got == nil) != (want == nil) {
			t.Fatalf("%q has %d elements, want %d", b, len(got), len(want))
		}
		for i, w := range want {
			expect := asleep.StageUnknown
			if w != nil {
				if expect = asleep.StageOther; *w == float64(int8(*w)) {
					expect = asleep.Stage(*w)
				}
			}
			if got[i] != expect {
				t.Fatalf("%q: element %d is %d, want %d", b, i, got[i], expect)
			}
		}
		out, err := json.Marshal(got)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%q encodes as %q: %v", b, out, err)
		}
	})
}
