package main

import (
	"io"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/bench"
)

func TestListNamesEveryRow(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run([]string{"-list"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, r := range append(bench.Rows(), bench.StoreRows()...) {
		if !strings.Contains(out.String(), r.ID) {
			t.Errorf("no row %q in the list", r.ID)
		}
	}
}

func TestRowsAreChosenByTheirID(t *testing.T) {
	t.Parallel()
	tables, err := choose(bench.Tables(), "^(dials-|sync-)")
	if err != nil || len(tables) != 2 || len(tables[0].Rows) != 2 || len(tables[1].Rows) != 2 {
		t.Errorf("%v and %v, want two rows of two tables", tables, err)
	}
	if tables, err := choose(bench.Tables(), "^million$"); err != nil || len(tables) != 1 {
		t.Errorf("%d tables and %v, want no empty one", len(tables), err)
	}
	for pattern, want := range map[string]string{"(": "no regular expression", "nonesuch": "matches no row"} {
		if err := run([]string{"-rows", pattern}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("-rows %q: %v, want something with %q", pattern, err, want)
		}
	}
}

func TestATableIsPrintedForWhatHasRun(t *testing.T) {
	t.Parallel()
	row := bench.Row{ID: "one", What: "it", Goal: "0"}
	var out strings.Builder
	done := map[string]bench.Result{"one": {Row: row, Ours: bench.Outcome{Contender: "ours", Err: bench.ErrNotMeasured}}}
	if err := show(&out, []bench.Table{{Title: "Some rows", Rows: []bench.Row{row}}}, done, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CPUs", "Some rows", "| one", "not measured", "one: it"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
