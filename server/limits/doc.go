// Package limits says how often a client may ask a server.
//
//	everyone, err := limits.NewMemory(limits.Rate{Requests: 100, Window: time.Minute})
//	d, err := everyone.Allow(ctx, "198.51.100.7")
//	if !d.Allowed { … d.RetryAfter … }
//
// # The model
//
// A [Rate] is what every client may do: so many requests in a window, counted as a
// bucket of tokens or as a window that slides ([Algorithm]). A [Limits] keeps one rate and
// answers each request with a [Decision], which has all that the headers of an answer
// tell. Requests that are refused are not counted: who waits as long as RetryAfter says is
// let in, however often it knocked before.
//
// [Memory] keeps what it has seen in this process. Those of package fleet share it among
// processes over Redis.
//
// A client is whatever the server tells its clients apart by: the address that a
// request came from, the digest of a key.
//
// # How it fails
//
// Memory cannot fail. It remembers [MaxClients] clients at most, some 20 MB of them: those
// that have all their requests again are forgotten first, then those that were seen
// longest ago, who may then ask anew. A Limits that lies elsewhere may fail; who asks it
// decides what then, and package server lets the request in.
package limits
