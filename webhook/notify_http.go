package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/internal/sign"
)

// HTTPNotifier posts notifications to one URL, signed as Standard Webhooks are.
// Make one with [NewHTTPNotifier]; any number of goroutines may use it.
//
// A 2xx answer is success, and its body is of no interest. 410 says that nobody is
// there any more: the event is dead. 400, 409, 413, 415 and 422 are about one
// notification; every other answer, a redirect included, for none is followed,
// and no answer at all say that the address is away. 429 and 503 may ask for a
// wait by Retry-After, of which up to an hour is honoured. Errors quote the status
// and the host, never the path of the URL, a body or a secret.
type HTTPNotifier struct {
	url       string
	host      string
	userAgent string
	client    *http.Client
	own       *http.Transport // nil if the transport is the caller's
	secrets   atomic.Pointer[[]string]
}

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

const (
	defaultNotifyTimeout = 10 * time.Second
	maxAnswer            = 64 << 10 // of a body, read so that the connection can be used again
	maxRetryAfter        = time.Hour
)

// NewHTTPNotifier posts to a URL: https, or http to a loopback address. Secrets are
// base64 after an optional whsec_; every request is signed with each of them, so
// that they can be rotated. Without any, requests are not signed. All that is
// wrong is told at once.
func NewHTTPNotifier(address string, secrets []string, c HTTPNotifierConfig) (*HTTPNotifier, error) {
	n := &HTTPNotifier{url: address, userAgent: c.UserAgent}
	if n.userAgent == "" {
		n.userAgent = "asleep-webhook"
	}
	if c.Timeout == 0 {
		c.Timeout = defaultNotifyTimeout
	}
	host, problem := checkAddress(address)
	n.host = host
	var timeout error
	if c.Timeout < 0 {
		timeout = fmt.Errorf("webhook: a timeout of %v for notifications: want 0, for 10 s, or more", c.Timeout)
	}
	if err := errors.Join(problem, n.SetSecrets(secrets), timeout); err != nil {
		return nil, err
	}
	transport := c.Transport
	if transport == nil {
		n.own = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: defaultScheduleWorkers,
			MaxIdleConnsPerHost: defaultScheduleWorkers, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: c.Timeout,
			MaxResponseHeaderBytes: maxAnswer,
		}
		transport = n.own
	}
	n.client = &http.Client{Transport: transport, Timeout: c.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return n, nil
}

// checkAddress refuses a URL to which personal data must not be sent. Its errors
// do not quote it, as it may hold a token.
func checkAddress(address string) (host string, err error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", errors.New("webhook: the address of notifications is no absolute URL: want https://host/path")
	case u.User != nil:
		return "", errors.New("webhook: the address of notifications holds a user or password: notifications are signed instead")
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return "", fmt.Errorf("webhook: notifications to http://%s would be read on the way: want https, or a loopback address", u.Host)
	default:
		return "", fmt.Errorf("webhook: notifications by %.20q are not known: want https", u.Scheme)
	}
	return u.Host, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// SetSecrets replaces the secrets for the requests that follow. On error nothing
// changes.
func (n *HTTPNotifier) SetSecrets(secrets []string) error {
	var problems []error
	for i, s := range secrets {
		if _, err := sign.StandardKey(s); err != nil {
			problems = append(problems, fmt.Errorf("webhook: secret %d of notifications: %w", i+1, err))
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	secrets = append([]string(nil), secrets...)
	n.secrets.Store(&secrets)
	return nil
}

// Notify posts one notification.
func (n *HTTPNotifier) Notify(ctx context.Context, v Notification) error {
	r, err := n.request(ctx, v)
	if err != nil {
		return Drop(err)
	}
	answer, err := n.client.Do(r)
	if err != nil {
		// The URL's path may be a secret, and net/http quotes it.
		if quoted, ok := errors.AsType[*url.Error](err); ok {
			err = quoted.Err
		}
		return Unavailable(fmt.Errorf("%s: %w", n.host, err))
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
	_ = answer.Body.Close()
	return n.judge(answer)
}

func (n *HTTPNotifier) request(ctx context.Context, v Notification) (*http.Request, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("webhook: encode the notification: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("webhook: the address of notifications is no URL")
	}
	now := time.Now()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", n.userAgent)
	r.Header.Set(sign.HeaderStandardID, v.ID)
	r.Header.Set(sign.HeaderStandardTimestamp, strconv.FormatInt(now.Unix(), 10))
	var signatures []string
	for _, secret := range *n.secrets.Load() {
		s, err := sign.Standard(secret, v.ID, now, body)
		if err != nil {
			return nil, fmt.Errorf("webhook: sign the notification: %w", err)
		}
		signatures = append(signatures, s)
	}
	if len(signatures) > 0 {
		r.Header.Set(sign.HeaderStandardSignature, strings.Join(signatures, " "))
	}
	return r, nil
}

func (n *HTTPNotifier) judge(answer *http.Response) error {
	code := answer.StatusCode
	err := fmt.Errorf("%s answered %d %s", n.host, code, http.StatusText(code))
	switch code {
	case http.StatusGone:
		return Drop(err)
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return err
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if wait := retryAfter(answer.Header.Get("Retry-After"), time.Now()); wait > 0 {
			return RetryIn(wait, Unavailable(err))
		}
	}
	switch {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		err = fmt.Errorf("%w: redirects are not followed, configure the final address", err)
	}
	return Unavailable(err)
}

// retryAfter reads seconds or a date; 0 if there is nothing to wait for.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// Close gives up idle connections, unless the transport is the caller's.
func (n *HTTPNotifier) Close() {
	if n.own != nil {
		n.own.CloseIdleConnections()
	}
}
