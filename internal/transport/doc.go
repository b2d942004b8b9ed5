// Package transport is the safe call pipeline below the typed client: it takes
// one HTTP request and returns one complete answer, or a typed reason why there
// is none.
//
// # Model
//
// A call is what the client asks for; an attempt is one request on the wire. A
// call owns its attempts and the waits between them:
//
//	Doer.Do              one call; [Hooks] frame it
//	  Outer…             policies around each call
//	    retry            retry rules, waits on the call's own context, [Budget]
//	      pre-check      an open [Breaker] costs neither slot nor token; patient calls wait
//	        [Bulkhead]   a slot
//	          [Throttle] a token, last, as it has to be used at once; or [Shared]
//	            breaker  counts the attempt
//	              Inner… policies around each attempt that is sent
//	                attempt  key, user agent, request id, one timeout, whole body, verdict
//	                  Base   the pool of connections ([NewPool])
//
// Every attempt ends in an [Outcome]: what the answer means, not merely its
// status. A [Policy] between retry and attempt sees exactly one attempt and asks
// [OutcomeOf] for that verdict. What happened to the call as a whole is
// written to its [Call], which travels in the request's context.
//
// The body is read inside the attempt, under a limit and under the attempt's
// timeout. So one timeout covers headers and body, a truncated body is a failed
// attempt that can be repeated, and whoever holds the response holds all of
// it: nothing to drain, nothing to leak.
//
// # Retry rules
//
//   - A rate-limit answer (429, or 403 whose detail says "rate limit") is waited
//     out for any method, as long as the caller's deadline allows, and is not
//     one of the counted attempts.
//   - A transient failure (408, most of 5xx, transport errors, truncated
//     bodies, attempt timeouts) is repeated for idempotent calls and deletes.
//   - A create is repeated only when there is proof that nothing was sent. A
//     create that may have been processed is flagged ([Call].MaybeCreated,
//     [ErrMaybeCreated]) and never sent again.
//   - A delete that failed ambiguously and then meets 404 had worked: it ends
//     as 204 with [Call].AlreadyGone set.
//   - Everything else is final.
//
// Waits are jittered and grow; a Retry-After (seconds or date, on any failed
// answer that is repeated) is never undercut. An error's status stands on its own
// even if its body is over-long or breaks off: what was read is kept and
// [Outcome].Cut is set. Only a 403 needs its text, so a broken one is a failed
// attempt.
//
// # Refusals
//
// What is taken for an attempt (slot, token, the place of a probe) is given back
// whatever happens to it: an answer, a cancelled context, a panic, runtime.Goexit. A
// refusal is typed, comes before anything is sent, ends the call, and keeps what
// the upstream said last in [Result].Answer:
//
//	ErrCircuitOpen      the upstream is considered down ([CircuitOpenError].Until)
//	ErrBulkheadFull     too many wait for a slot
//	ErrThrottled        the token lies past the deadline
//	ErrBudgetExhausted  too many retries fail: what the upstream said is returned, not repeated
//
// The breaker counts 408, most of 5xx, lost connections, truncated bodies and
// attempt timeouts as failures, any other answer as success, and what the caller
// cancelled not at all. The budget pays for retries and gets its token back from
// those that succeed; rate-limit answers cost nothing.
//
// A 304 passes as it came (ClassOK): whoever asked for it holds the body, and the client
// takes one that nobody asked for as an error.
//
// # Beside the call
//
// What processes share comes in by shape: a [Limiter] takes the place of the throttle's
// pace, with the throttle as this process's share while it fails ([Shared]); an
// [OpenHint] tells a breaker that others have opened theirs. Neither can fail a call,
// nor let one through.
//
// A [Hedge], off by default, makes a slow read a second time between breaker and
// attempt. The second request runs on a goroutine of its own, which the call waits
// for: it has its own slot, token and place in the breaker's count, and is paid from
// the budget.
//
// # How it fails
//
// Upstream slow: [ErrAttemptTimeout] after the attempt's timeout, distinct from
// the caller's own deadline. Upstream down: the last attempt's error or answer.
// Upstream asks for a wait that is over the cap or past the caller's deadline: the
// real answer returns at once, with RetryAfter set; the pipeline never sleeps up
// to a deadline to return less than it had. Upstream lies (redirects, absurd
// Retry-After, endless bodies, short bodies): redirects are returned, never
// followed; waits are bounded; [ErrBodyTooLarge]; [ErrTruncated].
//
// The API key is added to a private copy of the request inside the attempt, for
// the configured scheme and host only, and appears in no error, dump or
// response.
package transport
