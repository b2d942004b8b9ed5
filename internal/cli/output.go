package cli

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/asleep-sdk/asleep/internal/cli/ndjson"
)

// format is a form of output.
type format string

const (
	formatTable  format = "table"
	formatJSON   format = "json"
	formatNDJSON format = "ndjson"
	formatCSV    format = "csv"
)

// addOutput defines -o with the format that f has as its default.
func addOutput(flags *pflag.FlagSet, f *format, formats ...format) {
	addChoice(flags, f, "output", "o", "FORMAT", "format of the data on stdout", formats...)
}

// tableBlock is how many rows of a table are kept to align them: memory stays
// the same however many there are.
const tableBlock = 1000

// column is a named text of a T.
type column[T any] struct {
	name string
	text func(T) string
}

// view says how values of one kind are shown in every format.
type view[T any] struct {
	json  func(T) (raw, userID string) // the object, and the user id to put into it
	csv   []column[T]                  // the documented columns
	table []column[T]                  // the columns of a table, the lines of a single value
}

// one writes a single value.
func (v view[T]) one(out io.Writer, f format, value T) error {
	w := bufio.NewWriter(out)
	var err error
	switch f {
	case formatTable:
		err = v.lines(w, value)
	case formatJSON:
		var object []byte
		raw, userID := v.json(value)
		if object, err = ndjson.AppendObject(nil, raw, userID); err == nil {
			_, err = w.Write(append(indent(object), '\n'))
		}
	case formatNDJSON, formatCSV:
		return v.all(out, f, func(yield func(T, error) bool) { yield(value, nil) })
	}
	if err != nil {
		return stdoutError(err)
	}
	return stdoutError(w.Flush())
}

// lines writes a value as a table of two columns, without what is empty.
func (v view[T]) lines(w io.Writer, value T) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range v.table {
		if text := c.text(value); text != "" {
			if _, err := fmt.Fprintf(t, "%s\t%s\n", c.name, cell(text)); err != nil {
				return err
			}
		}
	}
	return t.Flush()
}

// all writes values as they come. An error ends it; what came before is written,
// and a JSON array stays open, so that nobody takes it for complete.
func (v view[T]) all(out io.Writer, f format, values iter.Seq2[T, error]) error {
	w := bufio.NewWriter(out)
	put, end := v.sink(w, f)
	for value, err := range values {
		if err == nil {
			err = stdoutError(put(value))
		} else if f != formatJSON {
			_ = end()
		}
		if err != nil {
			_ = w.Flush()
			return err
		}
	}
	if err := end(); err != nil {
		return stdoutError(err)
	}
	return stdoutError(w.Flush())
}

// sink returns what writes a value, and what writes the end.
func (v view[T]) sink(w *bufio.Writer, f format) (put func(T) error, end func() error) {
	switch f {
	case formatJSON:
		return v.array(w)
	case formatNDJSON:
		lines := ndjson.NewWriter(w)
		return func(value T) error { return lines.Object(v.json(value)) }, func() error { return nil }
	case formatCSV:
		c := csv.NewWriter(w)
		_ = c.Write(titles(v.csv)) // it fails again at the next
		return func(value T) error { return c.Write(texts(v.csv, value)) },
			func() error { c.Flush(); return c.Error() }
	case formatTable:
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells []string) error {
		_, err := io.WriteString(t, strings.TrimRight(strings.Join(cells, "\t"), "\t")+"\n")
		return err
	}
	_ = row(titles(v.table)) // into memory
	rows := 0
	return func(value T) error {
		if rows++; rows%tableBlock == 0 {
			if err := t.Flush(); err != nil {
				return err
			}
		}
		cells := texts(v.table, value)
		for i := range cells {
			cells[i] = cell(cells[i])
		}
		return row(cells)
	}, t.Flush
}

// array writes a JSON array with one object a line.
func (v view[T]) array(w *bufio.Writer) (put func(T) error, end func() error) {
	var object []byte
	separator := "[\n"
	put = func(value T) (err error) {
		raw, userID := v.json(value)
		if object, err = ndjson.AppendObject(object[:0], raw, userID); err != nil {
			return err
		}
		_, _ = w.WriteString(separator) // a bufio.Writer keeps its error
		separator = ",\n"
		_, err = w.Write(object)
		return err
	}
	return put, func() error {
		closing := "\n]\n"
		if separator == "[\n" {
			closing = "[]\n"
		}
		_, err := w.WriteString(closing)
		return err
	}
}

// encoded is v as JSON; what cannot be encoded is empty, which no format takes for
// an object.
func encoded(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

func titles[T any](columns []column[T]) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

func texts[T any](columns []column[T], value T) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.text(value)
	}
	return list
}

func stdoutError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the output could not be written: %w", err)
}
