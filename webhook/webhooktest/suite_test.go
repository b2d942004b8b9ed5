package webhooktest_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/store/sqlite"
	"github.com/asleep-sdk/asleep/webhook"
	"github.com/asleep-sdk/asleep/webhook/webhooktest"
)

const (
	key, otherKey = "ak_test_4242424242", "ak_test_old_4242"
	secret        = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret   = "b2xkIHNlY3JldCBvZiBsYXN0IHllYXI="
	limit         = 400
	maxBody       = 256 << 10
)

// moody is an inbox that can be made to fail, and to say that it is full.
type moody struct {
	store.Inbox

	broken atomic.Bool
	full   atomic.Bool
}

func (m *moody) Put(ctx context.Context, events ...store.Event) ([]store.Receipt, error) {
	if m.broken.Load() {
		return nil, store.ErrFull
	}
	return m.Inbox.Put(ctx, events...)
}

func (m *moody) Depth(ctx context.Context) (store.Depth, error) {
	d, err := m.Inbox.Depth(ctx)
	if m.full.Load() {
		d.Ready += limit
	}
	return d, err
}

// lockedBuffer collects a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// target is a receiver over a store, with everything that the suite can use.
func target(t *testing.T, s store.Store, mode webhook.Mode) webhooktest.Target {
	t.Helper()
	queue, err := s.Inbox()
	if err != nil {
		t.Fatal(err)
	}
	inbox, log := &moody{Inbox: queue}, new(lockedBuffer)
	v, err := webhook.NewVerifier(webhook.VerifierConfig{Mode: mode, Secrets: []string{secret, otherSecret}, Keys: []string{key, otherKey}})
	if err != nil {
		t.Fatal(err)
	}
	limits := webhook.DefaultLimits()
	limits.Backlog, limits.MaxBody = limit, maxBody
	timeouts := webhook.DefaultReceiverTimeouts()
	timeouts.Body = 10 * time.Second
	r, err := webhook.NewReceiver(inbox, v, webhook.WithLimits(limits), webhook.WithTimeouts(timeouts),
		webhook.WithLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/webhook", r)
	return webhooktest.Target{
		Handler: mux, Mode: mode, Key: key, Secret: secret, OtherKey: otherKey, OtherSecret: otherSecret,
		MaxBody: maxBody, HeaderTimeout: 10 * time.Second, BodyTimeout: 10 * time.Second,
		Stored: func(t *testing.T, sessionID string) int { return stored(t, inbox, sessionID) },
		Break: func(*testing.T) func() {
			inbox.broken.Store(true)
			return func() { inbox.broken.Store(false) }
		},
		Fill: func(t *testing.T) func() {
			inbox.full.Store(true)
			until(t, r, http.StatusServiceUnavailable)
			return func() {
				inbox.full.Store(false)
				finishAll(t, inbox)
				until(t, r, http.StatusOK) // a count that found it full is good for 100 ms
			}
		},
		Retire: func(t *testing.T) {
			if err := v.Replace(webhook.VerifierConfig{Mode: mode, Secrets: []string{secret}, Keys: []string{key}}); err != nil {
				t.Error(err)
			}
		},
		Log: func(*testing.T) string { return log.String() },
	}
}

func stored(t *testing.T, inbox store.Inbox, sessionID string) (n int) {
	t.Helper()
	for after := ""; ; {
		list, err := inbox.List(t.Context(), store.InboxQuery{After: after, Limit: store.MaxLimit})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if after = e.ID; e.SessionID == sessionID {
				n++
			}
		}
		if len(list) < store.MaxLimit {
			return n
		}
	}
}

// finishAll does the work of the workers.
func finishAll(t *testing.T, inbox store.Inbox) {
	t.Helper()
	for {
		claims, err := inbox.Claim(t.Context(), 100, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(claims) == 0 {
			return
		}
		var done []store.Settlement
		for _, c := range claims {
			done = append(done, store.Settlement{Token: c.Token, Action: store.Finish})
		}
		if _, err := inbox.Settle(t.Context(), done...); err != nil {
			t.Fatal(err)
		}
	}
}

// until sends events, straight to the handler, until one is answered with the
// status.
func until(t *testing.T, h http.Handler, status int) {
	t.Helper()
	start := time.Now()
	for n := 0; ; n++ {
		body := fmt.Sprintf(`{"event":"FILLER","data":{"user_id":"filler","n":%d}}`, n)
		r, err := webhook.Sender{Key: key, Secret: secret}.NewRequest(t.Context(), "/webhook", body)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if t.Context().Err() != nil || time.Since(start) > 2*time.Minute {
			t.Fatalf("still answered %d %s", w.Code, w.Body)
		}
		if w.Code == status {
			return
		}
	}
}

func TestReceiverOverMemory(t *testing.T) {
	t.Parallel()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	webhooktest.Run(t, target(t, s, webhook.ModeSignature))
}

func TestReceiverOverMemoryInKeyMode(t *testing.T) {
	t.Parallel()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	webhooktest.Run(t, target(t, s, webhook.ModeKey))
}

func TestReceiverOverSQLite(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "asleep.db"), store.Options{}, sqlite.Backend())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	webhooktest.Run(t, target(t, s, webhook.ModeSignature))
}
