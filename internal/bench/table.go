package bench

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is a table of rows, with its title.
type Table struct {
	Title string
	Rows  []Row
}

// Tables are all tables, in their order.
func Tables() []Table {
	return []Table{{"Calls", Rows()}, {"The service", readRows()}, {"Store and inbox", StoreRows()}, {"Store and inbox on PostgreSQL", PostgresRows()}}
}

// StoreRows are all rows about the receiver, the inbox and the store, on SQLite.
func StoreRows() []Row {
	rows := append(receiverRows(), inboxRows()...)
	return append(rows, nightRows()...)
}

// Rows are all rows about calls.
func Rows() []Row {
	rows := overheadRows()
	rows = append(rows, outageRows()...)
	rows = append(rows, flakyRow())
	rows = append(rows, limitRows()...)
	rows = append(rows, hygieneRows()...)
	rows = append(rows, batchRows()...)
	rows = append(rows, cacheRows()...)
	rows = append(rows, redisRows()...)
	return append(rows, decodeRow())
}

// Verdict says whether ours has reached the row's goals, and if not why. Where the
// client itself cannot be measured, it says what its pipeline has come to.
func (r Result) Verdict() string {
	switch {
	case r.Ours.Err == nil:
		return r.verdictOf(r.Ours)
	case r.Pipeline.measured():
		return "not measured; its pipeline: " + r.verdictOf(r.Pipeline)
	}
	return "not measured"
}

func (r Result) verdictOf(o Outcome) string {
	if missed := o.missed(r.Goals, r.counting()); len(missed) > 0 {
		verdict := "NOT REACHED: " + strings.Join(missed, ", ")
		if r.Late >= tooBusy {
			verdict += fmt.Sprintf(" (busy machine: timers %.0f ms late)", r.Late.Seconds()*1000)
		}
		return verdict
	}
	return "reached"
}

// ourCell is ours, with the pipeline where that is all there is.
func (r Result) ourCell() string {
	if r.Ours.Err != nil && r.Pipeline.measured() {
		return r.Ours.String() + "; its pipeline: " + r.Pipeline.String()
	}
	return r.Ours.String()
}

// WriteTable writes results as a Markdown table that reads well as plain text too.
func WriteTable(w io.Writer, results []Result) error {
	lines := [][]string{{"row", "what", "ours", "best peer", "goal", ""}}
	for _, r := range results {
		peer := "-"
		if b, ok := r.Best(); ok {
			peer = b.String() + " (" + b.Contender + ")"
		}
		lines = append(lines, []string{r.ID, r.What, r.ourCell(), peer, r.Goal, r.Verdict()})
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, line := range lines {
		if err := writeLine(w, line, widths, " "); err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if err := writeLine(w, make([]string, len(line)), widths, "-"); err != nil {
			return err
		}
	}
	return nil
}

func writeLine(w io.Writer, cells []string, widths []int, fill string) error {
	var b strings.Builder
	for i, cell := range cells {
		gap := widths[i] - utf8.RuneCountInString(cell)
		b.WriteString("|" + fill + cell + strings.Repeat(fill, gap+1))
	}
	b.WriteString("|\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteField writes what every contender of a row came to.
func WriteField(w io.Writer, r Result) error {
	if _, err := fmt.Fprintf(w, "%s: %s\n", r.ID, r.What); err != nil {
		return err
	}
	for _, o := range append([]Outcome{r.Ours, r.Pipeline}, r.Peers...) {
		if o.Contender == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "  %-54s %s\n", o.Contender, o); err != nil {
			return err
		}
	}
	return nil
}
