package asleeptest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

const (
	hookKey    = "ak_test_1"
	hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// receiver is a real one over a store in memory; its handler is reached without
// a socket.
func receiver(t *testing.T) (store.Inbox, *http.Client) {
	t.Helper()
	inbox, err := memory.New().Inbox()
	if err != nil {
		t.Fatal(err)
	}
	v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{hookSecret}, Keys: []string{hookKey}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := webhook.NewReceiver(inbox, v)
	if err != nil {
		t.Fatal(err)
	}
	return inbox, &http.Client{Transport: direct{r}}
}

// direct hands requests to a handler.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

func hook(c *http.Client) asleeptest.Webhook {
	return asleeptest.Webhook{URL: "http://receiver/webhook", Secret: hookSecret, Client: c}
}

func TestEventsOfEveryShapeReachAReceiver(t *testing.T) {
	t.Parallel()
	srv := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1, Ordinary: true, APIKeys: []string{hookKey}})
	session := srv.Sessions("user-0001")[0]
	report, _ := srv.Report(session.ID, "")
	for _, version := range []asleep.WebhookVersion{"V1", "V2", "V3"} {
		for _, flat := range []bool{false, true} {
			for _, inHeader := range []bool{false, true} {
				for _, standard := range []bool{false, true} {
					inbox, client := receiver(t)
					w := hook(client)
					w.Standard = standard
					e := asleeptest.Event{Version: version, Flat: flat, UserInHeader: inHeader}
					what := fmt.Sprintf("%+v", e)
					if status, err := srv.SendEvent(t.Context(), w, session.ID, e); err != nil || status != http.StatusOK {
						t.Fatalf("%s: %d (%v)", what, status, err)
					}
					e.Kind, e.Seq, e.Epochs = asleep.WebhookEventInferenceComplete, 12, 40
					if status, err := srv.SendEvent(t.Context(), w, session.ID, e); err != nil || status != http.StatusOK {
						t.Fatalf("%s: %d (%v)", what, status, err)
					}
					claims, err := inbox.Claim(t.Context(), 2, time.Minute)
					if err != nil || len(claims) != 2 {
						t.Fatalf("%s: %d claims (%v)", what, len(claims), err)
					}
					complete, _ := webhook.EventOf(claims[0])
					got, err := complete.StoreSession()
					if err != nil || got.ID != session.ID || got.UserID != "user-0001" || !got.Settled || len(got.Epochs.Sleep) != len(report.Session.SleepStages) || complete.Version != version {
						t.Errorf("%s: %+v (%v)", what, got, err)
					}
					inference, _ := webhook.EventOf(claims[1])
					window, err := inference.StoreWindow()
					if err != nil || window.Seq != 12 || fmt.Sprint(window.Epochs.Sleep) != fmt.Sprint(report.Session.SleepStages[90:130]) {
						t.Errorf("%s: %+v (%v)", what, window, err)
					}
				}
			}
		}
	}
}

func TestTrafficIsCounted(t *testing.T) {
	t.Parallel()
	srv := asleeptest.New(asleeptest.Config{Users: 5, SessionsPerUser: 10, APIKeys: []string{hookKey}})
	inbox, client := receiver(t)
	tally, err := srv.SendTraffic(t.Context(), hook(client), asleeptest.Traffic{
		Events: 30, Windows: 3, AllVersions: true, Duplicates: 0.3, BadSignatures: 0.2, Shuffled: true, Concurrency: 4,
	})
	depth, _ := inbox.Depth(t.Context())
	if err != nil || tally.Duplicates == 0 || tally.Forged == 0 || tally.Refused != tally.Forged || tally.Unanswered != 0 ||
		tally.Status[http.StatusOK] != tally.Events+tally.Duplicates || len(tally.Status) != 1 || depth.Ready < tally.Events-2 || depth.Ready > tally.Events+tally.Duplicates {
		t.Errorf("%+v (%v), %d stored", tally, err, depth.Ready)
	}
	ids := map[string]bool{}
	claims, _ := inbox.Claim(t.Context(), 1000, time.Minute)
	for _, c := range claims {
		e, err := webhook.EventOf(c)
		if err != nil || e.Check() != nil {
			t.Errorf("%v, %v", err, e.Check())
		}
		ids[e.SessionID] = true
	}
	if len(ids) != 30 {
		t.Errorf("%d sessions were told of", len(ids))
	}
	if _, err := srv.SendTraffic(t.Context(), hook(client), asleeptest.Traffic{Events: -1, Duplicates: 7}); err == nil || !strings.Contains(err.Error(), "Duplicates is 7") {
		t.Errorf("%v", err)
	}
}

func TestEventsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	srv := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 1, Ordinary: true})
	session := srv.Sessions("user-0001")[0].ID
	for id, e := range map[string]asleeptest.Event{
		"nobody's": {},
		session:    {Kind: asleep.WebhookEventInferenceComplete, Seq: 10_000},
	} {
		if _, _, err := srv.EventBody(id, e); err == nil {
			t.Errorf("%s: %+v was made", id, e)
		}
	}
	if _, err := srv.SendEvent(t.Context(), asleeptest.Webhook{URL: "http://receiver", Secret: "no base64", Standard: true}, session, asleeptest.Event{}); err == nil || strings.Contains(err.Error(), "no base64") {
		t.Errorf("a bad secret: %v", err)
	}
}

func TestCompletionsAreSentAsTheyHappen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := asleeptest.New(asleeptest.Config{Users: 1, APIKeys: []string{hookKey}})
		inbox, client := receiver(t)
		srv.SetWebhook(hook(client))
		var mu sync.Mutex
		var told []string
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() {
			srv.SendCompletions(t.Context(), func(e asleeptest.Told) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprintf("%s %d %v", e.Kind, e.Status, time.Since(start)))
			})
		})
		_, err := srv.AddSession("user-0001", asleeptest.Session{Live: true, Start: time.Now(), Length: 20 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		mu.Lock()
		got := strings.Join(told, "\n")
		mu.Unlock()
		want := "INFERENCE_COMPLETE 200 5m0s\nINFERENCE_COMPLETE 200 10m0s\nINFERENCE_COMPLETE 200 15m0s\nINFERENCE_COMPLETE 200 20m0s\nSESSION_COMPLETE 200 20m41s"
		if got != want {
			t.Errorf("told:\n%s\nwant:\n%s", got, want)
		}
		if d, _ := inbox.Depth(t.Context()); d.Ready != 5 {
			t.Errorf("%d events are stored", d.Ready)
		}
	})
}

func TestTheAdministrationSendsEvents(t *testing.T) {
	t.Parallel()
	srv := asleeptest.New(asleeptest.Config{Users: 2, SessionsPerUser: 3, Ordinary: true, APIKeys: []string{hookKey}})
	_, client := receiver(t)
	order := func(path, body string) (int, string) {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://fake/_fake/"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		answer, err := (&http.Client{Transport: srv.Transport()}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	if status, text := order("webhooks", `{}`); status != http.StatusConflict || !strings.Contains(text, "--webhook-url") {
		t.Errorf("without a webhook: %d %s", status, text)
	}
	srv.SetWebhook(hook(client))
	session := srv.Sessions("user-0001")[0].ID
	if status, text := order("webhooks", `{"session":"`+session+`","event":"INFERENCE_COMPLETE","version":"V1","seq":3}`); status != http.StatusOK || text != `{"status":200}` {
		t.Errorf("%d %s", status, text)
	}
	if status, text := order("webhooks", `{"session":"nobody's"}`); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, text)
	}
	status, text := order("traffic", `{"events":6,"windows":1,"bad_signatures":1}`)
	var tally asleeptest.Tally
	if err := json.Unmarshal([]byte(text), &tally); err != nil || status != http.StatusOK || tally.Events != 12 || tally.Refused != 12 || tally.Status[200] != 12 {
		t.Errorf("%d %s (%v)", status, text, err)
	}
	if status, text := order("traffic", `{"events":1,"duplicates":2}`); status != http.StatusBadRequest {
		t.Errorf("%d %s", status, text)
	}
}
