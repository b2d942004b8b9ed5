package bench

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Rows are all rows of the table, in its order.
func Rows() []Row {
	rows := overheadRows()
	rows = append(rows, outageRows()...)
	rows = append(rows, flakyRow())
	rows = append(rows, limitRows()...)
	rows = append(rows, hygieneRows()...)
	return append(rows, decodeRow())
}

// Verdict says whether ours has reached the row's goals, and if not why.
func (r Result) Verdict() string {
	if r.Ours.Err != nil {
		return "not measured"
	}
	if missed := r.Missed(); len(missed) > 0 {
		return "NOT REACHED: " + strings.Join(missed, ", ")
	}
	return "reached"
}

// WriteTable writes results as a Markdown table that reads well as plain text too.
func WriteTable(w io.Writer, results []Result) error {
	lines := [][]string{{"row", "what", "ours", "best peer", "goal", ""}}
	for _, r := range results {
		peer := "-"
		if b, ok := r.Best(); ok {
			peer = b.String() + " (" + b.Contender + ")"
		}
		lines = append(lines, []string{r.ID, r.What, r.Ours.String(), peer, r.Goal, r.Verdict()})
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
	for _, o := range append([]Outcome{r.Ours}, r.Peers...) {
		if _, err := fmt.Fprintf(w, "  %-54s %s\n", o.Contender, o); err != nil {
			return err
		}
	}
	return nil
}
