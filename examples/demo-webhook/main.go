// Command demo-webhook shows what a receiver has to live with: 1,000 sessions of a
// fake service are told to `asleep serve`, a fifth of them twice, and beside every
// tenth a forgery, while the receiver is killed in the middle and started again. Then
// it counts what is in the store. Everything stays on this machine. Run it with
// make demo-webhook.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

const (
	users    = 50
	sessions = 20 // of each user
	apiKey   = "demo-key"
	secret   = "demo-secret"
	outgoing = "whsec_ZGVtby1zZWNyZXQtb2YtMjQtYnl0ZXM=" // that notifications are signed with
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("demo: ")
	if len(os.Args) != 3 {
		log.Fatal("usage: demo-webhook ASLEEP_COMMAND FOLDER")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1], os.Args[2])
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, command, folder string) error {
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o750)); err != nil {
		return err
	}
	fake := asleeptest.New(asleeptest.Config{Users: users, SessionsPerUser: sessions, APIKeys: []string{apiKey}})
	defer func() { _ = fake.Close() }()
	api, err := fake.Start()
	if err != nil {
		return err
	}
	told, err := newSink(ctx)
	if err != nil {
		return err
	}
	defer told.Close()
	r := &receiver{command: command, database: filepath.Join(folder, "nights.db"), env: []string{
		"ASLEEP_API_KEY=" + apiKey, "ASLEEP_WEBHOOK_SECRET=" + secret, "ASLEEP_BASE_URL=" + api,
		"RATE_LIMIT_FAILURES=1000000", // all forgeries come from this machine
		"NOTIFY_URL=" + told.URL, "NOTIFY_SECRET=" + outgoing, "LOG_LEVEL=error",
	}}
	for _, addr := range []*string{&r.addr, &r.admin} {
		if *addr, err = freePort(); err != nil {
			return err
		}
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	log.Printf("sending the events of %d sessions to asleep serve on %s, some twice, some forged", users*sessions, r.addr)
	begun := time.Now()
	killed := make(chan error, 1)
	go func() { killed <- r.killInTheMiddle(ctx, told) }()
	tally, err := fake.SendTraffic(ctx,
		asleeptest.Webhook{URL: "http://" + r.addr + "/asleep-webhook", Secret: secret, Attempts: 10},
		asleeptest.Traffic{Events: users * sessions, Duplicates: 0.2, BadSignatures: 0.1, AllVersions: true, Shuffled: true, Concurrency: 4})
	err = errors.Join(err, <-killed)
	if err == nil {
		err = poll(ctx, "the inbox is empty", r.idle)
	}
	if err = errors.Join(err, r.stop()); err != nil {
		return err
	}
	return report(ctx, fake, r, tally, told, time.Since(begun))
}

// receiver is `asleep serve` in a process of its own.
type receiver struct {
	command, database string
	addr, admin       string
	env               []string
	process           *exec.Cmd
	kills             int
}

// start starts it and waits until it is ready.
func (r *receiver) start(ctx context.Context) error {
	r.process = exec.CommandContext(ctx, r.command, "serve")
	r.process.Env = append(append(os.Environ(), r.env...), "ADDR="+r.addr, "ADMIN_ADDR="+r.admin, "DATABASE_URL=sqlite:"+r.database)
	r.process.Stderr = os.Stderr
	if err := r.process.Start(); err != nil {
		return err
	}
	return poll(ctx, "asleep serve is ready", func() bool {
		_, ok := get("http://" + r.addr + "/ready")
		return ok
	})
}

// idle asks the receiver whether everything in its inbox is done.
func (r *receiver) idle() bool {
	for _, state := range []string{"ready", "leased"} {
		page, ok := get("http://" + r.admin + "/inbox?limit=1&state=" + state)
		if !ok || strings.TrimSpace(page) != `{"entries":[]}` {
			return false
		}
	}
	return true
}

// get reads a page.
func get(url string) (page string, ok bool) {
	answer, err := http.Get(url) //nolint:noctx,forbidigo,gosec // a demo asks itself
	if err != nil {
		return "", false
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return string(text), err == nil && answer.StatusCode == http.StatusOK
}

// killInTheMiddle kills it once it has done a third of its work, as a power cut
// would, and starts it again on the same database.
func (r *receiver) killInTheMiddle(ctx context.Context, told *sink) error {
	if err := told.await(ctx, users*sessions/3); err != nil {
		return err
	}
	if err := r.process.Process.Kill(); err != nil {
		return err
	}
	_ = r.process.Wait() // "signal: killed"
	r.kills++
	log.Print("killed with SIGKILL in the middle, and started again")
	return r.start(ctx)
}

// stop has it finish what is under way.
func (r *receiver) stop() error {
	if err := r.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return r.process.Wait()
}

// report compares the store with the fake.
func report(ctx context.Context, fake *asleeptest.Server, r *receiver, tally asleeptest.Tally, told *sink, took time.Duration) error {
	db, err := store.Open(ctx, "sqlite:"+r.database, store.Options{ReadOnly: true}, sqlite.Backend())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	stored, people, updated := 0, map[string]bool{}, 0
	for s, err := range store.All(ctx, db.Sessions(), store.Query{}) {
		if err != nil {
			return err
		}
		stored++
		people[s.UserID] = true
		if !s.UpdatedAt.Equal(s.CreatedAt) {
			updated++
		}
		if _, ok := fake.Owner(s.ID); !ok {
			return fmt.Errorf("session %s is in the store and nowhere else", s.ID)
		}
	}
	acknowledged := tally.Status[http.StatusOK]
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nevents sent\t%d\nof these a second time\t%d\nacknowledged\t%d\n", tally.Events+tally.Duplicates, tally.Duplicates, acknowledged)
	fmt.Fprintf(t, "forgeries sent beside them\t%d\nrefused with 401\t%d\n", tally.Forged, tally.Refused)
	fmt.Fprintf(t, "receiver killed\t%d\n\nin the store\t\n", r.kills)
	fmt.Fprintf(t, "  users\t%d\n  sessions\t%d\n  replaced by later news\t%d\n", len(people), stored, updated)
	fmt.Fprintf(t, "notifications, different ones\t%d\nnotifications in all\t%d\ntime\t%.1f s\n\n", told.different(), told.all(), took.Seconds())
	if err := t.Flush(); err != nil {
		return err
	}
	if stored != users*sessions || told.different() < stored || tally.Refused != tally.Forged || acknowledged != tally.Events+tally.Duplicates {
		return errors.New("this is not as it should be")
	}
	fmt.Printf("Every session is in %s, no forgery is, and you were told of every one.\n", r.database)
	return nil
}

// freePort is an address that nobody listens on, for a receiver that comes back
// to it.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a demo
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// poll waits until something is true.
func poll(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
	return nil
}
