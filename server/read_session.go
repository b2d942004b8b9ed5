package server

import (
	"context"
	"errors"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/store"
)

// night is what is known of a session here.
type night struct {
	session store.Session // of a zero ID if only windows are known
	partial store.Partial // of a zero SessionID if none
}

// night looks for a session in the store. It is [errAbsent] where the reader, or
// the user that is named, has nothing to do with it.
func (a *readAPI) night(ctx context.Context, q *question) (n night, err error) {
	n.session, err = ofStore(ctx, func(ctx context.Context) (store.Session, error) { return a.sessions.Get(ctx, q.session) })
	if err != nil && !errors.Is(err, errAbsent) {
		return n, err
	}
	if err == nil && n.session.Settled && n.session.Form == store.FormReport {
		return n, n.belongs(q)
	}
	n.partial, err = ofStore(ctx, func(ctx context.Context) (store.Partial, error) { return a.sessions.Partial(ctx, q.session) })
	if err != nil && !errors.Is(err, errAbsent) {
		return n, err
	}
	return n, n.belongs(q)
}

func (n night) user() string {
	if n.session.ID != "" {
		return n.session.UserID
	}
	return n.partial.UserID
}

func (n night) known() bool { return n.user() != "" }

func (n night) belongs(q *question) error {
	if user := n.user(); user != "" && (!q.access.To(user) || q.user != "" && q.user != user) {
		return errAbsent
	}
	return nil
}

// session answers with one night: complete from the store, else as the service has
// it now, else with the part of it that is stored. Where the store is out the service
// stands in, if it is known whose night it is.
func (a *readAPI) session(ctx context.Context, q *question) (*reply, error) {
	var n night
	var out, err error
	if q.source == fromUpstream && !q.access.AllUsers {
		// Nobody says that the service itself looks whose a session is.
		if _, err = a.night(ctx, q); errors.Is(err, errAbsent) {
			return nil, err
		}
	}
	if q.source != fromUpstream {
		if n, err = a.night(ctx, q); q.storeless(err) {
			n, out = night{}, err // a half of it was not judged
		} else if err != nil {
			return nil, err
		}
		exchangeOf(q.Request).setUser(n.user())
		if n.session.Settled && n.session.Form == store.FormReport || q.source == fromStore && n.known() {
			return n.reply(), nil
		}
	}
	user := q.user
	switch {
	case user != "":
	case n.known():
		user = n.user()
	case !q.access.AllUsers && len(q.access.Users) == 1:
		user = q.access.Users[0]
	}
	switch {
	case user == "" && out != nil:
		return nil, out
	case user == "" || q.source == fromStore:
		return nil, errAbsent
	}
	p, err := a.asked(ctx, q, user, n)
	if err != nil && n.known() {
		return n.reply(), nil // what there is, and that it is not all
	}
	return p, neither(out, err)
}

// asked is the night as the service, or the cache, has it.
func (a *readAPI) asked(ctx context.Context, q *question, user string, n night) (*reply, error) {
	var origin client.Origin
	upstream, err := a.ofUpstream(ctx, q)
	if err != nil {
		return nil, err
	}
	report, err := upstream.Session(ctx, user, q.session, client.WithOrigin(&origin))
	if errors.Is(err, client.ErrNotFound) {
		return nil, errAbsent // as what is stored of others: nobody learns that it is there
	}
	if err != nil {
		return nil, err
	}
	p := &reply{fresh: keepOpen}
	p.source, p.age = told(origin)
	if report.Immutable() {
		p.fresh = keepComplete
	}
	p.body = nightBody(q.session, user, report.Session.State, report.Immutable(), "report", report.Raw, n.partial)
	return p, nil
}

// reply is the night as it is stored.
func (n night) reply() *reply {
	s := n.session
	if s.ID == "" {
		return &reply{
			source: fromStore, fresh: keepOpen,
			body: nightBody(n.partial.SessionID, n.partial.UserID, asleep.SessionStateOpen, false, "", "", n.partial),
		}
	}
	p := &reply{source: fromStore, fresh: keepOpen}
	member, complete := "summary", false
	if s.Form == store.FormReport {
		member, complete = "report", s.Settled
	}
	if complete {
		p.fresh, p.at = keepComplete, s.UpdatedAt
	}
	p.body = nightBody(s.ID, s.UserID, s.State, complete, member, s.Raw, n.partial)
	return p
}

// recording is the part of a night that is being recorded. Epochs that have not come
// yet are -1.
type recording struct {
	Windows int                  `json:"windows"`
	Through int                  `json:"through_window"`
	Sleep   asleep.Stages        `json:"sleep_stages"`
	Breath  asleep.BreathStages  `json:"breath_stages"`
	Snoring asleep.SnoringStages `json:"snoring_stages"`
	Updated time.Time            `json:"updated_at"`
}

// nightBody puts our members around the object of the service, which stays as it
// came, byte for byte.
func nightBody(id, user string, state asleep.SessionState, complete bool, member, raw string, part store.Partial) []byte {
	b := make([]byte, 0, len(raw)+256)
	b = append(b, `{"session_id":`...)
	b = append(b, encode(id)...)
	b = append(b, `,"user_id":`...)
	b = append(b, encode(user)...)
	b = append(b, `,"state":`...)
	b = append(b, encode(state)...)
	b = append(b, `,"complete":`...)
	b = append(b, encode(complete)...)
	if member != "" && raw != "" {
		b = append(b, `,"`+member+`":`...)
		b = append(b, oneLine(raw)...)
	}
	if part.SessionID != "" && !complete {
		b = append(b, `,"recording":`...)
		b = append(b, encode(recording{
			Windows: part.Windows, Through: part.Seq, Updated: part.UpdatedAt,
			Sleep: orNone(part.Epochs.Sleep), Breath: orNone(part.Epochs.Breath), Snoring: orNone(part.Epochs.Snoring),
		})...)
	}
	return append(b, '}')
}

func orNone[S ~[]E, E any](s S) S {
	if s == nil {
		return S{}
	}
	return s
}
