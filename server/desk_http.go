package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

func (s *Service) listEntries(w http.ResponseWriter, r *http.Request) {
	q, v, err := readQuery(r)
	if err != nil {
		webhook.WriteProblem(w, r, http.StatusBadRequest, "bad_query", err.Error())
		return
	}
	entries, err := Desk{s.inbox}.List(r.Context(), q, v)
	if err != nil {
		s.failDesk(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"entries": entries})
}

func (s *Service) showEntry(w http.ResponseWriter, r *http.Request) {
	_, v, err := readQuery(r)
	if err != nil {
		webhook.WriteProblem(w, r, http.StatusBadRequest, "bad_query", err.Error())
		return
	}
	e, err := Desk{s.inbox}.Show(r.Context(), r.PathValue("id"), v)
	if err != nil {
		s.failDesk(w, r, err)
		return
	}
	answer(w, http.StatusOK, e)
}

func (s *Service) replayEntries(w http.ResponseWriter, r *http.Request) {
	s.changeEntries(w, r, "replayed", Desk{s.inbox}.Replay)
}

func (s *Service) purgeEntries(w http.ResponseWriter, r *http.Request) {
	s.changeEntries(w, r, "purged", Desk{s.inbox}.Purge)
}

// maxChoice bounds the body of a request that names entries, in bytes.
const maxChoice = 1 << 20

// changeEntries does something about the entries that the body names, a [Choice].
func (s *Service) changeEntries(w http.ResponseWriter, r *http.Request, did string, do func(context.Context, Choice) (int, error)) {
	var c Choice
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxChoice))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || d.More() || c.All == (len(c.IDs) > 0) {
		webhook.WriteProblem(w, r, http.StatusBadRequest, "bad_request", `the body is not understood: send {"ids":["1","2"]} or {"all":true}`)
		return
	}
	n, err := do(r.Context(), c)
	if err != nil {
		s.failDesk(w, r, err)
		return
	}
	s.log.InfoContext(r.Context(), "dead events "+did, "count", n, "request_id", exchangeOf(r).id) //nolint:sloglint // one of two words
	answer(w, http.StatusOK, changed{n})
}

type changed struct {
	Changed int `json:"changed"`
}

// readQuery reads state, user_id, after and limit, and how much is to be shown:
// ids and body.
func readQuery(r *http.Request) (q store.InboxQuery, v View, err error) {
	values := r.URL.Query()
	for name := range values {
		if !slices.Contains([]string{"state", "user_id", "after", "limit", "ids", "body"}, name) {
			return q, v, fmt.Errorf("%s is not known: ask for state, user_id, after, limit, ids and body", config.Quote(name))
		}
	}
	q.UserID, q.After = values.Get("user_id"), values.Get("after")
	if q.State, err = StateOf(values.Get("state")); err != nil {
		return q, v, err
	}
	if text := values.Get("limit"); text != "" {
		if q.Limit, err = config.Int(text, 1, store.MaxLimit); err != nil {
			return q, v, fmt.Errorf("limit %w", err)
		}
	}
	for name, target := range map[string]*bool{"ids": &v.IDs, "body": &v.Body} {
		if text := values.Get(name); text != "" {
			if *target, err = config.Bool(text); err != nil {
				return q, v, fmt.Errorf("%s %w", name, err)
			}
		}
	}
	return q, v, nil
}

// StateOf reads the name of a state of entries. Empty, and "all", are all.
func StateOf(text string) (store.EntryState, error) {
	if text == "" || text == "all" {
		return 0, nil
	}
	for state := store.Ready; state <= store.Dead; state++ {
		if state.String() == text {
			return state, nil
		}
	}
	return 0, fmt.Errorf("state %s is not known: give one of ready, leased, done, dead, all", config.Quote(text))
}

// failDesk answers what the inbox failed of.
func (s *Service) failDesk(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		webhook.WriteProblem(w, r, http.StatusNotFound, "not_found", "there is no such entry in the inbox")
	case errors.Is(err, store.ErrInvalid):
		webhook.WriteProblem(w, r, http.StatusBadRequest, "bad_query", "this is no id of an entry")
	default:
		s.log.WarnContext(r.Context(), "the inbox could not be asked", "error", err, "request_id", exchangeOf(r).id)
		webhook.WriteProblem(w, r, http.StatusServiceUnavailable, "unavailable", "the inbox does not answer: try again later")
	}
}
