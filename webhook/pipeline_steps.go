package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// pipeline is what the standard steps share.
type pipeline struct {
	PipelineConfig
	seen *seenSessions
}

// What makes an event dead.
var (
	errForeign = errors.New("webhook: the session belongs to another user")
	errOther   = errors.New("webhook: the API answered with another session than was asked for")
)

// Waits for a report that is not there, or not final, yet.
const (
	confirmFirst   = 2 * time.Second
	confirmLongest = time.Minute
)

// confirm asks the API about an event that only its key vouches for. Of it only
// the ids are believed: what is stored is what the API says.
func (p *pipeline) confirm(ctx context.Context, t *Task) error {
	if t.Signed || !known(t.Kind) {
		return nil
	}
	inference := t.Kind == asleep.WebhookEventInferenceComplete
	if inference && p.seen.has(t.UserID, t.SessionID) {
		return nil
	}
	report, err := p.Fetch.FetchSession(ctx, t.UserID, t.SessionID)
	early := time.Since(t.Received) < p.Patience
	_, judged := errors.AsType[*verdict](err)
	switch {
	case errors.Is(err, ErrNoSession) && early:
		return waitIn(backoff(t.Claims, confirmFirst, confirmLongest), err)
	case errors.Is(err, ErrNoSession):
		return Drop(fmt.Errorf("%w, %v after the event", err, p.Patience))
	case judged:
		return err
	case err != nil:
		return Unavailable(err)
	case report == nil || report.Session.ID != t.SessionID:
		return Drop(errOther)
	case !inference && !report.Immutable() && early:
		return waitIn(backoff(t.Claims, confirmFirst, confirmLongest), errors.New("the report is not final yet"))
	}
	p.seen.add(t.UserID, t.SessionID)
	t.report, t.observed = report, time.Now()
	return nil
}

// keep stores the session, or the window of a session that is recorded.
func (p *pipeline) keep(ctx context.Context, t *Task) error {
	w, err := write(t)
	if err != nil || len(w.Sessions)+len(w.Windows) == 0 {
		return err
	}
	out, ok, err := t.Apply(ctx, w)
	if err == nil && !ok {
		out, err = p.put(ctx, w)
	}
	switch {
	case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrLeaseLost):
		return err
	case err != nil: // the end of the context in the middle of a commit too: nobody knows what became of it
		return Unavailable(err)
	case slices.Contains(out, store.Foreign):
		return Drop(errForeign)
	case slices.Contains(out, store.Erased):
		return end("the user or the session was erased")
	}
	t.checked = true
	return nil
}

// write is what an event brings to the store; nothing if this program does not
// know its kind.
func write(t *Task) (w store.Write, err error) {
	switch t.Kind {
	case asleep.WebhookEventSessionComplete:
		var s store.Session
		if t.report != nil {
			s, err = store.FromReport(t.UserID, t.report, t.observed)
		} else {
			s, err = t.StoreSession()
		}
		w.Sessions = append(w.Sessions, s)
	case asleep.WebhookEventInferenceComplete:
		var window store.Window
		window, err = t.StoreWindow()
		w.Windows = append(w.Windows, window)
		if err == nil && t.report.Immutable() { // the event comes late: the whole night is there
			var s store.Session
			s, err = store.FromReport(t.UserID, t.report, t.observed)
			w.Sessions = append(w.Sessions, s)
		}
	}
	return w, err
}

// put writes where the inbox has another database than the sessions. It may be
// repeated after a crash, which changes nothing.
func (p *pipeline) put(ctx context.Context, w store.Write) (out []store.Outcome, err error) {
	if len(w.Sessions) > 0 {
		if out, err = p.Sessions.Put(ctx, w.Sessions...); err != nil {
			return nil, err
		}
	}
	if len(w.Windows) > 0 {
		more, err := p.Sessions.PutWindow(ctx, w.Windows...)
		return append(out, more...), err
	}
	return out, nil
}

// after guards a step that comes after the store. In the attempt that stored the
// session its outcome is known; a later one asks whether it is still there, and
// whose it is, for the mark of the store does not tell.
func (p *pipeline) after(do func(context.Context, *Task) error) func(context.Context, *Task) error {
	return func(ctx context.Context, t *Task) error {
		if t.Claims > 1 && !t.checked && known(t.Kind) {
			if err := p.check(ctx, t); err != nil {
				return err
			}
			t.checked = true
			if t.Kind == asleep.WebhookEventSessionComplete && p.Confirm && !t.Signed {
				t.recall = func(ctx context.Context) (*asleep.Report, error) { return p.stored(ctx, t.SessionID) }
			}
		}
		return do(ctx, t)
	}
}

func (p *pipeline) check(ctx context.Context, t *Task) error {
	s, err := p.Sessions.Get(ctx, t.SessionID)
	user := s.UserID
	if errors.Is(err, store.ErrNotFound) && t.Kind == asleep.WebhookEventInferenceComplete {
		var partial store.Partial
		partial, err = p.Sessions.Partial(ctx, t.SessionID)
		user = partial.UserID
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return end("the session is gone from the store")
	case err != nil:
		return Unavailable(err)
	case user != t.UserID:
		return Drop(errForeign)
	}
	return nil
}

func (p *pipeline) stored(ctx context.Context, id string) (*asleep.Report, error) {
	s, err := p.Sessions.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.Report()
}

func (p *pipeline) invalidate(ctx context.Context, t *Task) error {
	if !known(t.Kind) {
		return nil
	}
	if err := p.Invalidate.Invalidate(ctx, t.UserID); err != nil {
		return Unavailable(err)
	}
	return nil
}

func (p *pipeline) notify(ctx context.Context, t *Task) error {
	n := Notification{
		ID: notificationID(&t.Event), Type: t.Kind, UserID: t.UserID, SessionID: t.SessionID, Received: t.Received, Revision: t.Revision,
		Confirmed: t.Signed || p.Confirm && known(t.Kind),
	}
	if t.Kind == asleep.WebhookEventInferenceComplete {
		n.Seq = new(t.seq)
	}
	if p.NotifyFigures && t.Kind == asleep.WebhookEventSessionComplete {
		s, err := p.Sessions.Get(ctx, t.SessionID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return end("the session is gone from the store")
		case err != nil:
			return Unavailable(err)
		}
		n.State, n.Start, n.End, n.Figures = s.State, s.Start, s.End, figures(s.Metrics)
	}
	return p.Notify.Notify(ctx, n)
}

func figures(m store.Metrics) map[string]float64 {
	all := map[string]float64{}
	for metric := range store.AllMetrics() {
		if v, ok := m.Get(metric); ok {
			all[metric.String()] = v
		}
	}
	return all
}

// notificationID is made of what tells events apart, so that it is the same
// wherever and however often the event is worked.
func notificationID(e *Event) string {
	h := sha256.New()
	for _, part := range []string{e.Key, e.UserID, e.SessionID, e.Body} {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return "evt_" + hex.EncodeToString(h.Sum(nil)[:16])
}
