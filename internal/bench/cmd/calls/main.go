// Command calls measures the client, the store and the inbox against their peers
// and prints the tables of goals: ours, the best peer's figure from the same run, the goal, and whether it
// was reached.
//
//	go run ./cmd/calls                 all rows, about six minutes
//	go run ./cmd/calls -rows outage    rows whose id matches a regular expression
//	go run ./cmd/calls -field          what every contender came to as well
//	go run ./cmd/calls -list           the ids
//
// It exits with 1 if a row could not be run at all; a goal that was not reached is a
// finding, not a failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep/internal/bench"
)

// limit bounds the whole run.
const limit = 20 * time.Minute

func main() {
	if bench.IsReceiver() {
		if err := bench.Receive(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "receiver:", err)
			os.Exit(1) //nolint:forbidigo // the exit code of a command
		}
		return
	}
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "calls:", err)
		}
		os.Exit(1) //nolint:forbidigo // the exit code of a command
	}
}

func run(args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("calls", flag.ContinueOnError)
	flags.SetOutput(progress)
	pattern := flags.String("rows", "", "run the rows whose id matches this regular expression")
	field := flags.Bool("field", false, "print what every contender came to")
	list := flags.Bool("list", false, "print the ids of the rows and run nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tables, err := choose(bench.Tables(), *pattern)
	if err != nil {
		return err
	}
	var rows []bench.Row
	for _, t := range tables {
		rows = append(rows, t.Rows...)
	}
	if *list {
		for _, r := range rows {
			fmt.Fprintf(out, "%-15s %s\n", r.ID, r.What)
		}
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := map[string]bench.Result{}
	begun := time.Now()
	err = bench.Run(ctx, rows, func(r bench.Result) {
		done[r.ID] = r
		fmt.Fprintf(progress, "%5.0fs %-15s %s\n", time.Since(begun).Seconds(), r.ID, r.Verdict())
	})
	if err != nil {
		return err
	}
	return show(out, tables, done, *field)
}

func show(out io.Writer, tables []bench.Table, done map[string]bench.Result, field bool) error {
	fmt.Fprintf(out, "\n%s, %d CPUs, %s\n", time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.Version())
	for _, t := range tables {
		results := make([]bench.Result, len(t.Rows))
		for i, r := range t.Rows {
			results[i] = done[r.ID]
		}
		fmt.Fprintf(out, "\n%s\n\n", t.Title)
		if err := bench.WriteTable(out, results); err != nil {
			return err
		}
		if !field {
			continue
		}
		fmt.Fprintln(out)
		for _, r := range results {
			if err := bench.WriteField(out, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose keeps the rows that the pattern matches, and the tables that have some.
func choose(tables []bench.Table, pattern string) (some []bench.Table, err error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("-rows %q is no regular expression: %w", pattern, err)
	}
	for _, t := range tables {
		t.Rows = slices.DeleteFunc(slices.Clone(t.Rows), func(r bench.Row) bool { return !re.MatchString(r.ID) })
		if len(t.Rows) > 0 {
			some = append(some, t)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("-rows %q matches no row: see -list", pattern)
	}
	return some, nil
}
