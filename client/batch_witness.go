package client

import (
	"context"
	"net/http"
	"net/url"
	"sync"
)

// witness remembers calls that worked, to tell a service that is out from a user
// who is in trouble: when nobody else is asked for, repeating one of them decides.
type witness struct {
	mu            sync.Mutex
	before        string // a user done in an earlier run
	listed        string // a user listed in this one
	owner, report string // a session read in this one, and whose it is
}

func (w *witness) done(user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = user
}

func (w *witness) list(user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listed = user
}

func (w *witness) read(owner, report string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owner, w.report = owner, report
}

// control repeats a call that worked before, in the slot of b. It reports false
// if that fails too: the service is out, and there is no use in b. Without such
// a call it knows nothing.
func (b *batchCall) control(ctx context.Context) bool {
	r, ok := b.witnessed(ctx)
	if !ok {
		return true
	}
	err := b.round(ctx, func(ctx context.Context) error {
		answer, err := b.run.client.Do(ctx, r, b.run.opts...) // nothing that is kept on this side can answer it
		if err != nil {
			return err
		}
		return answer.Result(&struct{}{})
	})
	again, _ := b.judge(ctx, err)
	b.cleared = !again
	return b.cleared
}

// witnessed returns a call of the kind of b that is known to have worked.
func (b *batchCall) witnessed(ctx context.Context) (Request, bool) {
	w := &b.run.witness
	w.mu.Lock()
	before, listed, owner, report := w.before, w.listed, w.owner, w.report
	w.mu.Unlock()
	if b.op == batchList {
		if listed == "" {
			listed = before
		}
		return Request{
			Method: http.MethodGet, Path: opListSessions.route, Query: url.Values{"limit": {"1"}}, UserID: listed,
		}, checkID(listed) == ""
	}
	if report == "" && checkID(before) == "" {
		owner, report = before, b.anySession(ctx, before)
	}
	return Request{
		Method: http.MethodGet, Path: "/data/v3/sessions/" + url.PathEscape(report), UserID: owner,
	}, checkID(report) == ""
}

// anySession returns the id of a session of a user, "" if there is none to be
// had.
func (b *batchCall) anySession(ctx context.Context, user string) string {
	var page *SessionPage
	err := b.round(ctx, func(ctx context.Context) (err error) {
		page, err = b.run.client.ListSessions(ctx, user, PageQuery{PageSize: 1}, b.run.opts...)
		return err
	})
	if err != nil || len(page.Sessions) == 0 {
		return ""
	}
	return page.Sessions[0].SessionID
}
