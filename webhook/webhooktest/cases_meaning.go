package webhooktest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/webhook"
)

func meaningCases() []testCase {
	return []testCase{
		{name: "46 unknown event", run: unknownEvent},
		{name: "46 an object without ids", run: withoutIDs},
		{name: "46 every shape of the contract", run: everyShape},
		{name: "47 verified before anything is parsed", needs: "key", run: verifiedFirst},
		{name: "48 the same event twice", run: twice},
		{name: "48 the same event 64 times at once", run: atOnce},
		{name: "48 the same event with another body", run: revised},
		{name: "49 duplicates are known after a restart", needs: "inside"},
		{name: "50 the store fails", needs: "break", alone: true, run: storeFails},
		{name: "51 the backlog is above its limit", needs: "fill", alone: true, run: backlogFull},
		{name: "52 the client goes away", needs: "stored", run: clientGone},
		{name: "53 a kill and a failing sync lose nothing", needs: "inside"},
		{name: "54 older never overwrites newer", needs: "inside"},
		{name: "55 handlers that fail, panic and hang", needs: "inside"},
		{name: "56 a retry repeats no finished step", needs: "inside"},
		{name: "57 dead letters", needs: "inside"},
		{name: "58 SIGTERM", needs: "inside"},
		{name: "59 the answer says nothing of the request", run: saysNothing},
		{name: "59 bodies and secrets stay out of logs", needs: "log", alone: true, run: silentLogs},
		{name: "59 metrics stay off this address", run: noMetrics},
	}
}

func unknownEvent(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	body := fmt.Sprintf(`{"event":"SESSION_DELETED","version":"V4","data":{"user_id":"wht-user","session":{"id":%q},"reason":"retention"}}`, id)
	s.send(t, s.authentic(t, body), body).queued(t)
	s.holds(t, id, 1)
}

func withoutIDs(t *testing.T, s *session) {
	t.Helper()
	for _, form := range []string{`{"nonce":%q}`, `{"event":"SESSION_COMPLETE","data":{"nonce":%q}}`, `{"event":"PING","nonce":%q}`, `{"event":7,"data":[],"nonce":%q}`} {
		body := fmt.Sprintf(form, newID())
		s.send(t, s.authentic(t, body), body).queued(t)
	}
}

func everyShape(t *testing.T, s *session) {
	t.Helper()
	for _, form := range []string{
		`{"event":"SESSION_COMPLETE","version":"V3","data":{"user_id":"wht-user","session":{"id":%q,"state":"COMPLETE"},"stat":null}}`,
		`{"event":"SESSION_COMPLETE","version":"V3","timestamp":"2026-03-14T20:36:03Z","user_id":"wht-user","session_id":%q,"session":{"state":"COMPLETE"},"stat":null}`,
		`{"callback_event":"SESSION_COMPLETE","callback_version":"V2","callback_data":{"user_id":"wht-user","session":{"id":%q,"state":"COMPLETE"},"stat":null}}`,
		`{"callback_event":"SESSION_COMPLETE","callback_data":{"user_id":"wht-user","sleep_data":{"session":{"id":%q,"state":"COMPLETE"}}}}`,
		`{"event":"INFERENCE_COMPLETE","version":"V3","data":{"user_id":"wht-user","session_id":%q,"seq_num":9,"inference_seq_num":0,"sleep_stages":[0,1,null],"breath_stages":null}}`,
		`{"callback_event":"INFERENCE_COMPLETE","callback_data":{"user_id":"wht-user","session_id":%q,"inference_seq_num":0,"stage_list":[0],"osa_stage_list":[0]}}`,
	} {
		id := newID()
		body := fmt.Sprintf(form, id)
		s.send(t, s.authentic(t, body), body).queued(t)
		s.holds(t, id, 1)
	}
	id := newID()
	body := fmt.Sprintf(`{"event":"SESSION_COMPLETE","version":"V3","data":{"session":{"id":%q,"state":"COMPLETE"},"stat":null}}`, id)
	s.send(t, with(s.authentic(t, body), "X-User-Id", "wht-user"), body).queued(t)
	s.holds(t, id, 1)
}

// verifiedFirst: what is no JSON is told no different from what is, nor a known
// event from a new one, while the sender is not authentic.
func verifiedFirst(t *testing.T, s *session) {
	t.Helper()
	known := event(newID())
	s.send(t, s.authentic(t, known), known).queued(t)
	for _, body := range []string{known, event(newID()), "no JSON", "[]", ""} {
		s.send(t, with(s.authentic(t, body), "X-Api-Key", "wrong"), body).refused(t, http.StatusUnauthorized)
	}
}

func twice(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	body := event(id)
	for range 2 {
		s.send(t, s.authentic(t, body), body).queued(t)
	}
	s.holds(t, id, 1)
}

func atOnce(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	body := event(id)
	h := s.authentic(t, body)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if a, err := s.try(t.Context(), http.MethodPost, h, strings.NewReader(body)); err != nil || a.status != http.StatusOK {
				t.Errorf("answered %d %s (%v)", a.status, a.body, err)
			}
		})
	}
	wg.Wait()
	s.holds(t, id, 1)
}

// revised: another body under the same ids is news, not a duplicate.
func revised(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	for _, body := range []string{event(id), strings.Replace(event(id), "0.0", "0.1", 1)} {
		s.send(t, s.authentic(t, body), body).queued(t)
	}
	s.holds(t, id, 2)
}

func (s *session) comeAgain(t *testing.T, what string) {
	t.Helper()
	body := event(newID())
	a := s.send(t, s.authentic(t, body), body)
	a.refused(t, http.StatusServiceUnavailable)
	if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 {
		t.Errorf("%s: Retry-After is %q", what, a.header.Get("Retry-After"))
	}
}

func storeFails(t *testing.T, s *session) {
	t.Helper()
	mend := s.Break(t)
	s.comeAgain(t, "the store fails")
	mend()
	body := event(newID())
	s.send(t, s.authentic(t, body), body).queued(t)
}

func backlogFull(t *testing.T, s *session) {
	t.Helper()
	drain := s.Fill(t)
	s.comeAgain(t, "the backlog is full")
	drain()
	body := event(newID())
	s.send(t, s.authentic(t, body), body).queued(t)
}

// clientGone: it is stored once or not at all, and coming again stores it.
func clientGone(t *testing.T, s *session) {
	t.Helper()
	id := newID()
	body := event(id)
	for range 5 {
		conn := s.dial(t)
		_, _ = fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", s.head(s.authentic(t, body)), len(body), body)
		_ = conn.Close()
	}
	s.send(t, s.authentic(t, body), body).queued(t)
	s.holds(t, id, 1)
}

// canaries are what must not come back nor be logged.
func canaries(s *session) map[string]string {
	return map[string]string{"the key": s.Key, "the secret": s.Secret, "the other key": s.OtherKey, "the other secret": s.OtherSecret, "the body": "wht-canary"}
}

func saysNothing(t *testing.T, s *session) {
	t.Helper()
	for _, body := range []string{`{"event":"wht-canary","event":"wht-canary"}`, `{"wht-canary":`, `{"event":"wht-canary","data":{"user_id":"u"}}`} {
		a := s.send(t, s.authentic(t, body), body)
		for what, text := range canaries(s) {
			if text != "" && strings.Contains(a.body+fmt.Sprint(a.header), text) {
				t.Errorf("the answer holds %s: %s", what, a.body)
			}
		}
	}
}

func silentLogs(t *testing.T, s *session) {
	t.Helper()
	body := strings.Replace(event(newID()), `"UTC"`, `"wht-canary"`, 1)
	h := s.authentic(t, body)
	s.send(t, h, body).queued(t)
	for _, h := range []http.Header{with(h, "X-Api-Key", "wrong"), with(h, "X-Signature", webhook.Sign("wrong", []byte(body))), with(h, "X-Signature", s.Secret)} {
		s.send(t, h, body)
	}
	broken := body[:len(body)-1]
	s.send(t, s.authentic(t, broken), broken)
	log := s.Log(t)
	for what, text := range canaries(s) {
		if text != "" && strings.Contains(log, text) {
			t.Errorf("the log holds %s", what)
		}
	}
	if mac := h.Get("X-Signature"); mac != "" && strings.Contains(log, mac) {
		t.Error("the log holds a signature")
	}
}

func noMetrics(t *testing.T, s *session) {
	t.Helper()
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars", "/circuit-breaker/status", "/inbox"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.host+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, got.Body)
		_ = got.Body.Close()
		cancel()
		if got.StatusCode == http.StatusOK {
			t.Errorf("%s is answered %d", path, got.StatusCode)
		}
	}
}
