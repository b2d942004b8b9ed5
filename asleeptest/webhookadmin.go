package asleeptest

import (
	"net/http"

	"github.com/asleep-sdk/asleep"
)

// eventBody is an [Event] of a session as JSON.
type eventBody struct {
	Session      string                `json:"session"`
	Event        asleep.WebhookEvent   `json:"event"`
	Version      asleep.WebhookVersion `json:"version"`
	Flat         bool                  `json:"flat"`
	UserInHeader bool                  `json:"user_in_header"`
	Seq          int                   `json:"seq"`
	Epochs       int                   `json:"epochs"`
}

// trafficBody is a [Traffic] as JSON.
type trafficBody struct {
	Events        int     `json:"events"`
	Windows       int     `json:"windows"`
	AllVersions   bool    `json:"all_versions"`
	Duplicates    float64 `json:"duplicates"`
	BadSignatures float64 `json:"bad_signatures"`
	Shuffled      bool    `json:"shuffled"`
	Concurrency   int     `json:"concurrency"`
}

// hooked returns the webhook, or answers 409.
func (s *Server) hooked(w http.ResponseWriter) (Webhook, bool) {
	target := s.target()
	if target.URL == "" {
		writeDetail(w, http.StatusConflict, "no receiver is known: set one with SetWebhook, or start asleep fake with --webhook-url")
	}
	return target, target.URL != ""
}

// adminSendEvent answers with the status that the receiver answered with.
func (s *Server) adminSendEvent(w http.ResponseWriter, r *http.Request) {
	var body eventBody
	target, ok := s.hooked(w)
	if !ok || !readValue(w, r, &body) {
		return
	}
	e := Event{Kind: body.Event, Version: body.Version, Flat: body.Flat, UserInHeader: body.UserInHeader, Seq: body.Seq, Epochs: body.Epochs}
	text, user, err := s.EventBody(body.Session, e)
	if err != nil {
		writeDetail(w, http.StatusBadRequest, err.Error())
		return
	}
	status, err := s.post(r.Context(), target, user, text, false)
	if err != nil {
		writeDetail(w, http.StatusBadGateway, err.Error())
		return
	}
	writeValue(w, http.StatusOK, map[string]int{"status": status})
}

func (s *Server) adminSendTraffic(w http.ResponseWriter, r *http.Request) {
	var body trafficBody
	target, ok := s.hooked(w)
	if !ok || !readValue(w, r, &body) {
		return
	}
	t := Traffic(body)
	if err := t.Validate(); err != nil {
		writeDetail(w, http.StatusBadRequest, err.Error())
		return
	}
	tally, err := s.SendTraffic(r.Context(), target, t)
	if err != nil {
		return // the client went away
	}
	writeValue(w, http.StatusOK, tally)
}
