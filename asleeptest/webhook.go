package asleeptest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/sign"
)

// Webhook is where a server sends events, and how.
type Webhook struct {
	// URL of the receiver.
	URL string

	// Key goes into x-api-key, as the service sends the customer's own. Defaults
	// to the first of Config.APIKeys.
	Key string

	// Secret signs the bodies. Without one they are not signed, as the service's
	// are not.
	Secret string

	// Standard signs by Standard Webhooks instead of x-signature; the secret is
	// then base64, after an optional whsec_.
	Standard bool

	// Attempts is how often an event is sent until it is answered 2xx, a second
	// apart. Defaults to once: no retries of the service are documented.
	Attempts int

	// Client sends. Defaults to one that follows no redirects and waits 30 s, as
	// long as the service does.
	Client *http.Client
}

// webhookWait is how long the service waits for an answer at most.
const webhookWait = 30 * time.Second

func (s *Server) sender(w Webhook) sign.Sender {
	out := sign.Sender{Scheme: sign.SchemeHex, Key: w.Key, Secret: w.Secret}
	if out.Key == "" && len(s.config.APIKeys) > 0 {
		out.Key = s.config.APIKeys[0]
	}
	switch {
	case w.Secret == "":
		out.Scheme = sign.SchemeKeyAlone
	case w.Standard:
		out.Scheme = sign.SchemeStandard
	}
	return out
}

// SetWebhook makes a server send events by order of its administration, and
// [Server.SendCompletions] know where to; the zero Webhook ends that.
func (s *Server) SetWebhook(w Webhook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhook = w
}

func (s *Server) target() Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.webhook
}

// SendEvent sends one event of a session and returns the status of the answer.
// The error says that the event cannot be made, or that nobody answered.
func (s *Server) SendEvent(ctx context.Context, w Webhook, sessionID string, e Event) (status int, err error) {
	body, user, err := s.EventBody(sessionID, e)
	if err != nil {
		return 0, err
	}
	return s.post(ctx, w, user, body, false)
}

// post sends a body, with a signature that is not of it if forged is set.
func (s *Server) post(ctx context.Context, w Webhook, user, body string, forged bool) (status int, err error) {
	from := s.sender(w)
	from.UserID = user
	signed := body
	if forged {
		signed += " "
		from.Key += "-forged" // nothing else is wrong with what is not signed
		if from.Scheme != sign.SchemeKeyAlone {
			from.Key = strings.TrimSuffix(from.Key, "-forged")
		}
	}
	client := w.Client
	if client == nil {
		client = &http.Client{Timeout: webhookWait, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	for attempt := 1; ; attempt++ {
		h, err := from.Header(signed)
		if err != nil {
			return 0, fmt.Errorf("asleeptest: webhook: %w", err)
		}
		status, err = send(ctx, client, w.URL, h, body)
		refused := forged && status == http.StatusUnauthorized // as it should be
		if err == nil && (status/100 == 2 || refused) || attempt >= cmp.Or(w.Attempts, 1) {
			return status, err
		}
		if sleep(ctx, time.Second) != nil {
			return status, errors.Join(err, ctx.Err())
		}
	}
}

func send(ctx context.Context, client *http.Client, url string, h http.Header, body string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("asleeptest: webhook: %w", err)
	}
	r.Header = h
	answer, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("asleeptest: webhook: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, err
}
