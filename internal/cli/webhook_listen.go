package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

type webhookListenOptions struct {
	app       *app
	addr      string
	auth      string
	showIDs   bool
	showBody  bool
	readyFile string
}

func newWebhookListenCommand(a *app) *cobra.Command {
	o := &webhookListenOptions{app: a, addr: "127.0.0.1:8788", auth: "signature"}
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Receive webhooks, check them and print one line each; store nothing",
		Long: `Receive webhooks at any path, check them as "asleep serve" does, and print one line
for each that is authentic. Nothing is stored. What is refused is told on stderr,
with the reason. It runs until it is interrupted.

Without ASLEEP_WEBHOOK_SECRET the API key alone counts.`,
		Example: `  asleep webhook listen --addr 127.0.0.1:8788 --show-ids`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&o.addr, "addr", o.addr, "address to listen on, as `HOST:PORT`")
	addChoice(flags, &o.auth, "auth", "", "MODE", "what proves an event; also WEBHOOK_AUTH", "signature", "key")
	_ = flags.SetAnnotation("auth", variableKey, []string{"WEBHOOK_AUTH"}) // the flag exists
	addBool(flags, &o.showIDs, "show-ids", "show user and session ids, not hashes of them")
	addBool(flags, &o.showBody, "show-body", "print the body too, as a line of its own")
	flags.StringVar(&o.readyFile, "ready-file", "", "`FILE` that gets the URL once it answers")
	return cmd
}

func (o *webhookListenOptions) run(ctx context.Context) error {
	var c webhook.VerifierConfig
	if o.auth == "key" {
		c.Mode = webhook.ModeKey
	}
	v := o.app.hookVerifier(c)
	if err := o.app.refusal(); err != nil {
		return err
	}
	limits := webhook.DefaultLimits()
	limits.Backlog = 0
	r, err := webhook.NewReceiver(&printer{options: o}, v, webhook.WithLimits(limits),
		webhook.WithLogger(slog.New(newLogHandler(o.app.Err, config.Logging{Level: slog.LevelDebug, JSON: o.app.json}))),
		webhook.WithObserver(o.observe))
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr)
	if err != nil {
		o.app.problem(o.app.origin("addr").label, "%q cannot be listened on: %v: give HOST:PORT, with port 0 for any free port", o.addr, errors.Unwrap(err))
		return o.app.refusal()
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan struct{})
	var failure error
	go func() {
		failure = server.Serve(listener)
		close(ended)
	}()
	url := "http://" + listener.Addr().String() + "/"
	if o.readyFile != "" {
		if err := writeWhole(o.readyFile, url+"\n"); err != nil {
			_ = server.Close()
			<-ended
			return fmt.Errorf("%q cannot be written: %w: name another file with --ready-file", o.readyFile, err)
		}
	}
	o.app.note(ctx, fmt.Sprintf("listening at %s in %s mode; interrupt to stop", url, v.Mode()))
	select {
	case <-ended:
		return fmt.Errorf("the listener stopped: %w", failure)
	case <-ctx.Done():
	}
	drain(ctx, server)
	<-ended
	return context.Cause(ctx)
}

// observe tells of what was refused; what was not is printed by the inbox.
func (o *webhookListenOptions) observe(d webhook.Delivery) {
	if d.Status != http.StatusOK {
		_, _ = fmt.Fprintf(o.app.Err, "asleep: refused with %d %s (%d bytes)\n", d.Status, d.Code, d.Bytes)
	}
}

// printer is an inbox that keeps nothing: a receiver puts, and asks for no more.
type printer struct {
	store.Inbox

	options *webhookListenOptions
	mu      sync.Mutex
	count   int
}

// Put prints the events.
func (p *printer) Put(_ context.Context, events ...store.Event) ([]store.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []store.Receipt
	for _, stored := range events {
		e, err := webhook.EventOf(store.Claim{Event: stored})
		if err != nil {
			return nil, err
		}
		p.count++
		how := "signed"
		if !e.Signed {
			how = "unsigned"
		}
		text := fmt.Sprintf("%s %s %s\n", time.Now().Format(time.TimeOnly), eventLine(e, p.options.showIDs), how)
		if p.options.showBody {
			text += strings.ReplaceAll(e.Body, "\n", " ") + "\n"
		}
		if _, err := p.options.app.Out.Write([]byte(text)); err != nil {
			return nil, err
		}
		out = append(out, store.Receipt{ID: strconv.Itoa(p.count), Result: store.Stored, Revision: 1})
	}
	return out, nil
}
