package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
)

// pair is one event in the hands of both.
type pair struct{ got, want store.Claim }

// inboxModel drives two inboxes, and the sessions beside them.
type inboxModel struct {
	*fixture
	*dice
	oracle        *memory.Store
	got, want     store.Inbox
	gotID, wantID []string // of the events, in the order of their receipt
	held          []pair   // also some that were settled or erased since
}

func modelInbox(f *fixture) {
	m := &inboxModel{fixture: f, dice: newDice(f), oracle: memory.New(), got: f.inbox()}
	var err error
	if m.want, err = m.oracle.Inbox(); err != nil {
		f.Fatal(err)
	}
	m.users, m.nights = []string{"u1", "u2"}, []string{"s1", "s2", "S1"}
	for range 300 {
		m.step()
	}
	for state := range store.Dead + 1 {
		m.list(store.InboxQuery{State: state, Limit: store.MaxLimit}, -1)
	}
	for at := range m.wantID {
		m.get(at)
	}
	m.both("depth", func(i store.Inbox, _ bool) (any, error) { return i.Depth(f.Context()) })
	f.sameSessions(m.dice, m.oracle)
}

// both takes one step on both inboxes.
func (m *inboxModel) both(what string, do func(i store.Inbox, oracle bool) (any, error)) {
	m.Helper()
	both(m.fixture, what, func() (any, error) { return do(m.want, true) }, func() (any, error) { return do(m.got, false) })
}

func (m *inboxModel) step() {
	m.Helper()
	switch n := m.IntN(40); {
	case n < 15:
		m.receive(some(m.dice, m.event))
	case n < 20:
		m.claimAll()
	case n < 30:
		m.settleSome()
	case n < 32:
		m.extendSome()
	case n < 34:
		m.applyOne()
	case n < 36:
		what, do := m.onSessions()
		bothSessions(m.fixture, m.oracle, what, do)
	case n < 37:
		what, do := m.onErasure()
		bothSessions(m.fixture, m.oracle, what, do)
	case n < 38:
		before := m.instant()
		m.both(fmt.Sprint("sweep before ", before), func(i store.Inbox, _ bool) (any, error) { return i.Sweep(m.Context(), before, 1000) })
	case n < 39:
		m.list(store.InboxQuery{State: pick(m.dice, 0, store.Ready, store.Leased, store.Done, store.Dead), UserID: pick(m.dice, "", "u1", "u2"), Limit: 1 + m.IntN(5)},
			m.IntN(len(m.wantID)+1)-1)
	default:
		m.replayOrPurge()
	}
}

func (m *inboxModel) event() store.Event {
	e := event(fmt.Sprint("k", m.IntN(8)), pick(m.dice, "u1", "u2", ""), pick(m.dice, "s1", "s2", "S1", ""))
	e.Received, e.Body = m.instant(), fmt.Sprint("body ", m.IntN(3))
	return e
}

// receive puts events and remembers by which ids each inbox knows them.
func (m *inboxModel) receive(list []store.Event) {
	m.Helper()
	want, wantErr := m.want.Put(m.Context(), list...)
	got, err := m.got.Put(m.Context(), list...)
	if err != nil || wantErr != nil || len(got) != len(want) {
		m.Fatalf("put %+v: %d receipts, %v; want %d, %v", list, len(got), err, len(want), wantErr)
	}
	for n, w := range want {
		if w.Result == store.Stored || w.Result == store.Revised {
			m.wantID, m.gotID = append(m.wantID, w.ID), append(m.gotID, got[n].ID)
		}
		if w.ID != "" {
			w.ID = m.gotID[slices.Index(m.wantID, w.ID)]
		}
		if got[n] != w {
			m.Fatalf("put %+v: %+v, want %+v", list[n], got[n], w)
		}
	}
}

// claimAll claims everything that is due, so that the order, which depends on
// the millisecond in which each store did what, does not matter.
func (m *inboxModel) claimAll() {
	m.Helper()
	want, wantErr := m.want.Claim(m.Context(), 1000, time.Hour)
	got, err := m.got.Claim(m.Context(), 1000, time.Hour)
	if err != nil || wantErr != nil || len(got) != len(want) {
		m.Fatalf("claimed %d events, %v; want %d, %v", len(got), err, len(want), wantErr)
	}
	for _, w := range want {
		id := m.gotID[slices.Index(m.wantID, w.ID)]
		at := slices.IndexFunc(got, func(g store.Claim) bool { return g.ID == id })
		if at < 0 {
			m.Fatalf("did not claim %+v", w)
		}
		g := got[at]
		if g.Event != w.Event || g.Revision != w.Revision || g.Attempts != w.Attempts || g.Claims != w.Claims || !slices.Equal(g.Steps, w.Steps) {
			m.Fatalf("claimed %+v, want %+v", g, w)
		}
		m.held = append(m.held, pair{g, w})
	}
}

// take draws some of those that are held, and keeps half of them as they are.
func (m *inboxModel) take() (list []pair) {
	if len(m.held) == 0 {
		return nil
	}
	return some(m.dice, func() pair {
		at := m.IntN(len(m.held))
		p := m.held[at]
		if len(m.held) > 1 && m.IntN(2) == 0 {
			m.held = slices.Delete(m.held, at, at+1)
		}
		return p
	})
}

// tokens are those of one inbox.
func tokens(list []pair, oracle bool) (tokens []store.Token) {
	for _, p := range list {
		if oracle {
			tokens = append(tokens, p.want.Token)
		} else {
			tokens = append(tokens, p.got.Token)
		}
	}
	return tokens
}

// settleSome does something random to events, in one commit.
func (m *inboxModel) settleSome() {
	m.Helper()
	list := m.take()
	settlements := make([]store.Settlement, len(list))
	for n := range settlements {
		s := store.Settlement{Action: store.Action(1 + m.IntN(5)), Step: fmt.Sprint("step", m.IntN(3)), Reason: pick(m.dice, "because", "")} //nolint:gosec // 1 to 5
		switch m.IntN(8) {
		case 0:
			s.At = time.Now().Add(time.Hour)
		case 1:
			s.At = t0
		}
		settlements[n] = s
	}
	m.both(fmt.Sprintf("settle %+v", settlements), func(i store.Inbox, oracle bool) (any, error) {
		all := slices.Clone(settlements)
		mine := tokens(list, oracle)
		for n := range all {
			all[n].Token = mine[n]
		}
		lost, err := i.Settle(m.Context(), all...)
		return places(mine, lost), err
	})
}

func (m *inboxModel) extendSome() {
	m.Helper()
	list := m.take()
	m.both("extend", func(i store.Inbox, oracle bool) (any, error) {
		mine := tokens(list, oracle)
		lost, err := i.Extend(m.Context(), time.Hour, mine...)
		return places(mine, lost), err
	})
}

// places tells which of the tokens were lost, whatever they are called. One that was
// given twice may be lost the second time only.
func places(all, lost []store.Token) (at []int) {
	for _, t := range lost {
		at = append(at, slices.Index(all, t))
	}
	return at
}

// applyOne applies news, if the inbox can.
func (m *inboxModel) applyOne() {
	m.Helper()
	got, ok := m.got.(store.Applier)
	want, _ := m.want.(store.Applier)
	if !ok || len(m.held) == 0 {
		return
	}
	p := pick(m.dice, m.held...)
	step := fmt.Sprint("step", m.IntN(3))
	w := store.Write{Sessions: some(m.dice, m.session), Windows: some(m.dice, m.window)}
	apply := func(i store.Applier, t store.Token) func() (any, error) {
		return func() (any, error) {
			out, err := i.Apply(m.Context(), t, step, w)
			if errors.Is(err, store.ErrLeaseLost) {
				return "lease lost", nil
			}
			return out, err
		}
	}
	both(m.fixture, fmt.Sprintf("apply %+v", w), apply(want, p.want.Token), apply(got, p.got.Token))
}

// idOf is what an inbox calls event number at, "" for none.
func (m *inboxModel) idOf(at int, oracle bool) string {
	switch {
	case at < 0:
		return ""
	case oracle:
		return m.wantID[at]
	}
	return m.gotID[at]
}

func (m *inboxModel) replayOrPurge() {
	m.Helper()
	if len(m.wantID) == 0 {
		return
	}
	list, purge := some(m.dice, func() int { return m.IntN(len(m.wantID)) }), m.IntN(3) == 0
	m.both(fmt.Sprint("replay or purge ", list, purge), func(i store.Inbox, oracle bool) (any, error) {
		var ids []string
		for _, at := range list {
			ids = append(ids, m.idOf(at, oracle))
		}
		if purge {
			return i.Purge(m.Context(), ids...)
		}
		return i.Replay(m.Context(), ids...)
	})
}

// list compares a page behind event number after.
func (m *inboxModel) list(q store.InboxQuery, after int) {
	m.Helper()
	m.both(fmt.Sprintf("entries %+v after %d", q, after), func(i store.Inbox, oracle bool) (any, error) {
		q := q
		q.After = m.idOf(after, oracle)
		list, err := i.List(m.Context(), q)
		for n := range list {
			list[n] = m.anonymous(list[n], oracle)
		}
		return list, err
	})
}

func (m *inboxModel) get(at int) {
	m.Helper()
	m.both(fmt.Sprint("entry ", at), func(i store.Inbox, oracle bool) (any, error) {
		e, err := i.Get(m.Context(), m.idOf(at, oracle))
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		return m.anonymous(e, oracle), err
	})
}

// anonymous is an entry without what each store gives itself: its id becomes its
// number, and times become whether there are any.
func (m *inboxModel) anonymous(e store.Entry, oracle bool) store.Entry {
	all := m.gotID
	if oracle {
		all = m.wantID
	}
	e.ID = strconv.Itoa(slices.Index(all, e.ID))
	if !e.Due.IsZero() {
		e.Due = t0
	}
	for n := range e.History {
		e.History[n].At = t0
	}
	if len(e.Steps) == 0 {
		e.Steps = nil
	}
	if len(e.History) == 0 {
		e.History = nil
	}
	return e
}
