package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/pipenet"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

const notifySecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// serveNotify runs a real server over a network in memory, and a notifier for it.
func serveNotify(t *testing.T, handler http.HandlerFunc) *webhook.HTTPNotifier {
	t.Helper()
	l := pipenet.Listen()
	srv := &http.Server{Handler: handler}
	go srv.Serve(l)
	transport := &http.Transport{DialContext: l.DialContext}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		srv.Close()
		synctest.Wait()
	})
	n, err := webhook.NewHTTPNotifier("http://localhost/hooks?token=secret-path", []string{notifySecret, "c2Vjb25kIHNlY3JldA"}, webhook.HTTPNotifierConfig{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestANotificationIsPostedSignedByEverySecret(t *testing.T) {
	inBubble(t, func(b *bench) {
		var verified []error
		n := serveNotify(b.T, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			for _, secret := range []string{notifySecret, "c2Vjb25kIHNlY3JldA"} {
				v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{secret}})
				if err != nil {
					t.Error(err)
					return
				}
				_, err = v.Verify(r.Header, body)
				verified = append(verified, err)
			}
			var got webhook.Notification
			if err := json.Unmarshal(body, &got); err != nil || got.ID != "evt_1" || got.SessionID != "s1" {
				t.Errorf("%s, %v", body, err)
			}
			if r.Method != http.MethodPost || r.Header.Get("Webhook-Id") != "evt_1" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %v", r.Method, r.Header)
			}
			w.WriteHeader(http.StatusNoContent)
		})
		if err := n.Notify(b.Context(), webhook.Notification{ID: "evt_1", SessionID: "s1"}); err != nil {
			b.Error(err)
		}
		if len(verified) != 2 || verified[0] != nil || verified[1] != nil {
			b.Errorf("verified: %v", verified)
		}
	})
}

// TestAnswersOfTheAddressDecide goes through a whole processor, as what an answer
// means shows in when the next try comes.
func TestAnswersOfTheAddressDecide(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   store.EntryState
		reason string
		second time.Duration // when the second try comes
	}{
		"410 is dead":        {status(http.StatusGone), store.Dead, "localhost answered 410 Gone", 0},
		"422 is tried again": {status(http.StatusUnprocessableEntity), store.Ready, "422", 5 * time.Second},
		"500 is tried again": {status(http.StatusInternalServerError), store.Ready, "500", 5 * time.Second},
		"404 is tried again": {status(http.StatusNotFound), store.Ready, "404", 5 * time.Second},
		"a redirect is not followed": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, store.Ready, "not followed", 5 * time.Second},
		"Retry-After in seconds": {retryAfter("90"), store.Ready, "503", 90 * time.Second},
		"Retry-After as a date": {func(w http.ResponseWriter, r *http.Request) {
			retryAfter(time.Now().Add(2*time.Minute).UTC().Format(http.TimeFormat))(w, r)
		}, store.Ready, "503", 2 * time.Minute},
		"Retry-After of a day is cut":       {retryAfter("86400"), store.Ready, "503", time.Hour},
		"Retry-After beyond numbers":        {retryAfter("99999999999999999999"), store.Ready, "503", 5 * time.Second},
		"no answer within the timeout":      {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, store.Ready, "localhost", 15 * time.Second},
		"a connection that breaks":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, store.Ready, "EOF", 5 * time.Second},
		"200 whose body never ends is done": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, endless{}) }, store.Done, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				var at []time.Duration
				n := serveNotify(b.T, func(w http.ResponseWriter, r *http.Request) {
					at = append(at, time.Since(b.start))
					_, _ = io.Copy(io.Discard, r.Body)
					c.answer(w, r)
				})
				id := b.deliver(true, night("u1", "s1"))[0]
				p := b.processor(b.inbox, b.pipeline(webhook.PipelineConfig{Notify: n}))
				stop := b.run(p)
				sleepFor(b, 11*time.Second)
				if c.want != store.Ready {
					b.wantState(id, c.want, c.reason)
				} else {
					sleepFor(b, time.Hour-10*time.Second)
					if len(at) < 2 || at[1] != c.second {
						b.Errorf("tried after %v, want %v", at, c.second)
					}
					e := b.entry(id)
					if text := fmt.Sprint(e.History); !strings.Contains(text, c.reason) || strings.Contains(text, "secret-path") || e.Attempts > 0 {
						b.Errorf("%d attempts, %s", e.Attempts, text)
					}
				}
				stop()
			})
		})
	}
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func retryAfter(value string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", value)
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAddressesThatMustNotGetPersonalDataAreRefused(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                          "no absolute URL",
		"/path":                     "no absolute URL",
		"https://":                  "no absolute URL",
		"http://example.com/x":      "want https",
		"http://10.0.0.1/x":         "want https",
		"http://localhost.evil/x":   "want https",
		"ftp://localhost/x":         "not known",
		"https://u:hunter2@x.com/y": "user or password",
		"https://x.com/%zz":         "no absolute URL",
	} {
		_, err := webhook.NewHTTPNotifier(address, nil, webhook.HTTPNotifierConfig{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
	for _, address := range []string{"https://example.com/x?t=1", "http://localhost:80", "http://127.0.0.1:8080/x", "http://[::1]/x"} {
		n, err := webhook.NewHTTPNotifier(address, []string{notifySecret}, webhook.HTTPNotifierConfig{})
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		if err := n.SetSecrets([]string{"not base64!"}); err == nil || strings.Contains(err.Error(), "not base64!") {
			t.Error(err)
		}
		n.Close()
	}
	_, err := webhook.NewHTTPNotifier("ftp://x", []string{"", "!!"}, webhook.HTTPNotifierConfig{Timeout: -1})
	for _, want := range []string{"not known", "secret 1", "secret 2", "-1ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestARefusedConnectionIsAnOutage(t *testing.T) {
	inBubble(t, func(b *bench) {
		l := pipenet.Listen()
		l.Close()
		n, err := webhook.NewHTTPNotifier("http://localhost/x", nil, webhook.HTTPNotifierConfig{Transport: &http.Transport{DialContext: l.DialContext}})
		if err != nil {
			b.Fatal(err)
		}
		err = n.Notify(b.Context(), webhook.Notification{ID: "x"})
		if err == nil || strings.Contains(err.Error(), "/x") {
			b.Error(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		if err := n.Notify(ctx, webhook.Notification{}); !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
	})
}
