package asleeptest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep"
)

// Told is one event that [Server.SendCompletions] has sent.
type Told struct {
	SessionID string
	Kind      asleep.WebhookEvent
	Status    int   // of the answer; 0 if there was none
	Err       error // that nobody answered
}

// lookEvery is how often sessions are looked at: they begin and end with whole
// seconds.
const lookEvery = time.Second

// SendCompletions sends events to the webhook of [Server.SetWebhook] until the
// context ends: an INFERENCE_COMPLETE with every tenth epoch of a session that is
// recorded, and a SESSION_COMPLETE within a second of its completion, by the clock
// or by [Server.Advance]. A session that is added complete is told of too; those
// that are complete when it begins are not. Each is told to the function, if any.
func (s *Server) SendCompletions(ctx context.Context, told func(Told)) {
	seen := map[string]progress{}
	for id, r := range s.added(time.Now()) {
		seen[id] = progressOf(r, time.Now())
	}
	for sleep(ctx, lookEvery) == nil {
		now := time.Now()
		current := s.added(now)
		for _, id := range slices.Sorted(maps.Keys(current)) {
			was, is := seen[id], progressOf(current[id], now)
			seen[id] = is
			if e, ok := was.news(is); ok && s.target().URL != "" {
				status, err := s.SendEvent(ctx, s.target(), id, e)
				if told != nil {
					told(Told{id, e.Kind, status, err})
				}
			}
		}
		maps.DeleteFunc(seen, func(id string, _ progress) bool { return current[id] == nil })
	}
}

// progress is how far a session has come; windows counts those that are full.
type progress struct {
	complete bool
	windows  int
}

func progressOf(r *recording, now time.Time) progress {
	p := progress{complete: r.state(now) == asleep.SessionStateComplete}
	if !r.noPolling {
		p.windows = min(r.recorded(now), len(newNight(r).stages)) / windowEpochs
	}
	return p
}

// news is what there is to tell of a session that has come from p to next.
func (p progress) news(next progress) (e Event, ok bool) {
	switch {
	case next.complete && !p.complete:
		return Event{Kind: asleep.WebhookEventSessionComplete}, true
	case !next.complete && next.windows > p.windows:
		return Event{Kind: asleep.WebhookEventInferenceComplete, Seq: next.windows - 1}, true
	}
	return Event{}, false
}

// added returns the sessions that are not of the population and have begun.
func (s *Server) added(now time.Time) map[string]*recording {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	out := map[string]*recording{}
	for _, u := range s.state.users {
		for _, r := range u.added {
			if !r.start.After(now) || r.forced {
				c := *r
				out[r.id] = &c
			}
		}
	}
	return out
}
