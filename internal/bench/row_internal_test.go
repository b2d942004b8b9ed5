package bench

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func outcome(name string, success, attempts float64) Outcome {
	return Outcome{Contender: name, Figures: []Figure{
		{Name: "success", Format: "%.2f", Value: success}, {Name: "attempts", Format: "%.1f", Value: attempts},
	}}
}

var twoGoals = []Goal{{Figure: "success", AtLeast: true, Limit: 0.9}, {Figure: "attempts", Limit: 2}}

func TestVerdictNamesWhatWasMissed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ours Outcome
		want string
	}{
		{outcome("ours", 0.9, 2), "reached"},
		{outcome("ours", 0.89, 2), "NOT REACHED: success"},
		{outcome("ours", 0.5, 2.1), "NOT REACHED: success, attempts"},
		{Outcome{Contender: "ours"}, "NOT REACHED: success, attempts"},
		{Outcome{Contender: "ours", Err: notMeasured("why")}, "not measured"},
	} {
		if got := (Result{Row: Row{Goals: twoGoals}, Ours: c.ours}).Verdict(); got != c.want {
			t.Errorf("%v: %q, want %q", c.ours, got, c.want)
		}
	}
}

func TestABusyMachineIsNamedWithWhatWasMissed(t *testing.T) {
	t.Parallel()
	for late, want := range map[time.Duration]string{
		3 * time.Millisecond: "NOT REACHED: success", 30 * time.Millisecond: "NOT REACHED: success (busy machine: timers 30 ms late)",
	} {
		r := Result{Row: Row{Goals: twoGoals}, Ours: outcome("ours", 0.5, 1), Late: late}
		if got := r.Verdict(); got != want {
			t.Errorf("%v late: %q, want %q", late, got, want)
		}
	}
}

func TestLatenessOfAnIdleMachineIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if late := lateness(t.Context(), func() { _ = pause(t.Context(), time.Second) }); late != 0 {
			t.Errorf("timers %v late in virtual time", late)
		}
		if late := lateness(t.Context(), func() {}); late != 0 {
			t.Errorf("timers %v late in no time", late)
		}
	})
}

func TestAGoalBelowThePeers(t *testing.T) {
	t.Parallel()
	row := Row{Goals: []Goal{{Figure: "attempts", BelowPeers: true}}}
	peers := []Outcome{outcome("a", 0, 3), outcome("b", 0, 2), {Contender: "c", Err: errors.New("broken")}}
	for attempts, want := range map[float64]string{1.9: "reached", 2.1: "NOT REACHED: attempts"} {
		if got := (Result{Row: row, Ours: outcome("ours", 0, attempts), Peers: peers}).Verdict(); got != want {
			t.Errorf("%v: %q, want %q", attempts, got, want)
		}
	}
	if got := (Result{Row: row, Ours: outcome("ours", 0, 1)}).Verdict(); got == "reached" {
		t.Error("reached without a peer to be below of")
	}
}

func TestBestPeer(t *testing.T) {
	t.Parallel()
	all := []Outcome{
		outcome("frugal", 0.7, 1), outcome("both", 0.91, 1.9), outcome("greedy", 0.99, 4),
		{Contender: "broken", Err: errors.New("broken")},
	}
	for _, c := range []struct {
		peers  []Outcome
		counts func(Outcome) bool
		want   string
	}{
		{all, nil, "both"},
		{[]Outcome{all[0], all[2]}, nil, "greedy"},
		{[]Outcome{all[2], all[0]}, nil, "greedy"},
		{[]Outcome{outcome("more", 0.95, 2), outcome("fewer", 0.95, 1)}, nil, "fewer"},
		{all, func(o Outcome) bool { return o.Contender == "frugal" }, "frugal"},
		{all[3:], nil, ""},
	} {
		got, _ := Result{Row: Row{Goals: twoGoals, Counts: c.counts}, Peers: c.peers}.Best()
		if got.Contender != c.want {
			t.Errorf("best of %v is %q, want %q", c.peers, got.Contender, c.want)
		}
	}
}

func TestMediansOfRounds(t *testing.T) {
	t.Parallel()
	round := func(v float64, err error) []Outcome {
		return []Outcome{outcome("fine", v, 1), {Contender: "broken", Figures: []Figure{{Value: v}}, Err: err}}
	}
	broken := errors.New("broken")
	got := medians([][]Outcome{round(3, nil), round(100, broken), round(1, nil), round(2, nil), round(4, nil)})
	if v, _ := got[0].value("success"); v != 3 {
		t.Errorf("median %v, want 3", v)
	}
	if !errors.Is(got[1].Err, broken) {
		t.Errorf("an error in one round came to %v", got[1])
	}
}

func TestBatchZeroIsAloneOthersShareAndTheFirstComeFirst(t *testing.T) {
	t.Parallel()
	var shape []string
	for _, group := range batches([]Row{{ID: "a"}, {ID: "b", Batch: 1}, {ID: "c"}, {ID: "d", Batch: 1}, {ID: "e", Batch: 2}, {ID: "f", First: true}}) {
		var ids []string
		for _, r := range group {
			ids = append(ids, r.ID)
		}
		shape = append(shape, strings.Join(ids, "+"))
	}
	if got := strings.Join(shape, " "); got != "f a b+d c e" {
		t.Errorf("batches %q, want %q", got, "f a b+d c e")
	}
}

func TestMeterTakesRatiosWithinARound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		takes := func(d time.Duration) func() error {
			return func() error {
				defer func() { calls++ }()
				// The machine grows slower with each round.
				return pause(t.Context(), d*time.Duration(1+calls/30))
			}
		}
		costs, err := meter{rounds: 9, slice: 10}.measure([]func() error{
			takes(time.Millisecond), takes(2 * time.Millisecond), takes(1500 * time.Microsecond),
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []float64{1, 2, 1.5} {
			if costs[i].Ratio != want {
				t.Errorf("ratio %v, want %v", costs[i].Ratio, want)
			}
		}
		if want := 6 * time.Millisecond; costs[0].Time != want { // that of the fifth of nine rounds
			t.Errorf("median time %v, want %v", costs[0].Time, want)
		}
		if want := 6 * time.Millisecond; costs[1].Added != want || costs[0].Added != 0 { // as much again
			t.Errorf("added %v, want %v; to itself %v", costs[1].Added, want, costs[0].Added)
		}
		if want := 3 * time.Millisecond; costs[1].Doubt != want { // of 3 to 9 ms: the rounds 2 to 8
			t.Errorf("± %v, want %v", costs[1].Doubt, want)
		}
	})
}

func TestMeterEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if _, err := (meter{rounds: 5, slice: 1}).measure([]func() error{func() error { return broken }}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func TestASceneReportsWhoCannotPlay(t *testing.T) {
	t.Parallel()
	s := scene{script: Healthy, play: func(ctx context.Context, c Caller, up *Upstream) []Figure {
		return []Figure{{Name: "attempts", Value: float64(len(Workers(ctx, c, 2, 4, time.Minute)) + up.Attempts())}}
	}}
	got := s.sideBySide(t.Context(), []Contender{
		bare,
		{Name: "absent", New: func(Setup) (Caller, error) { return nil, notMeasured("it is away") }},
	})
	if v, ok := got[0].value("attempts"); !ok || v != 8 {
		t.Errorf("the bare client came to %v", got[0])
	}
	if got[1].Contender != "absent" || !errors.Is(got[1].Err, ErrNotMeasured) || got[1].String() != "not measured: it is away" {
		t.Errorf("the absent one came to %v", got[1])
	}
}

func TestRowsHaveDifferentIDsAndGoals(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range append(Rows(), StoreRows()...) {
		if seen[r.ID] || r.What == "" || r.Goal == "" || len(r.Goals) == 0 || r.Run == nil {
			t.Errorf("row %q is incomplete or there twice", r.ID)
		}
		seen[r.ID] = true
	}
}

func TestTableAlignsAndQuotesTheBestPeer(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	results := []Result{
		{Row: Row{ID: "one", What: "Größe", Goal: ">= 0.9", Goals: twoGoals}, Ours: outcome("ours", 0.95, 1), Peers: []Outcome{outcome("peer", 0.8, 3)}},
		{Row: Row{ID: "two", What: "x", Goal: "0"}, Ours: Outcome{Err: notMeasured("why")}},
	}
	if err := WriteTable(&b, results); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for _, l := range lines {
		if len([]rune(l)) != len([]rune(lines[0])) {
			t.Errorf("lines differ in width:\n%s", b.String())
		}
	}
	for _, want := range []string{"0.95 success, 1.0 attempts", "0.80 success, 3.0 attempts (peer)", "reached", "not measured: why", "| -"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestDecodersReadTheSameNight(t *testing.T) {
	t.Parallel()
	names, decode := Decoders()
	for i, d := range decode {
		if err := d(); err != nil {
			t.Errorf("%s: %v", names[i], err)
		}
	}
}
