// Package limits says how often a client may ask a server.
//
//	everyone, err := limits.NewMemory(limits.Rate{Requests: 100, Window: time.Minute})
//	d, err := everyone.Allow(ctx, "198.51.100.7")
//	if !d.Allowed { … d.RetryAfter … }
//
// # The model
//
// A [Rate] is a bucket of tokens for every client: it holds Requests, a request
// takes one, and one comes back every Window/Requests. A [Limits] keeps the buckets of
// one rate and answers each request with a [Decision], which has all that the
// headers of an answer tell. [Memory] keeps them in this process; other
// implementations may share them between processes.
//
// A client is whatever the server tells its clients apart by: the address that a
// request came from, the digest of a key.
//
// # How it fails
//
// Memory cannot fail. It keeps 65,536 clients at most: full buckets are forgotten,
// as a new one is full too, and where room is still wanted a client at
// random is, who may then ask anew. A Limits that lies elsewhere may fail; who asks it
// decides what then, and package server lets the request in.
package limits
