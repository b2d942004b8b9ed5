package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/asleeptest"
)

type fakeOptions struct {
	app *app

	addr      string
	users     int
	sessions  int
	rate      float64
	fail      float64
	latency   time.Duration
	apiKey    string
	seed      int
	readyFile string
	webhooks  fakeWebhooks
}

const fakeLong = `Serve a fake of the Asleep API: made-up users user-0001, user-0002 and so on
with consistent nights. It runs until it is interrupted and keeps everything in
memory.

Its URL is the only line on stdout, written once it answers; --ready-file gets
it too. With port 0 in --addr the system chooses a free port.

Faults can be changed while it runs, from the same machine:

  curl -H 'Content-Type: application/json' URL/_fake/faults -d '{"kind":"502","times":3}'
  curl URL/_fake/kinds    # the faults there are
  curl URL/_fake/stats    # what it was asked

With --webhook-url it sends events too. More of them, to order:

  curl -H 'Content-Type: application/json' URL/_fake/traffic -d '{"events":1000,"duplicates":0.1,"bad_signatures":0.05}'`

func newFakeCommand(a *app) *cobra.Command {
	o := &fakeOptions{app: a, addr: "127.0.0.1:8787", users: 10, sessions: 30, webhooks: fakeWebhooks{app: a}}
	cmd := &cobra.Command{
		Use:   "fake",
		Short: "Serve a fake of the Asleep API",
		Long:  fakeLong,
		Example: `  asleep fake --users 200 --sessions 10
  asleep fake --addr 127.0.0.1:0 --ready-file url.txt --rate 100 --fail 0.05 --latency 20ms`,
		GroupID: "tools",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.addr, "addr", o.addr, "address to listen on, as `HOST:PORT`")
	addInt(flags, &o.users, "users", "N", "number of users", 0, asleeptest.MaxUsers)
	addInt(flags, &o.sessions, "sessions", "N", "sessions of each user", 0, maxFakeSessions)
	addNumber(flags, &o.rate, "rate", "R", "requests a second that are accepted; 0 means any number", math.Inf(1))
	addNumber(flags, &o.fail, "fail", "P", "share of the requests that meet a fault, 0 to 1", 1)
	addDuration(flags, &o.latency, "latency", "delay of every answer, such as 20ms")
	flags.StringVar(&o.apiKey, "api-key", "", "the only `KEY` that is accepted; default any. Of the fake, never a real one. Variable ASLEEP_FAKE_API_KEY")
	addInt(flags, &o.seed, "seed", "N", "another number makes other nights", 0, math.MaxInt32)
	o.webhooks.add(flags)
	flags.StringVar(&o.readyFile, "ready-file", "", "`FILE` that gets the URL once it answers")
	// ASLEEP_API_KEY is the key of the real service: the fake must not take it up.
	_ = flags.SetAnnotation("api-key", variableKey, []string{"ASLEEP_FAKE_API_KEY"}) // the flag exists
	return cmd
}

const (
	maxFakeSessions = 100_000
	// drainTime is how long answers under way may take once a signal came.
	drainTime = 2 * time.Second
)

func (o *fakeOptions) run(ctx context.Context) error {
	o.check()
	target := o.webhooks.target(o.apiKey)
	if err := o.app.refusal(); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr)
	if err != nil {
		o.app.problem(o.app.origin("addr").label, "%q cannot be listened on: %v: choose another address, or port 0 for any free port", o.addr, errors.Unwrap(err))
		return o.app.refusal()
	}
	fake := o.server()
	server := fake.HTTPServer()
	ended := make(chan struct{})
	var failure error
	go func() {
		failure = server.Serve(listener)
		close(ended)
	}()
	if err := o.announce("http://" + listener.Addr().String()); err != nil {
		_ = server.Close()
		<-ended
		return err
	}
	sending, stop := context.WithCancel(ctx)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		o.webhooks.send(sending, fake, target)
	}()
	defer func() {
		stop()
		<-sent
	}()
	select {
	case <-ended:
		return fmt.Errorf("the fake stopped: %w", failure)
	case <-ctx.Done():
	}
	drain(ctx, server)
	<-ended
	return context.Cause(ctx)
}

// check notes what the flags alone do not find.
func (o *fakeOptions) check() {
	if _, _, err := net.SplitHostPort(o.addr); err != nil {
		o.app.problem(o.app.origin("addr").label, "%q is not an address: give HOST:PORT, such as 127.0.0.1:8787", o.addr)
	}
}

// server is the fake with its population and faults.
func (o *fakeOptions) server() *asleeptest.Server {
	c := asleeptest.Config{Users: o.users, SessionsPerUser: o.sessions, Seed: uint64(o.seed)} //nolint:gosec // not negative
	if o.apiKey != "" {
		c.APIKeys = []string{o.apiKey}
	}
	if o.rate > 0 {
		c.RateLimit = asleeptest.RateLimit{Rate: o.rate, Burst: int(math.Ceil(min(o.rate, math.MaxInt32)))}
	}
	s := asleeptest.New(c)
	if o.latency > 0 {
		s.Inject(asleeptest.Fault{Name: "latency", Latency: o.latency})
	}
	if o.fail > 0 {
		s.Flaky(o.fail)
	}
	return s
}

// announce tells scripts and people the URL.
func (o *fakeOptions) announce(url string) error {
	if o.readyFile != "" {
		if err := writeWhole(o.readyFile, url+"\n"); err != nil {
			o.app.problem(o.app.origin("ready-file").label, "%q cannot be written: %v: name another file", o.readyFile, err)
			return o.app.refusal()
		}
	}
	if _, err := fmt.Fprintln(o.app.Out, url); err != nil {
		return stdoutError(err)
	}
	_, _ = fmt.Fprintf(o.app.Err, "asleep: a fake service with %d users of %d sessions answers at %s; interrupt to stop it\n",
		o.users, o.sessions, url)
	return nil
}

// writeWhole writes a file that readers see either whole or not at all.
func writeWhole(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = strings.NewReader(text).WriteTo(f)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// drain lets answers under way finish, for a while, though ctx has ended.
func drain(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close()
	}
}
