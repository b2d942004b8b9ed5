package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/checkpoint"
	"github.com/asleep-sdk/asleep/internal/cli/userlist"
)

// The columns of CSV are an interface: docs/fetch.md lists them in their order.
func TestTheColumnsOfFetchAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/fetch.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, want := range map[string][]string{
		"| without `--details` | |": titles(summaryView().csv),
		"| with `--details` | |":    titles(reportView().csv),
	} {
		_, table, ok := strings.Cut(string(text), heading)
		if !ok {
			t.Fatalf("docs/fetch.md has no table %s", heading)
		}
		var got []string
		for line := range strings.Lines(table[1:]) {
			cells := strings.Split(line, "|")
			if len(cells) < 3 {
				break
			}
			for i, part := range strings.Split(cells[1], "`") {
				if i%2 == 1 {
					got = append(got, part)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: documented %v\nwritten %v", heading, got, want)
		}
	}
}

func TestAFailureSaysWhoWhyAndWhere(t *testing.T) {
	t.Parallel()
	gone := &client.Error{Op: "listSessions", StatusCode: 404, Detail: "user does not exist", RequestID: "R1", Attempts: 1, Layer: client.LayerService, Err: client.ErrNotFound}
	for name, c := range map[string]struct {
		batch client.Batch
		at    userlist.Place
		want  string
	}{
		"of the service": {
			client.Batch{User: "u\"1", Index: 6, Err: gone, Attempts: 1},
			userlist.Place{Line: 9},
			`{"user_id":"u\"1","line":9,"index":6,"kind":"not_found","error":"listSessions: 404 user does not exist (1 attempt, request R1)","status":404,"detail":"user does not exist","request_id":"R1","attempts":1,"retryable":false}`,
		},
		"of the list": {
			client.Batch{User: "\x00abc", Index: 1, Err: client.ErrInvalid},
			userlist.Place{Line: 2, Problem: "the line is bad", Excerpt: `"\xff"`},
			`{"input":"\"\\xff\"","line":2,"index":1,"kind":"invalid","error":"the line is bad","retryable":false}`,
		},
		"of an id that is too long, of the command line": {
			client.Batch{User: strings.Repeat("é", 200), Index: 0, Err: client.ErrInvalid},
			userlist.Place{},
			`{"input":"` + strings.Repeat("é", 32) + `…","index":0,"kind":"invalid","error":"invalid request","retryable":false}`,
		},
	} {
		got, err := newFailure(&c.batch, c.at).line()
		if err != nil || string(got) != c.want+"\n" {
			t.Errorf("%s: %v\ngot  %swant %s", name, err, got, c.want)
		}
	}
}

func TestEveryKindOfFailureHasItsWord(t *testing.T) {
	t.Parallel()
	for _, k := range failureKinds {
		if got := failureKind(fmt.Errorf("call: %w", k.err)); got != k.word {
			t.Errorf("%v is %s, want %s", k.err, got, k.word)
		}
	}
	if got := failureKind(errors.New("x")); got != "other" {
		t.Errorf("anything else is %s", got)
	}
}

func TestTheProgressOnOneLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    client.BatchProgress
		eta  time.Duration
		want string
	}{
		{client.BatchProgress{}, 0, "0 users, 0 sessions, 0.0/s"},
		{client.BatchProgress{Done: 1, Sessions: 1, Rate: 9.87}, 0, "1 user, 1 session, 9.9/s"},
		{
			client.BatchProgress{Total: 5000, Done: 1000, Resumed: 200, Duplicates: 50, Failed: 2, Sessions: 12345, Rate: 10, Retries: 1},
			225 * time.Second,
			"1,250 of 5,000 users, 12,345 sessions, 10.0/s, 2 failed, 1 retry, ETA 3m45s",
		},
		{
			client.BatchProgress{Total: 2, Done: 2, Retries: 1200, Waiting: client.WaitOutage, Cause: errors.New("asleep: 503")},
			0,
			"2 of 2 users, 0 sessions, 0.0/s, 1,200 retries, the service is away, waiting (503)",
		},
	} {
		if got := progressText(c.p, c.eta); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestTheTimeLeftFollowsTheLastMinute(t *testing.T) {
	t.Parallel()
	var r pace
	for _, c := range []struct {
		at      time.Duration
		done    int64
		waiting client.Wait
		want    time.Duration
	}{
		{0, 0, "", 0},
		{10 * time.Second, 100, "", 90 * time.Second},  // 10/s
		{20 * time.Second, 200, "", 80 * time.Second},  //
		{60 * time.Second, 200, client.WaitOutage, 0},  // nobody knows
		{70 * time.Second, 200, "", 480 * time.Second}, // since 10 s: 100 in 60 s
		{120 * time.Second, 700, "", 36 * time.Second}, // since 60 s: 500
		{130 * time.Second, 1000, "", 0},
	} {
		got := r.remaining(client.BatchProgress{Total: 1000, Done: c.done, Elapsed: c.at, Waiting: c.waiting})
		if got.Round(time.Millisecond) != c.want {
			t.Errorf("after %v with %d done: %v left, want %v", c.at, c.done, got, c.want)
		}
	}
}

// "The last 7 days" of a run that is resumed after midnight are those of its
// beginning: another period would be another query.
func TestAResumedRunKeepsItsDays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c")
	from, to := asleep.Date{Year: 2026, Month: 3, Day: 8}, asleep.Date{Year: 2026, Month: 3, Day: 14}
	if err := (checkpoint.State{Format: "ndjson", Days: 7, From: from, To: to}).Save(path); err != nil {
		t.Fatal(err)
	}
	for days, kept := range map[int]bool{7: true, 8: false} {
		today := asleep.Date{Year: 2026, Month: 3, Day: 15}
		o := &fetchOptions{output: formatNDJSON, period: period{days: days, from: today.AddDays(1 - days), to: today}}
		j := &fetchJob{fetchOptions: o, files: fetchFiles{checkpoint: path}}
		if _, resume, err := j.load(); !resume || err != nil {
			t.Fatal(resume, err)
		}
		if q := j.query(); (q == client.Query{From: from, To: to}) != kept {
			t.Errorf("--days %d asks for %v to %v", days, q.From, q.To)
		}
	}
}
