// Package webhook receives webhooks of the Asleep service and loses none.
//
// # The way in
//
// A [Receiver] is an http.Handler. It lets a [Verifier] tell whether a delivery is
// authentic, decodes as much as tells events apart ([Decode]), puts it into a
// [store.Inbox], and answers 200 only when that is durable.
package webhook
