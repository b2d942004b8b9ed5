//go:build unix

package mongo_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/mongo"
)

var update = flag.Bool("update", false, "write testdata/commands.txt anew")

// transcript records commands as text that is the same every time.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	late []string // commands without a deadline
}

func (tr *transcript) note(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	fmt.Fprintf(&tr.text, format, args...)
}

// What differs from run to run, or between servers, and is not ours to choose.
var unsteady = []string{"$db", "lsid", "txnNumber", "$clusterTime", "maxTimeMS", "$readPreference"}

func (tr *transcript) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{Started: func(ctx context.Context, e *event.CommandStartedEvent) {
		if e.CommandName == "endSessions" || e.CommandName == "killCursors" {
			return
		}
		if _, ok := ctx.Deadline(); !ok {
			tr.mu.Lock()
			tr.late = append(tr.late, e.CommandName)
			tr.mu.Unlock()
		}
		list, err := e.Command.Elements()
		if err != nil {
			tr.note("%v\n", err)
			return
		}
		for _, member := range list {
			if !slices.Contains(unsteady, member.Key()) {
				tr.note("  %s: %s\n", member.Key(), steady(member.Value()))
			}
		}
		tr.note("\n")
	}}
}

// steady writes a value; payloads by their length, and instants near now as now.
func steady(v bson.RawValue) string {
	var parts []string
	switch v.Type { //nolint:exhaustive // others have one form
	case bson.TypeEmbeddedDocument:
		list, _ := v.Document().Elements()
		for _, e := range list {
			parts = append(parts, e.Key()+": "+steady(e.Value()))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case bson.TypeArray:
		list, _ := v.Array().Values()
		for _, e := range list {
			parts = append(parts, steady(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case bson.TypeBinary:
		_, b := v.Binary()
		return fmt.Sprintf("<%d bytes>", len(b))
	case bson.TypeDateTime:
		if t := v.Time().UTC(); time.Since(t).Abs() > time.Hour {
			return t.Format(time.RFC3339)
		}
		return "<now>"
	}
	return v.String()
}

// TestCommands: what is sent is what the golden file says, so that every change
// of it is seen; and every command has a deadline.
func TestCommands(t *testing.T) {
	t.Parallel()
	tr := new(transcript)
	tr.note("# open\n\n")
	s := open(t, database(t, server(t)), mongo.Config{Monitor: tr.monitor()}, store.Options{}).Sessions()
	for _, step := range commandSteps(t, s) {
		tr.note("# %s\n\n", step.what)
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.late) > 0 {
		t.Errorf("without a deadline: %q", tr.late)
	}
	const golden = "testdata/commands.txt"
	if *update {
		if err := os.WriteFile(golden, tr.text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(tr.text.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("line %d of %s differs (run with -update if that is meant):\n got %s\nwant %s", i+1, golden, strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""), line)
		}
	}
	if n := strings.Count(string(want), "\n"); len(got) != n+1 {
		t.Errorf("%d lines, want %d", len(got), n+1)
	}
}

type step struct {
	what string
	do   func() error
}

func commandSteps(t *testing.T, s store.Sessions) []step {
	t.Helper()
	ctx := t.Context()
	settled := session("s", "u", 2)
	settled.Settled = true
	w := store.Window{SessionID: "w", UserID: "u", Seq: 3, Observed: noon, Epochs: store.Epochs{Sleep: asleep.Stages{1, 2}}}
	later := w
	later.Observed = noon.Add(time.Second)
	day := asleep.Date{Year: 2026, Month: 3, Day: 14}
	put := func(v ...store.Session) func() error {
		return func() error { _, err := s.Put(ctx, v...); return err }
	}
	list := func(q store.Query) func() error {
		return func() error { _, err := s.List(ctx, q); return err }
	}
	return []step{
		{"put a new session", put(session("s", "u", 0))},
		{"put newer news of it and a new one", put(session("s", "u", 1), session("s2", "u", 0))},
		{"put the same news again", put(session("s", "u", 1))},
		{"put its settled report", put(settled)},
		{"get it", func() error { _, err := s.Get(ctx, "s"); return err }},
		{"list all", list(store.Query{})},
		{"list what began before", list(store.Query{UserID: "u", To: noon})},
		{"list a range, briefly, behind a cursor", list(store.Query{
			UserID: "u", From: noon.AddDate(0, -1, 0), To: noon.AddDate(0, 1, 0), After: store.Cursor{Start: noon, ID: "s2"}, Brief: true, Limit: 7,
		})},
		{"list dates", list(store.Query{UserID: "u", FromDate: day, ToDate: day})},
		{"list what has no start, behind a cursor", list(store.Query{UserID: "u", After: store.Cursor{ID: "s"}})},
		{"statistics", func() error { _, err := s.Stats(ctx, store.StatsQuery{UserID: "u", From: noon}); return err }},
		{"put a window, and again, observed later", func() error { _, err := s.PutWindow(ctx, w, later); return err }},
		{"its partial night", func() error { _, err := s.Partial(ctx, "w"); return err }},
		{"expire", func() error { _, err := s.Expire(ctx, noon.Add(-time.Second), 10); return err }},
		{"delete a session", func() error { _, err := s.Delete(ctx, "u", "s2", noon); return err }},
		{"erase the user", func() error { _, err := s.EraseUser(ctx, "u", noon); return err }},
	}
}
