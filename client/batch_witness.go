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
	user          string // who was listed, or is done according to the token
	owner, report string // a session that was read, and whose it is
}

func (w *witness) done(user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.user = user
}

func (w *witness) read(owner, session string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owner, w.report = owner, session
}

func (w *witness) ask() (user, owner, report string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.user, w.owner, w.report
}

// control repeats a call that worked before, in the slot of b. It reports false
// if that fails too: the service is out, and there is no use in b. Without such
// a call it knows nothing.
func (b *batchCall) control(ctx context.Context) bool {
	user, owner, report := b.run.witness.ask()
	if b.op == batchReport && report == "" && checkID(user) == "" {
		owner, report = user, b.anySession(ctx, user)
	}
	route, query := "/data/v1/sessions", url.Values{"limit": {"1"}}
	if b.op == batchReport {
		user, query, route = owner, nil, "/data/v3/sessions/"+url.PathEscape(report)
	}
	if checkID(user) != "" || b.op == batchReport && checkID(report) != "" {
		return true
	}
	err := b.round(ctx, func(ctx context.Context) error {
		answer, err := b.run.client.Do(ctx, Request{Method: http.MethodGet, Path: route, Query: query, UserID: user}, b.run.opts...)
		if err != nil {
			return err
		}
		return answer.Result(&struct{}{})
	})
	again, _ := b.judge(ctx, err)
	return !again
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
