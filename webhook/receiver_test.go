package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/pipenet"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

// inboxFunc is an inbox whose Put is a function.
type inboxFunc struct {
	store.Inbox

	put   func(context.Context, ...store.Event) ([]store.Receipt, error)
	depth func(context.Context) (store.Depth, error)
}

func (i inboxFunc) Put(ctx context.Context, e ...store.Event) ([]store.Receipt, error) {
	if i.put == nil {
		return i.Inbox.Put(ctx, e...)
	}
	return i.put(ctx, e...)
}

func (i inboxFunc) Depth(ctx context.Context) (store.Depth, error) {
	if i.depth == nil {
		return i.Inbox.Depth(ctx)
	}
	return i.depth(ctx)
}

func newInbox(tb testing.TB) store.Inbox {
	tb.Helper()
	inbox, err := memory.New().Inbox()
	if err != nil {
		tb.Fatal(err)
	}
	return inbox
}

func newReceiver(tb testing.TB, inbox store.Inbox, c webhook.VerifierConfig, opts ...webhook.Option) *webhook.Receiver {
	tb.Helper()
	r, err := webhook.NewReceiver(inbox, newVerifier(tb, c), opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func deliver(tb testing.TB, h http.Handler, s webhook.Sender, body string) *httptest.ResponseRecorder {
	tb.Helper()
	req, err := s.NewRequest(tb.Context(), "/", body)
	if err != nil {
		tb.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

var sender = webhook.Sender{Key: testKey, Secret: testSecret}

const completeBody = `{"event":"SESSION_COMPLETE","data":{"user_id":"secret-user","session":{"id":"s1"}}}`

func TestAReceiverNeedsAnInboxAndAVerifier(t *testing.T) {
	t.Parallel()
	_, err := webhook.NewReceiver(nil, nil, webhook.WithLimits(webhook.Limits{MaxBody: -1}), webhook.WithTimeouts(webhook.ReceiverTimeouts{Commit: -1}))
	for _, want := range []string{"no inbox", "no verifier", "limits are -1", "timeouts are"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestStatsAndObserverTellWhatCame(t *testing.T) {
	t.Parallel()
	var seen []webhook.Delivery
	r := newReceiver(t, newInbox(t), signatureMode(), webhook.WithObserver(func(d webhook.Delivery) { seen = append(seen, d) }))
	for _, body := range []string{completeBody, completeBody, completeBody + " ", `{"event":"NEWS","user_id":"u"}`, `{}`, `[]`} {
		deliver(t, r, sender, body)
	}
	deliver(t, r, webhook.Sender{Key: "wrong", Secret: testSecret}, completeBody)
	s := r.Stats()
	if s.Stored != 3 || s.Revised != 1 || s.Duplicates != 1 || s.Unknown != 2 || s.Incomplete != 1 || s.InFlight != 0 || s.Backlog != 4 {
		t.Errorf("%+v", s)
	}
	if s.Rejected["undecodable"] != 1 || s.Rejected["unauthorized"] != 1 || s.Reasons["wrong x-api-key"] != 1 || len(s.Rejected) != 2 {
		t.Errorf("rejected %v, %v", s.Rejected, s.Reasons)
	}
	if len(s.Verifier.Keys) != 1 || s.Verifier.Keys[0].Accepted != 6 || s.Verifier.Secrets[0].Accepted != 6 {
		t.Errorf("verifier %+v", s.Verifier)
	}
	var codes []string
	for _, d := range seen {
		codes = append(codes, d.Code)
	}
	if got := strings.Join(codes, " "); got != "stored duplicate revised stored stored undecodable unauthorized" {
		t.Errorf("observed %q", got)
	}
	if d := seen[0]; d.Status != 200 || d.Kind != asleep.WebhookEventSessionComplete || d.Scheme != webhook.SchemeHex || d.Bytes != len(completeBody) {
		t.Errorf("observed %+v", d)
	}
	if d := seen[3]; d.Kind != webhook.OtherKind {
		t.Errorf("a kind that anybody can make up is observed as %q", d.Kind)
	}
}

func TestAnUnsignedDeliveryIsToldOnceAndLoudly(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := newReceiver(t, newInbox(t), signatureMode(), webhook.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	deliver(t, r, webhook.Sender{Scheme: webhook.SchemeKey, Key: "wrong"}, completeBody)
	if log.Len() > 0 {
		t.Errorf("a wrong key is loud: %s", &log)
	}
	for range 3 {
		if w := deliver(t, r, webhook.Sender{Scheme: webhook.SchemeKey, Key: testKey}, completeBody); w.Code != http.StatusUnauthorized {
			t.Errorf("answered %d", w.Code)
		}
	}
	if text := log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "WEBHOOK_AUTH=key") {
		t.Errorf("log %q", text)
	}
}

func TestLogsHoldNoUserAndNoSecret(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := newReceiver(t, newInbox(t), signatureMode(), webhook.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	deliver(t, r, sender, `{"event":"SESSION_COMPLETE","data":{"user_id":"secret-user"}}`)
	deliver(t, r, webhook.Sender{Key: testKey + "x", Secret: testSecret}, completeBody)
	deliver(t, r, webhook.Sender{Key: testKey, Secret: "wrong"}, completeBody)
	text := log.String()
	if !strings.Contains(text, "user:") || !strings.Contains(text, "session id") || !strings.Contains(text, "no valid signature") {
		t.Errorf("log %q", text)
	}
	for _, secret := range []string{"secret-user", testKey, testSecret, webhook.Sign(testSecret, []byte(completeBody)), "SESSION_COMPLETE\""} {
		if strings.Contains(text, secret) {
			t.Errorf("59 the log holds %q", secret)
		}
	}
}

func TestKeyModeMarksEventsToBeConfirmed(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	r := newReceiver(t, inbox, webhook.VerifierConfig{Mode: webhook.ModeKey, Keys: []string{testKey}})
	if w := deliver(t, r, webhook.Sender{Scheme: webhook.SchemeKey, Key: testKey, UserID: "of-header"}, `{"event":"SESSION_COMPLETE","data":{"session":{"id":"s1"}}}`); w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	claims, err := inbox.Claim(t.Context(), 1, time.Minute)
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	if e, err := webhook.EventOf(claims[0]); err != nil || e.Signed || e.UserID != "of-header" || e.SessionID != "s1" {
		t.Errorf("%+v (%v)", e, err)
	}
}

func TestWhatCannotBeStoredIsToComeAgain(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{store.ErrFull, store.ErrBusy, store.ErrClosed, store.ErrInvalid, errors.New("unheard of")} {
		var log bytes.Buffer
		inbox := inboxFunc{newInbox(t), func(context.Context, ...store.Event) ([]store.Receipt, error) { return nil, failure }, nil}
		r := newReceiver(t, inbox, signatureMode(), webhook.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		for range 3 {
			if w := deliver(t, r, sender, completeBody); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "5" {
				t.Errorf("50 %v: answered %d, Retry-After %q", failure, w.Code, w.Header().Get("Retry-After"))
			}
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), failure.Error()) {
			t.Errorf("%v is logged %q", failure, &log)
		}
	}
}

func TestACommitThatHangsIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inbox := inboxFunc{newInbox(t), func(ctx context.Context, _ ...store.Event) ([]store.Receipt, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, nil}
		r, start := newReceiver(t, inbox, signatureMode()), time.Now()
		if w := deliver(t, r, sender, completeBody); w.Code != http.StatusServiceUnavailable || time.Since(start) != 4*time.Second {
			t.Errorf("answered %d after %v", w.Code, time.Since(start))
		}
	})
}

// TestACountThatHangsHoldsNobodyUp: it may be slow to count an inbox that stores fast.
func TestACountThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inbox, counts := newInbox(t), 0
		r := newReceiver(t, inboxFunc{inbox, nil, func(ctx context.Context) (store.Depth, error) {
			counts++
			<-ctx.Done()
			return store.Depth{}, ctx.Err()
		}}, signatureMode(), webhook.WithLimits(webhook.Limits{Backlog: 10}))
		for n := range 50 {
			start := time.Now()
			w := deliver(t, r, sender, completeBody)
			if took := time.Since(start); w.Code != http.StatusOK || n == 0 && took != 500*time.Millisecond || n > 0 && took != 0 {
				t.Errorf("delivery %d: %d after %v", n, w.Code, took)
			}
		}
		if counts != 1 {
			t.Errorf("counted %d times", counts)
		}
		time.Sleep(5 * time.Second)
		if deliver(t, r, sender, completeBody); counts != 2 {
			t.Error("it is not counted any more")
		}
	})
}

// asks is an error that says when to come again.
type asks struct{ time.Duration }

func (asks) Error() string               { return "not now" }
func (a asks) RetryAfter() time.Duration { return a.Duration }

func TestAnInboxMaySayWhenToComeAgain(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]string{time.Millisecond: "1", 1001 * time.Millisecond: "2", 0: "5"} {
		failure := fmt.Errorf("%w: %w", store.ErrUnavailable, asks{after})
		r := newReceiver(t, inboxFunc{newInbox(t), func(context.Context, ...store.Event) ([]store.Receipt, error) { return nil, failure }, nil}, signatureMode())
		if w := deliver(t, r, sender, completeBody); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != want {
			t.Errorf("%v: answered %d, Retry-After %q", after, w.Code, w.Header().Get("Retry-After"))
		}
	}
}

func TestAClientThatGoesAwayDoesNotStopTheCommit(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	gone, leave := context.WithCancel(t.Context())
	var seen error
	r := newReceiver(t, inboxFunc{inbox, func(ctx context.Context, e ...store.Event) ([]store.Receipt, error) {
		leave()
		seen = ctx.Err()
		return inbox.Put(ctx, e...)
	}, nil}, signatureMode())
	req, _ := sender.NewRequest(gone, "/", completeBody)
	r.ServeHTTP(httptest.NewRecorder(), req)
	if d, _ := inbox.Depth(t.Context()); seen != nil || d.Ready != 1 {
		t.Errorf("52 the commit ended with %v, %d events are stored", seen, d.Ready)
	}
}

func TestTheBacklogIsCountedSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inbox, counts := newInbox(t), 0
		r := newReceiver(t, inboxFunc{inbox, nil, func(context.Context) (store.Depth, error) {
			counts++
			return inbox.Depth(t.Context())
		}}, signatureMode(), webhook.WithLimits(webhook.Limits{Backlog: 10}))
		send := func(n int) int {
			return deliver(t, r, sender, `{"event":"X","user_id":"u","n":`+strings.Repeat("1", n+1)+`}`).Code
		}
		for n := range 10 {
			if code := send(n); code != http.StatusOK {
				t.Fatalf("event %d of 10 is answered %d", n+1, code)
			}
		}
		if counts != 1 {
			t.Errorf("counted %d times before the limit", counts)
		}
		for n := range 5 {
			if code := send(10 + n); code != http.StatusServiceUnavailable {
				t.Errorf("51 above the limit: answered %d", code)
			}
		}
		if counts != 2 {
			t.Errorf("counted %d times while it was full", counts)
		}
		claims, _ := inbox.Claim(t.Context(), 4, time.Minute)
		for _, c := range claims {
			_, _ = inbox.Settle(t.Context(), store.Settlement{Token: c.Token, Action: store.Finish})
		}
		time.Sleep(101 * time.Millisecond)
		for n := range 4 {
			if code := send(20 + n); code != http.StatusOK {
				t.Errorf("room for 4: event %d is answered %d", n+1, code)
			}
		}
		if code := send(30); code != http.StatusServiceUnavailable {
			t.Errorf("full again: answered %d", code)
		}
	})
}

func TestABodyThatDripsIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"authentic":     "X-Api-Key: " + testKey + "\r\nX-Signature: " + strings.Repeat("0", 64) + "\r\n",
		"not authentic": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := pipenet.Listen()
				srv := &http.Server{Handler: newReceiver(t, newInbox(t), signatureMode())}
				go func() { _ = srv.Serve(l) }()
				conn, err := l.DialContext(t.Context(), "tcp", "receiver")
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: r\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"+head+"\r\n")
				dripped := make(chan struct{})
				go func() { // a byte a second, so that no single read is slow
					defer close(dripped)
					for {
						if _, err := io.WriteString(conn, " "); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				}()
				answer, err := io.ReadAll(conn)
				if took := time.Since(start); took > 11*time.Second || err != nil {
					t.Errorf("44 closed after %v (%v)", took, err)
				}
				if text := string(answer); !strings.HasPrefix(text, "HTTP/1.1 408 ") && !strings.HasPrefix(text, "HTTP/1.1 401 ") {
					t.Errorf("44 answered %q", text)
				}
				_ = conn.Close()
				_ = srv.Close()
				<-dripped
			})
		})
	}
}

func TestALongCommitIsNotTakenForALostClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gone error
		handler := newReceiver(t, inboxFunc{newInbox(t), func(context.Context, ...store.Event) ([]store.Receipt, error) {
			time.Sleep(time.Hour)
			return []store.Receipt{{ID: "1", Result: store.Stored, Revision: 1}}, nil
		}, nil}, signatureMode(), webhook.WithTimeouts(webhook.ReceiverTimeouts{Body: 10 * time.Second}))
		l := pipenet.Listen()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler.ServeHTTP(w, r)
			gone = r.Context().Err()
		})}
		go func() { _ = srv.Serve(l) }()
		transport := &http.Transport{DialContext: l.DialContext}
		req, _ := sender.NewRequest(t.Context(), "http://receiver/", completeBody)
		answer, err := transport.RoundTrip(req)
		if err != nil || answer.StatusCode != http.StatusOK || gone != nil {
			t.Errorf("%v (%v); the request ended with %v", answer, err, gone)
		} else {
			_ = answer.Body.Close()
		}
		transport.CloseIdleConnections()
		_ = srv.Close()
	})
}

func TestAProblemTakesTheRequestIDOfTheMiddleware(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ set, given, want string }{
		"set by a middleware": {"mid-1", "req-1", "mid-1"},
		"of the request":      {"", "req-1", "req-1"},
		"made up":             {"", "no word\n", ""},
	} {
		w := httptest.NewRecorder()
		if c.set != "" {
			w.Header().Set("X-Request-Id", c.set)
		}
		req := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		req.Header["X-Request-Id"] = []string{c.given}
		webhook.WriteProblem(w, req, http.StatusTeapot, "teapot", "short and stout")
		id := w.Header().Get("X-Request-Id")
		if id == "" || c.want != "" && id != c.want || !strings.Contains(w.Body.String(), `"request_id":"`+id+`"`) || id == c.given && c.want == "" {
			t.Errorf("%s: id %q, body %s", name, id, w.Body)
		}
	}
}

func BenchmarkReceiver(b *testing.B) {
	inbox := inboxFunc{newInbox(b), func(context.Context, ...store.Event) ([]store.Receipt, error) {
		return []store.Receipt{{ID: "1", Result: store.Stored, Revision: 1}}, nil
	}, func(context.Context) (store.Depth, error) { return store.Depth{}, nil }}
	r := newReceiver(b, inbox, signatureMode())
	body := `{"event":"SESSION_COMPLETE","data":{"user_id":"u","session":{"id":"s"},"pad":"` + strings.Repeat("x", 900) + `"}}`
	h, err := sender.Header(body)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		req := &http.Request{Method: http.MethodPost, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
