// Command calls measures the client against its peers and prints the table of
// goals: ours, the best peer's figure from the same run, the goal, and whether it
// was reached.
//
//	go run ./cmd/calls                 all rows, about two minutes
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
	"time"

	"github.com/asleep-sdk/asleep/internal/bench"
)

// limit bounds the whole run.
const limit = 10 * time.Minute

func main() {
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
	rows, err := choose(bench.Rows(), *pattern)
	if err != nil {
		return err
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
	return show(out, rows, done, *field)
}

func show(out io.Writer, rows []bench.Row, done map[string]bench.Result, field bool) error {
	results := make([]bench.Result, len(rows))
	for i, r := range rows {
		results[i] = done[r.ID]
	}
	fmt.Fprintf(out, "\n%s, %d CPUs, %s\n\n", time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.Version())
	if err := bench.WriteTable(out, results); err != nil {
		return err
	}
	if field {
		fmt.Fprintln(out)
		for _, r := range results {
			if err := bench.WriteField(out, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose keeps the rows that the pattern matches.
func choose(rows []bench.Row, pattern string) (some []bench.Row, err error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("-rows %q is no regular expression: %w", pattern, err)
	}
	for _, r := range rows {
		if re.MatchString(r.ID) {
			some = append(some, r)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("-rows %q matches no row: see -list", pattern)
	}
	return some, nil
}
