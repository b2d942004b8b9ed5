package asleeptest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// exchange is one request and its answer. It knows nothing of how requests
// arrive and answers leave: ServeHTTP and Transport do that.
type exchange struct {
	server   *Server
	request  Request
	fault    *Fault // what decides about the answer; nil: none
	names    []string
	accepted bool
	answer   *answer
}

// exchange answers a request. The error is the context's if the client went
// away, or errReset if the connection is to break in place of an answer. The
// exchange is there in any case, for its end.
func (s *Server) exchange(r *http.Request, conn uint64) (*exchange, error) {
	now := time.Now()
	s.journal.begin()
	op, value, known := match(r.Method, r.URL)
	x := &exchange{server: s, request: newRequest(r, op, value, conn, now), answer: newAnswer()}
	body, err := readBody(r.Body)
	if ctxErr := r.Context().Err(); err != nil && ctxErr != nil {
		return x, ctxErr
	}
	problems := check(op, known, r, body, err)
	x.report(problems)
	err = x.run(r.Context(), func() {
		switch {
		case !s.authorized(r):
			writeDetail(x.answer, http.StatusUnauthorized, detailUnauthorized)
		case !x.refused(problems):
			s.dispatch(x.answer, r, op, value, body)
			s.tag(x.answer, r)
			x.accepted = x.fault == nil
			if x.answer.status == http.StatusUnprocessableEntity {
				x.report([]problem{{x.answer.status, "a value is not valid: " + string(x.answer.body)}})
			}
		}
	})
	return x, err
}

func newRequest(r *http.Request, op *operation, value string, conn uint64, now time.Time) Request {
	out := Request{Time: now, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Conn: conn}
	if op == nil {
		return out
	}
	out.Op, out.Route = op.name, op.route
	switch op.param {
	case "user_id":
		out.User = value
	case "session_id":
		out.Session = value
	}
	if op.user {
		out.User = r.Header.Get("x-user-id")
	}
	return out
}

// report lists the problems of the request among the violations.
func (x *exchange) report(problems []problem) {
	for _, p := range problems {
		x.server.journal.violated(Violation{
			Time: x.request.Time, Method: x.request.Method, Path: x.request.Path, Op: x.request.Op, Status: p.status, Problem: p.text,
		})
	}
}

// refused answers a request that has a problem. A problem without a status is
// one that the service itself does not mind.
func (x *exchange) refused(problems []problem) bool {
	for _, p := range problems {
		if p.status != 0 {
			writeDetail(x.answer, p.status, p.text)
			return true
		}
	}
	return false
}

// run lets faults, the rate limit and the operation at the request, in this
// order. The error is the context's, or that of a connection that breaks.
func (x *exchange) run(ctx context.Context, operation func()) error {
	s, now := x.server, time.Now()
	var latency time.Duration
	x.fault, x.names, latency = s.faults.pick(&x.request, now)
	x.request.Fault = strings.Join(x.names, "+")
	if err := sleep(ctx, latency); err != nil {
		return err
	}
	if x.fault == nil {
		x.limited(operation)
		return nil
	}
	f := x.fault
	switch {
	case f.Hang:
		<-ctx.Done()
		return ctx.Err()
	case f.Reset == ResetBefore:
		return errReset
	case f.Status != 0:
		f.write(x.answer)
	default:
		x.limited(operation)
	}
	if f.Reset == ResetAfter {
		return errReset
	}
	if f.Status == 0 && f.Body != "" {
		x.answer.body = []byte(f.Body)
	}
	f.mark(x.answer, time.Now())
	return nil
}

// limited carries the operation out unless the rate limit refuses it.
func (x *exchange) limited(operation func()) {
	now := time.Now()
	limit, wait, ok := x.server.limiter.take(now)
	if !ok {
		x.request.Limited = true
		limit.refuse(x.answer, now, wait)
		return
	}
	operation()
}

// end logs the exchange. It is called once: when the answer is about to be
// complete, or has been given up.
func (x *exchange) end(sent bool) {
	x.request.Duration = time.Since(x.request.Time)
	if sent {
		x.request.Status = x.answer.status
	}
	x.server.journal.end(&x.request, x.names, x.accepted)
}

// dispatch carries out an operation by way of the generated binding of its
// parameters.
func (s *Server) dispatch(a *answer, r *http.Request, op *operation, value string, body []byte) {
	r = r.WithContext(r.Context()) // a copy, for the caller's must not change
	r.Body = io.NopCloser(bytes.NewReader(body))
	if op.param != "" {
		r.SetPathValue(op.param, value)
	}
	switch op.name {
	case CreateUser:
		s.binding.CreateUser(a, r)
	case GetUser:
		s.binding.GetUser(a, r)
	case DeleteUser:
		s.binding.DeleteUser(a, r)
	case GetSession:
		s.binding.GetSession(a, r)
	case ListSessions:
		s.binding.ListSessions(a, r)
	case DeleteSession:
		s.binding.DeleteSession(a, r)
	case DeleteAllSessions:
		s.binding.DeleteAllSessions(a, r)
	case GetAverageStats:
		s.binding.GetAverageStats(a, r)
	default:
		writeDetail(a, http.StatusNotImplemented, fmt.Sprintf("operation %s is not implemented", op.name))
	}
}

// sleep waits for d, or until the context is done.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
