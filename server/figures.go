package server

import (
	"cmp"
	"net/http"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/observe/prom"
	"github.com/asleep-sdk/asleep/server/limits"
	"github.com/asleep-sdk/asleep/webhook"
)

// figures are what /metrics shows. Nil counts nothing.
type figures struct {
	page       *prom.Page
	calls      *prom.Calls
	requests   *prom.Requests
	deliveries *prom.Deliveries
	work       *prom.Work
}

func newFigures() (*figures, error) {
	f := &figures{
		page: prom.NewPage(), calls: prom.NewCalls(), requests: prom.NewRequests(),
		deliveries: prom.NewDeliveries(), work: prom.NewWork(),
	}
	return f, f.page.Register(f.calls, f.requests, f.deliveries, f.work)
}

// read adds the snapshots of a service that is complete.
func (f *figures) read(s *Service) error {
	if f == nil {
		return nil
	}
	if err := f.page.Register(prom.NewPolicies(s.stats)); err != nil || s.inbox == nil {
		return err
	}
	return f.page.Register(prom.NewReceiver(s.receiver.Stats), prom.NewProcessor(s.worker.processor.Stats), prom.NewInbox(s.inbox.Depth))
}

// The hooks and observers below are none where nothing is counted.

func (f *figures) hooks() client.Hooks {
	if f == nil {
		return client.Hooks{}
	}
	return f.calls.Hooks()
}

func (f *figures) delivery(d webhook.Delivery) {
	if f != nil {
		f.deliveries.Observe(d)
	}
}

func (f *figures) worked(o webhook.Observation) {
	if f != nil {
		f.work.Observe(o)
	}
}

func (f *figures) decided(limit string, d limits.Decision, err error) {
	if f == nil {
		return
	}
	decision, scope := "refused", "shared"
	if d.Allowed {
		decision = "allowed"
	}
	if d.Local {
		scope = "process"
	}
	if err != nil {
		decision, scope = "failed", "none"
	}
	f.requests.Decided(limit, decision, scope)
}

// measure counts exchanges by method and the template of their route: of those that clients
// make up there is one each.
func (s *Service) measure(next http.Handler) http.Handler {
	f := s.figures
	if f == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r)
		end := f.requests.Begin(printable(r.Method), cmp.Or(x.route, "unmatched"))
		defer func() { end(x.status) }()
		next.ServeHTTP(w, r)
	})
}
