package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"runtime/debug"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store"
)

type serveOptions struct {
	app *app

	rate      float64
	readyFile string
}

const serveLong = `Receive webhooks, store what they bring, and tell your own service of it. An event is
acknowledged once it is on the disk, and worked until it is done, also after a
crash. docs/serve.md is the manual.

ADDR (default 127.0.0.1:8080) takes deliveries at POST /asleep-webhook and
/webhook, and with READ_API_KEYS answers readers at /api/. ADMIN_ADDR (default 127.0.0.1:9090) has /health, /metrics,
/circuit-breaker/status and the inbox, and must not be reachable from outside.
/live and /ready are on both.

Whether a delivery is authentic, this decides:

  ASLEEP_WEBHOOK_SECRET   deliveries are signed with it, by a gateway of yours
  WEBHOOK_AUTH=key        or they only bear your API key, which is all that the
                          service sends: each event is then confirmed by asking
                          the service before it is acted on

One of the two is needed. "asleep config show" lists all settings.

The two lines on stdout are the URLs of ADDR and ADMIN_ADDR, written once they
answer; --ready-file gets them too. With port 0 the system chooses a free port.

SIGTERM and SIGINT end it: no new work, what is under way is finished within
SHUTDOWN_TIMEOUT, and the exit code is 0 if all of it was. A second signal ends it
at once; nothing that was acknowledged is lost. SIGHUP reads secrets anew that
lie in files or in .env.`

func newServeCommand(a *app) *cobra.Command {
	o := &serveOptions{app: a}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Receive webhooks and lose none, and serve what they brought",
		Long:  serveLong,
		Example: `  export ASLEEP_API_KEY=… ASLEEP_WEBHOOK_SECRET=… DATABASE_URL=sqlite:./asleep.db
  asleep serve
  asleep serve --addr :8080 --log-format json`,
		GroupID: "service",
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.String("addr", "", "where deliveries come in, as `HOST:PORT`; also ADDR (default 127.0.0.1:8080)")
	flags.String("admin-addr", "", "where operators come in, as `HOST:PORT`; also ADMIN_ADDR (default 127.0.0.1:9090)")
	addNumber(flags, &o.rate, "rate", "R", "the most requests a second to the service, to confirm events; 0 means 10", math.Inf(1))
	flags.StringVar(&o.readyFile, "ready-file", "", "`FILE` that gets the URLs once they answer")
	return cmd
}

func (o *serveOptions) run(ctx context.Context) error {
	o.saveMemory()
	db := o.app.lastingDatabase()
	cfg := o.config()
	kept := o.openCache()
	defer kept.close(context.WithoutCancel(ctx), o.app)
	shared := o.openFleet(cfg)
	defer shared.close()
	if err := o.app.refusal(); err != nil {
		return err
	}
	s, err := db.open(ctx, writeStore)
	if err != nil {
		return err
	}
	err = o.serve(ctx, cfg, db, s, append(kept.options(), shared.options()...))
	if closing := s.Close(); err == nil {
		err = db.fail(closing)
	}
	return err
}

// saveMemory has the process keep less garbage than a Go program does by itself, for a little
// more work: 1,000 readers at once fit into 100 MB so.
func (o *serveOptions) saveMemory() {
	const garbage = 50 // in percent of what is in use
	if _, given := o.app.reader.Find("GOGC"); !given {
		debug.SetGCPercent(garbage)
	}
}

// config reads the settings and notes what is wrong with them.
func (o *serveOptions) config() server.Config {
	cfg := server.ReadConfig(o.app.reader)
	cfg.Upstream.Rate = o.rate
	cfg.Check(o.app.reader)
	if c := o.app.client(); c != nil { // which has the last word about key and URL
		_ = c.Close()
	}
	return cfg
}

func (o *serveOptions) serve(ctx context.Context, cfg server.Config, db *database, s store.Store, options []server.Option) error {
	options = append(options, server.WithLogger(o.app.log), server.WithVersion(thisBuild().Version))
	if db.file != "" {
		options = append(options, server.WithFile(db.file))
	}
	service, err := server.New(cfg, s, options...)
	if err != nil {
		return db.fail(err)
	}
	stop := o.reloadOnHangup(ctx, service)
	defer stop()
	told := make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		defer close(told)
		tellSystemd(daemon.SdNotifyStopping)
	})
	defer func() {
		if !forget() { // it is being said: a quick end must not come before it
			<-told
		}
	}()
	err = service.Run(ctx, func(at server.Addresses) error {
		tellSystemd(daemon.SdNotifyReady)
		return o.announce(at)
	})
	if e, ok := errors.AsType[*server.ListenError](err); ok {
		v, _ := o.app.reader.Find("ASLEEP_"+e.Setting, e.Setting)
		o.app.problem(v.Label, "%q cannot be listened on: %v: choose another address, or port 0 for any free port", e.Addr, e.Err)
		return o.app.refusal()
	}
	return err
}

// announce tells scripts and people the URLs.
func (o *serveOptions) announce(at server.Addresses) error {
	text := "http://" + at.Public.String() + "\nhttp://" + at.Admin.String() + "\n"
	if o.readyFile != "" {
		if err := writeWhole(o.readyFile, text); err != nil {
			return usageError(fmt.Errorf("%s %q cannot be written: %w: name another file", o.app.origin("ready-file").label, o.readyFile, err))
		}
	}
	_, err := fmt.Fprint(o.app.Out, text)
	return stdoutError(err)
}

// adminURL is where the service of ADMIN_ADDR is asked from this machine.
func adminURL(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// readSecrets reads the settings anew, as they are now.
func (o *serveOptions) readSecrets() (server.Config, error) {
	again := &serveOptions{app: o.app.again(), rate: o.rate}
	cfg := again.config()
	return cfg, again.app.refusal()
}
