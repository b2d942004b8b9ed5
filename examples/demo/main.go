// Command demo shows the whole way in half a minute: it starts `asleep fake`, a
// service with 200 users that answers one request in thirty badly, lets `asleep
// fetch` bring every session with its report to disk, and prints what happened.
// Everything stays on this machine. Run it with make demo.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	users    = 200
	sessions = 7 // of each user
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("demo: ")
	if len(os.Args) != 3 {
		log.Fatal("usage: demo ASLEEP_COMMAND FOLDER")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1], os.Args[2])
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, command, folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	url, stop, err := startFake(ctx, command)
	if err != nil {
		return err
	}
	defer stop()

	list := filepath.Join(folder, "users.txt")
	if err := writeUsers(list); err != nil {
		return err
	}
	out := filepath.Join(folder, "sessions.ndjson")
	fetch := exec.CommandContext(ctx, command, "fetch", "--users-file", list, "--details",
		"--concurrency", "32", "--rate", "400", "--out", out)
	fetch.Env = append(fetch.Environ(), "ASLEEP_API_KEY=any-will-do", "ASLEEP_BASE_URL="+url)
	fetch.Stdout, fetch.Stderr = os.Stdout, os.Stderr
	log.Printf("fetching the sessions of %d users, with their reports, into %s", users, out)
	start := time.Now()
	if err := fetch.Run(); err != nil {
		return fmt.Errorf("asleep fetch: %w", err)
	}
	return report(ctx, url, out, time.Since(start))
}

// startFake starts the fake service on a free port and waits for its address,
// the one line that it writes.
func startFake(ctx context.Context, command string) (url string, stop func(), err error) {
	fake := exec.CommandContext(ctx, command, "fake", "--addr", "127.0.0.1:0",
		"--users", strconv.Itoa(users), "--sessions", strconv.Itoa(sessions), "--fail", "0.03")
	fake.Cancel = func() error { return fake.Process.Signal(os.Interrupt) }
	stdout, err := fake.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	var complaints bytes.Buffer
	fake.Stderr = &complaints
	if err := fake.Start(); err != nil {
		return "", nil, fmt.Errorf("asleep fake: %w", err)
	}
	stop = func() {
		_ = fake.Cancel()
		_ = fake.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("asleep fake did not start: %s", &complaints)
	}
	return strings.TrimSpace(line), stop, nil
}

func writeUsers(path string) error {
	var ids strings.Builder
	for i := range users {
		fmt.Fprintf(&ids, "user-%04d\n", i+1)
	}
	return os.WriteFile(path, []byte(ids.String()), 0o600)
}

// report compares what lies on disk with what the fake says it was asked.
func report(ctx context.Context, url, out string, took time.Duration) error {
	lines, people, size, err := count(out)
	if err != nil {
		return err
	}
	var fake struct {
		Requests int            `json:"requests"`
		Accepted int            `json:"accepted"`
		Failed   map[string]int `json:"failed"`
	}
	if err := get(ctx, url+"/_fake/stats", &fake); err != nil {
		return err
	}
	bad := 0
	for _, n := range fake.Failed {
		bad += n
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nusers asked for\t%d\nusers on disk\t%d\nsessions there are\t%d\nsessions on disk\t%d\nsize\t%.1f MB\n",
		users, people, users*sessions, lines, float64(size)/1e6)
	fmt.Fprintf(t, "requests the service saw\t%d\nof these spoiled\t%d\n", fake.Requests, bad)
	for _, kind := range slices.Sorted(maps.Keys(fake.Failed)) {
		fmt.Fprintf(t, "  %s\t%d\n", kind, fake.Failed[kind])
	}
	fmt.Fprintf(t, "time\t%.1f s\n\n", took.Seconds())
	if err := t.Flush(); err != nil {
		return err
	}
	if lines != users*sessions || people != users {
		return fmt.Errorf("%s is not complete", out)
	}
	fmt.Printf("Every session is in %s, one a line, as the service wrote it.\n", out)
	return nil
}

// count reads the file back: its lines, the different users on them, its bytes.
func count(path string) (lines, people int, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { _ = f.Close() }()
	seen := map[string]bool{}
	d := json.NewDecoder(f)
	for {
		var line struct {
			UserID string `json:"user_id"`
		}
		if err := d.Decode(&line); err == io.EOF {
			return lines, len(seen), d.InputOffset(), nil
		} else if err != nil {
			return 0, 0, 0, fmt.Errorf("%s, line %d: %w", path, lines+1, err)
		}
		lines++
		seen[line.UserID] = true
	}
}

func get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(into)
}
