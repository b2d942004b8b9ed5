package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/webhook"
)

// openReceiver makes the way in, takes the inbox, and makes what works it.
func (s *Service) openReceiver(given settings) (err error) {
	if s.verifier, err = webhook.NewVerifier(s.cfg.verification()); err != nil {
		return err
	}
	if s.inbox, err = s.db.Inbox(); err != nil {
		return err
	}
	arrivals, err := s.front.Inbox()
	if err != nil {
		return err
	}
	s.receiver, err = webhook.NewReceiver(arrivals, s.verifier,
		webhook.WithLimits(webhook.Limits{MaxBody: s.cfg.MaxBody, Backlog: s.cfg.Webhooks.Backlog}),
		webhook.WithTimeouts(s.cfg.receiverTimeouts()),
		webhook.WithLogger(s.log), webhook.WithObserver(s.figures.delivery))
	if err != nil {
		return err
	}
	s.worker, err = s.newWorker(given.notifier, given.steps)
	return err
}

func (c Config) receiverTimeouts() webhook.ReceiverTimeouts {
	t := webhook.DefaultReceiverTimeouts()
	t.Body = c.ReadTimeout
	return t
}

// verification is what makes a delivery authentic.
func (c Config) verification() webhook.VerifierConfig {
	v := webhook.VerifierConfig{Mode: webhook.ModeSignature, Secrets: reveal(c.Webhooks.Secrets), Keys: reveal(c.Webhooks.Keys)}
	if c.Webhooks.Auth == AuthKey {
		v.Mode = webhook.ModeKey
	}
	if len(v.Keys) == 0 {
		v.Keys = []string{c.Upstream.APIKey.Reveal()}
	}
	return v
}

func reveal(secrets []Secret) []string {
	texts := make([]string, len(secrets))
	for i, s := range secrets {
		texts[i] = s.Reveal()
	}
	return texts
}

// worker works the events of the inbox, and forgets what is old enough.
type worker struct {
	processor *webhook.Processor
	janitor   *webhook.Janitor
	notifier  *webhook.HTTPNotifier // nil if there is none, or it is the caller's

	stop    context.CancelFunc
	running sync.WaitGroup
	err     error // of the processor
}

func (s *Service) newWorker(notifier webhook.Notifier, own []webhook.Step) (*worker, error) {
	w := &worker{janitor: &webhook.Janitor{
		Inbox: s.inbox, Sessions: s.db.Sessions(), Logger: s.log,
		Retention: time.Duration(s.cfg.RetentionDays) * 24 * time.Hour,
	}}
	if notifier == nil && s.cfg.Notify.URL != "" {
		var err error
		if w.notifier, err = s.cfg.Notify.open(); err != nil {
			return nil, err
		}
		notifier = w.notifier
	}
	steps, err := webhook.Pipeline(webhook.PipelineConfig{
		Sessions: s.db.Sessions(), Confirm: s.cfg.Webhooks.Confirm, Fetch: s.upstream, Invalidate: s.upstream.invalidator(), Handlers: own, Notify: notifier,
	})
	if err != nil {
		return nil, err
	}
	work := webhook.DefaultWork()
	work.Drain = s.cfg.drain()
	w.processor, err = webhook.NewProcessor(s.inbox, steps, webhook.WithWork(work),
		webhook.WithProcessorLogger(s.log), webhook.WithProcessorObserver(s.figures.worked))
	return w, err
}

// drain is how much of the time for a shutdown belongs to work under way: the
// rest is for handing back what is not finished.
func (c Config) drain() time.Duration { return c.ShutdownTimeout * 4 / 5 }

func (n Notify) open() (*webhook.HTTPNotifier, error) {
	return webhook.NewHTTPNotifier(n.URL, reveal(n.Secrets), webhook.HTTPNotifierConfig{})
}

// start begins to work. The context only carries values.
func (w *worker) start(ctx context.Context) {
	ctx, w.stop = context.WithCancel(context.WithoutCancel(ctx))
	w.running.Go(func() { w.err = w.processor.Run(ctx) })
	w.running.Go(func() { w.janitor.Run(ctx) })
}

// end lets work under way finish and hands back the rest, until ctx ends.
func (w *worker) end(ctx context.Context) error {
	if w.stop == nil {
		return nil
	}
	w.stop()
	ended := make(chan struct{})
	go func() {
		w.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		return fmt.Errorf("the workers did not end in time: %w", context.Cause(ctx))
	}
	if w.notifier != nil {
		w.notifier.Close()
	}
	if w.err != nil {
		return errors.Join(errors.New("not everything could be handed back; leases will run out by themselves"), w.err)
	}
	return nil
}
