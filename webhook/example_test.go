package webhook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/webhook"
)

// A receiver in a server of one's own: verified, durable, and a few lines long.
func ExampleReceiver() {
	inbox, err := memory.New().Inbox() // in earnest: store/sqlite or store/postgres
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := webhook.NewVerifier(webhook.VerifierConfig{
		Secrets: []string{"a secret of your gateway"}, Keys: []string{"your API key"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver, err := webhook.NewReceiver(inbox, verifier)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /asleep-webhook", receiver)

	// What a sender does:
	sender := webhook.Sender{Key: "your API key", Secret: "a secret of your gateway"}
	body := `{"event":"SESSION_COMPLETE","version":"V3","data":{"user_id":"u1","session":{"id":"s1"}}}`
	for range 2 {
		req := httptest.NewRequest(http.MethodPost, "/asleep-webhook", http.NoBody)
		if req, err = sender.NewRequest(req.Context(), "/asleep-webhook", body); err != nil {
			fmt.Println(err)
			return
		}
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, req)
		fmt.Println(answer.Code, answer.Body)
	}
	stats := receiver.Stats()
	fmt.Println("stored", stats.Stored, "duplicates", stats.Duplicates)
	// Output:
	// 200 {"status":"queued"}
	// 200 {"status":"queued"}
	// stored 1 duplicates 1
}

// All shapes of a body decode to the same event.
func ExampleDecode() {
	for _, body := range []string{
		`{"event":"SESSION_COMPLETE","version":"V3","data":{"user_id":"u1","session":{"id":"s1","state":"COMPLETE"}}}`,
		`{"event":"SESSION_COMPLETE","version":"V3","user_id":"u1","session_id":"s1","session":{"state":"COMPLETE"}}`,
		`{"callback_event":"SESSION_COMPLETE","callback_data":{"user_id":"u1","sleep_data":{"session":{"id":"s1","state":"COMPLETE"}}}}`,
	} {
		e, err := webhook.Decode("", body)
		if err != nil {
			fmt.Println(err)
			return
		}
		report, err := e.Session()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Version, e.Stored().Key, report.Session.ID, report.Session.State)
	}
	// Output:
	// V3 SESSION_COMPLETE|u1|s1 s1 COMPLETE
	// V3 SESSION_COMPLETE|u1|s1 s1 COMPLETE
	// V1 SESSION_COMPLETE|u1|s1 s1 COMPLETE
}

// Verifying without the receiver, as another framework may need it.
func ExampleVerifier_Verify() {
	v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{"secret"}, Keys: []string{"key"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"event":"SESSION_COMPLETE"}`)
	header := http.Header{"X-Api-Key": {"key"}, "X-Signature": {webhook.Sign("secret", body)}}
	id, err := v.Verify(header, body)
	fmt.Println(id.Scheme, err)
	_, err = v.Verify(header, body[1:])
	fmt.Println(err)
	// Output:
	// signature <nil>
	// webhook: no valid signature
}
