// Package client is the SDK for the Asleep sleep-tracking API: every operation
// as a method that is safe to call against a slow, failing or lying upstream.
//
//	c, err := client.New(os.Getenv("ASLEEP_API_KEY"))
//	report, err := c.Session(ctx, userID, sessionID, client.InTimezone("Asia/Seoul"))
//
// # The model
//
// A [Client] belongs to one API key. A method is a call: it checks its arguments,
// sends one request or several through a pipeline, and returns values of package
// asleep or an [*Error]. A call is made of attempts:
//
//	call       arguments checked, all problems at once, nothing sent if there is one
//	           overall deadline
//	retry      what may be repeated, how often, after which wait, out of which budget
//	guard      breaker, then a slot of the bulkhead, then a token of the throttle
//	attempt    key added, one timeout from dial to last byte, the whole body under a limit
//	decode     status, then envelope, then result; Raw keeps the JSON as it came
//
// Ids are opaque strings. Those that would change the URL are refused ("", ".",
// "..", control characters, spaces around), all others travel escaped. Dates are
// days of the calendar, judged by the service in the call's timezone.
//
// Lists are sequences ([Client.Sessions]): pages are fetched as the loop asks, a
// second range starts over, the first error ends it. Long periods are split
// ([Client.AverageStats]). The sessions of many users are a batch
// ([Client.FetchSessions]): patient, resumable, in constant memory. What has no
// method goes through [Client.Do].
//
// With a cache ([WithCache]) a report, a list page or averages are asked for once:
//
//	near, err := memory.New(memory.Options{})
//	kept, err := cache.New(near)
//	c, err := client.New(key, client.WithCache(kept))
//
// What is kept, and how long, is said there; [SkipCache] and [CacheOnly] change one
// call. Calls that want the same thing in the same manner share one load, on a
// goroutine of its own: hooks and middleware of a request run on that, with the
// values of the context of the call that began it. A batch asks for lists anew and
// takes complete reports from the cache ([Batch].Cached). Deletions clear the cache;
// [Client.InvalidateUser] is for the receiver of webhooks.
//
// A Client is safe for concurrent use. Values returned belong to the caller and
// are shared with nobody; the string Raw in them is a part of the answer's body
// and keeps that in memory.
//
// # Defaults
//
//	attempts          4, the first included                      WithRetry, Attempts
//	waits             50 ms doubling to 10 s, full jitter        WithRetry
//	Retry-After       waited out up to 60 s                      WithRetry
//	rate limits       waited out within the deadline, not counted as attempts; all others
//	                  are quiet too; if for less than 2 s, one may look in earlier  WithThrottle
//	retry budget      100 tokens, +0.1 a success, +1 a second     WithBudget
//	throttle          10 per second, bursts of 10, adaptive      WithThrottle
//	bulkhead          16 in flight, 2 of them kept from batches  WithBulkhead
//	limiter           none shared with other processes           WithLimiter
//	hedging           off                                        WithHedging
//	revalidation      off: no ETag is sent back                  WithRevalidation, Request.Held
//	breaker           5 failures in a row, 10 if busy, for 60 s  WithBreaker, Patient
//	attempt timeout   10 s, 5 s to delete                        WithTimeouts, AttemptTimeout
//	overall timeout   120 s, or the context's end if earlier     WithTimeouts, Timeout
//	body              8 MiB after decompression                  WithMaxBody
//	connections       HTTP/2, 20 idle a host, no limit           WithPool, WithHTTPClient
//	proxy             HTTPS_PROXY and NO_PROXY                   WithHTTPClient
//	cache             none                                       WithCache, SkipCache, CacheOnly
//	timezone          none sent: the service uses UTC            WithTimezone, InTimezone
//	page size         100                                        Query
//
// The zero value of an option's struct turns the thing off. [NewFromEnv] reads
// the key and a few of these from the environment.
//
// # What processes share
//
// A [Limiter] paces the attempts of several processes, an [OpenHint] ([Breaker].Hint)
// tells them of an outage that one has seen. Both are advice from outside: while the
// limiter fails or is slow, the throttle paces in its place, and a hint opens the
// breaker for no longer than it would open by itself.
//
// # Retries
//
// Reads and deletions are repeated after 408, most of 5xx, lost connections,
// truncated bodies and attempt timeouts. A create is repeated only with proof that
// nothing was sent, or after a rate limit, as the service then did nothing;
// otherwise it ends with [ErrMaybeCreated], since a repetition could make a second
// user. A deletion that is repeated after a lost answer and then meets 404 had
// worked. A body that came whole and cannot be decoded is not asked for again.
//
// # How it fails
//
// Every error of a call is an [*Error]; averages over several windows wrap it in a
// [*WindowError]. Ask errors.Is for what it comes to and [Retryable] whether to
// come back.
//
//	upstream slow    ErrAttemptTimeout after the last attempt's timeout, ErrOverallTimeout after
//	                 the call's; both match ErrTimeout, the caller's own deadline does not
//	upstream down    ErrUnavailable, with the last answer or the last network error
//	                 ErrCircuitOpen at once when it has been down for a while
//	our own limits   ErrThrottled, ErrBulkheadFull, ErrBudgetExhausted: with LayerLocal nothing
//	                 was sent
//	rate limit       waited out. ErrRateLimited at once, with RetryAfter, if the wait asked for is
//	                 over the cap or past the deadline. The service says it with 403 or 429
//	quota, plan      ErrQuotaExceeded, ErrPlanExpired: also 403, never repeated
//	key refused      ErrUnauthorized, ErrForbidden
//	user id refused  ErrUserIDInvalid: a 401 as well, which says nothing about the key
//	not there        ErrNotFound: not yet, or no longer; LayerCache if that was known for seconds
//	not kept         ErrNotCached, with CacheOnly alone. A cache in trouble fails no call
//	wrong request    ErrInvalid, with LayerRequest if nothing was sent
//	upstream lies    ErrDecode: 200 without a result, with null, HTML or half a body; a list that
//	                 repeats itself for ever. ErrBodyTooLarge. ErrRedirected: redirects are not
//	                 followed, so that the key never reaches another host
//
// Errors hold neither the API key nor a user id (a hash stands for it), and quote
// nothing of a successful answer, which is health data. [RawResponse] hands out
// everything to who asks for it. A Client prints as the host it calls.
package client
