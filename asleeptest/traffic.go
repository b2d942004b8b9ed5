package asleeptest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/asleep-sdk/asleep"
)

// Traffic is a number of events as a receiver meets them on a bad day. Shares are
// from 0 to 1.
type Traffic struct {
	// Events is how many sessions of the population are told of; those of the
	// first users come first. At most as many as there are.
	Events int

	// Windows is how many INFERENCE_COMPLETE events go before each, the last
	// ones of the night, every other of 40 epochs so that they overlap.
	Windows int

	// AllVersions draws the version and the shape of each event, and whether the
	// header alone names the user; otherwise all are of version 3, nested.
	AllVersions bool

	Duplicates    float64 // share of the events that come twice
	BadSignatures float64 // events beside the others, as a share of them, that are forged
	Shuffled      bool    // in any order, so that windows come after the report

	Concurrency int // events under way at once; defaults to 1
}

// Validate reports everything that is wrong.
func (t Traffic) Validate() error {
	var errs []error
	if t.Events < 0 || t.Windows < 0 || t.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("asleeptest: traffic of %d events with %d windows, %d at once: want no negative ones", t.Events, t.Windows, t.Concurrency))
	}
	for name, share := range map[string]float64{"Duplicates": t.Duplicates, "BadSignatures": t.BadSignatures} {
		if math.IsNaN(share) || share < 0 || share > 1 {
			errs = append(errs, fmt.Errorf("asleeptest: %s is %v: want 0 to 1", name, share))
		}
	}
	return errors.Join(errs...)
}

// Tally is what became of [Traffic].
type Tally struct {
	Events     int         `json:"events"` // different authentic ones
	Duplicates int         `json:"duplicates"`
	Forged     int         `json:"forged"`
	Status     map[int]int `json:"status"`  // answers to authentic events
	Refused    int         `json:"refused"` // forged ones answered 401
	Unanswered int         `json:"unanswered"`
}

// piece is one event on its way.
type piece struct {
	session string
	event   Event
	forged  bool
}

// SendTraffic sends events of the population, drawn by Config.Seed, and counts
// the answers. It stops early, with the context's error, when the context ends.
func (s *Server) SendTraffic(ctx context.Context, w Webhook, t Traffic) (Tally, error) {
	tally := Tally{Status: map[int]int{}}
	if err := t.Validate(); err != nil {
		return tally, err
	}
	pieces := s.pieces(t, &tally)
	next := make(chan piece)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range max(t.Concurrency, 1) {
		wg.Go(func() {
			for p := range next {
				body, user, err := s.EventBody(p.session, p.event)
				if err != nil {
					continue // it was deleted meanwhile
				}
				status, err := s.post(ctx, w, user, body, p.forged)
				mu.Lock()
				switch {
				case err != nil:
					tally.Unanswered++
				case !p.forged:
					tally.Status[status]++
				case status == http.StatusUnauthorized:
					tally.Refused++
				}
				mu.Unlock()
			}
		})
	}
	for _, p := range pieces {
		if ctx.Err() != nil {
			break
		}
		next <- p
	}
	close(next)
	wg.Wait()
	return tally, ctx.Err()
}

// pieces draws the events.
func (s *Server) pieces(t Traffic, tally *Tally) (out []piece) {
	rnd := random(s.config.Seed, saltEvents)
	add := func(session string, e Event) {
		if t.AllVersions {
			e = draw(rnd, e)
		}
		tally.Events++
		out = append(out, piece{session: session, event: e})
		if rnd.Float64() < t.Duplicates {
			tally.Duplicates++
			out = append(out, piece{session: session, event: e})
		}
		if rnd.Float64() < t.BadSignatures {
			tally.Forged++
			out = append(out, piece{session: session, event: e, forged: true})
		}
	}
	sessions := 0
users:
	for user := range s.Users() {
		for _, session := range s.Sessions(user) {
			if sessions == t.Events {
				break users
			}
			sessions++
			last := int(session.Length/asleep.EpochLength)/windowEpochs - 1
			for seq := max(last-t.Windows+1, 0); seq <= last && session.Kind != TooShort; seq++ {
				add(session.ID, Event{Kind: asleep.WebhookEventInferenceComplete, Seq: seq, Epochs: windowEpochs + 3*windowEpochs*(seq%2)})
			}
			add(session.ID, Event{})
		}
	}
	if t.Shuffled {
		rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return out
}

// draw makes the form of an event any that the service has had.
func draw(rnd *rand.Rand, e Event) Event {
	versions := []asleep.WebhookVersion{asleep.WebhookVersionV3, asleep.WebhookVersionV3, asleep.WebhookVersionV2, asleep.WebhookVersionV1}
	e.Version, e.Flat, e.UserInHeader = versions[rnd.IntN(len(versions))], rnd.IntN(2) == 0, rnd.IntN(4) == 0
	return e
}
