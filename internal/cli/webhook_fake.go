package cli

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/webhook"
)

// fakeWebhooks are the events that "asleep fake" sends.
type fakeWebhooks struct {
	app    *app
	url    string
	secret string
	scheme webhook.Scheme
	rate   float64
}

func (o *fakeWebhooks) add(flags *pflag.FlagSet) {
	o.rate = 10
	addChecked(flags, &o.url, "webhook-url", "URL", "send events there: of every night at --webhook-rate, then of those that are added", "", parseHookURL)
	flags.StringVar(&o.secret, "webhook-secret", "", "`SECRET` to sign them with; better ASLEEP_WEBHOOK_SECRET or ASLEEP_WEBHOOK_SECRET_FILE, as arguments can be seen by others. Without one they bear the API key alone")
	o.scheme = webhook.SchemeHex
	addChoice(flags, &o.scheme, "webhook-scheme", "", "SCHEME", "how to sign", webhook.SchemeHex, webhook.SchemeStandard)
	addNumber(flags, &o.rate, "webhook-rate", "R", "events of the made-up nights a second; 0 sends none of them", 1e6)
}

// target is the receiver, with the first key and secret of the settings; apiKey
// goes before them. What is wrong is noted as a problem.
func (o *fakeWebhooks) target(apiKey string) asleeptest.Webhook {
	const attempts = 10 // a second apart: the receiver may be starting
	w := asleeptest.Webhook{URL: o.url, Standard: o.scheme == webhook.SchemeStandard, Key: apiKey, Attempts: attempts}
	if o.url == "" {
		return w
	}
	secrets, keys := o.app.hookSecrets()
	if len(secrets) > 0 {
		w.Secret = secrets[0]
		if o.app.origin("webhook-secret").rank == 0 {
			_, _ = fmt.Fprintln(o.app.Err, "asleep: --webhook-secret can be seen by everybody on this machine: set ASLEEP_WEBHOOK_SECRET instead, unless it is made up")
		}
		if _, err := (webhook.Sender{Scheme: o.scheme, Secret: w.Secret}).Header(""); err != nil {
			o.app.problem(o.app.origin("webhook-secret").label, "is no secret of Standard Webhooks: give base64, after an optional whsec_, or use --webhook-scheme signature")
		}
	}
	if w.Key == "" && len(keys) > 0 {
		w.Key = keys[0]
	}
	return w
}

// send sends until ctx ends.
func (o *fakeWebhooks) send(ctx context.Context, s *asleeptest.Server, w asleeptest.Webhook) {
	if w.URL == "" {
		return
	}
	s.SetWebhook(w)
	last := statusChange{app: o.app}
	var wg sync.WaitGroup
	wg.Go(func() { s.SendCompletions(ctx, func(t asleeptest.Told) { last.tell(ctx, t.Status, t.Err) }) })
	if o.rate > 0 {
		wg.Go(func() { o.sendNights(ctx, s, w, &last) })
	}
	wg.Wait()
}

// sendNights tells of every night of the population once.
func (o *fakeWebhooks) sendNights(ctx context.Context, s *asleeptest.Server, w asleeptest.Webhook, last *statusChange) {
	tick := time.NewTicker(time.Duration(max(1, math.Round(float64(time.Second)/o.rate))))
	defer tick.Stop()
	for user := range s.Users() {
		for _, session := range s.Sessions(user) {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			status, err := s.SendEvent(ctx, w, session.ID, asleeptest.Event{})
			last.tell(ctx, status, err)
		}
	}
}

// statusChange tells of answers to webhooks when they are no longer what they were.
type statusChange struct {
	app  *app
	mu   sync.Mutex
	told bool
	last int
}

func (c *statusChange) tell(ctx context.Context, status int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil || c.told && status == c.last {
		return
	}
	c.told, c.last = true, status
	if err != nil {
		c.app.note(ctx, "the receiver of webhooks does not answer: "+err.Error())
		return
	}
	c.app.note(ctx, fmt.Sprintf("the receiver of webhooks answers %d", status))
}
