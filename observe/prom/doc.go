// Package prom shows to Prometheus what this module counts.
//
//	page := prom.NewPage()
//	calls := prom.NewCalls()
//	c, err := client.New(key, client.WithHooks(calls.Hooks()))
//	err = page.Register(calls, prom.NewPolicies(c.Stats))
//	http.Handle("/metrics", page)
//
// # The model
//
// Everything here is a [prometheus.Collector]. Some collect what they are told:
// [Calls] by the hooks of a client, [Deliveries] and [Work] by the observers of
// package webhook, [Requests] by whoever serves HTTP. The others read a snapshot
// when Prometheus asks: [NewPolicies], [NewReceiver], [NewProcessor], [NewInbox].
// Register them with a registry of your own, or with a [Page], which is one with
// its http.Handler. The global registry is never touched.
//
// # Names and labels
//
// All names but those of [Requests] begin with asleep_. Labels have few values:
// operations, classes of outcomes, kinds of events, states, routes as templates.
// No user id, session id, key or address is a label, and none ever will be.
//
// # How it fails
//
// A snapshot that cannot be had leaves its figures out of the page, and
// asleep_inbox_up says 0; the rest of the page is served. Observers never block:
// they add to counters. All methods may be called from any number of goroutines.
package prom
