// Package server is the service around the receiver of package webhook: what
// `asleep serve` runs, and what a program of yours can mount in a server of its own.
//
//	cfg, err := server.FromEnv()                    // every problem at once
//	db, err := store.Open(ctx, cfg.DatabaseURL.Reveal(), cfg.StoreOptions(), sqlite.Backend())
//	s, err := server.New(cfg, db, server.WithLogger(log))
//	err = s.Run(ctx, nil)                           // until ctx ends
//
// # The model
//
// A [Service] has two handlers. [Service.Handler] is for the outside: deliveries at
// POST /asleep-webhook and /webhook, readers at /api/, /live, /ready. [Service.AdminHandler] is for
// operators and their machines: /health, /metrics, /circuit-breaker/status and the
// inbox; it stays on an address that the outside cannot reach. Behind them an
// event goes
//
//	delivery → receiver → inbox (acknowledged) → confirm → store → invalidate → notify
//
// of which [Service.Start] begins to work what stands behind the inbox, and
// [Service.Stop] ends it. [Service.Run] does both around two listeners.
//
// # Layers
//
// Around every handler stand the same layers, from the outside in:
//
//	request id   taken from X-Request-ID if it is a plain word, else made; sent back, and
//	             on with calls to the service
//	route        which template the path fits, for the layers behind
//	access log   one line an exchange: method, route as a template, status, duration
//	figures      http_requests_total and its kin, by method and route template
//	panics       become a 500, or break off an answer that had begun
//	headers      nosniff, an empty content policy, no-store, no-referrer
//	framing      refuses what only proxies are asked for; chunked bodies are the last of
//	             their connection
//
// and around the handler for the outside, next to them:
//
//	process time X-Process-Time, in seconds
//	origins      CORS for /api/, by the list of origins; answers preflights
//	limits       how often a client may ask, and bring wrong credentials: 429
//	compression  gzip for /api/
//
// and innermost again:
//
//	size         no body is read beyond the limit
//
// Around the operators' handler stands a guard as well: on a loopback address it
// answers to the name localhost only, so that no web page can reach it by a name of
// its own (DNS rebinding), and it refuses changes that another site asks for.
// Errors of all handlers have one form, [webhook.Problem].
//
// # Reading
//
// The read API answers from the store if it has what is asked for, else through the
// cache from the service; X-Source says which. Statistics and lists are of the
// store as soon as it has any session that fits. A store that was filled from some day
// on has nothing of the nights before: lists go on with those of the service behind its last
// page, and figures say partial: true unless the store has an older session than they are
// about. source=upstream passes it by. Lists also have the nights that
// only windows are known of. A night that is not final says
// complete: false. Who may read, [Reading].Keys or a [TokenVerifier] tell; to an
// [Access] to some users, others do not exist. Every answer is made within its time, also
// where what makes it does not heed its context, or is a 504. [Document] has the whole
// in OpenAPI.
//
// Answers have strong ETags. Complete nights may be kept by the reader for a day, lists for
// half a minute, failures never. Compression is safe here: a browser adds no
// credential of its own to a request, an attacker's page can thus not have its
// guesses answered beside secrets (BREACH), and the lengths are blurred besides.
//
// [WithLimits] puts limits where processes share them. A client is the address that the
// connection came from, or that [Config].TrustedProxies forwarded for.
//
// # Configuration
//
// [Config] is a plain struct. [FromEnv] reads it from the variables that
// .env.example lists, and reports everything that is wrong at once. Any secret NAME
// may lie in a file that NAME_FILE names. Without a secret for signatures, and
// without WEBHOOK_AUTH=key, a receiver could not tell a delivery from a forgery:
// that is refused. [Service.Reload] takes over new secrets without refusing a
// request.
//
// # Health
//
// /live says that the process answers. /ready says that events should be sent
// here: not before the service has started, not from the first moment of its end, and
// not while a part that it cannot do without is unhealthy, which it names then. A
// balancer that has nowhere else to send goes by /live: reads that need no database are
// still answered, and deliveries told when to come again. /health names parts and how
// they are, and nothing of their insides.
// A part is asked when somebody wants to know and its last answer is old, within
// a second, and never twice at once, so that asking for the health in a loop loads
// nothing.
//
// # How it fails
//
//	database away, full, locked    deliveries are answered 503 with Retry-After and come again;
//	                               /health and /ready say so; workers wait
//	                               reads are of the cache or the service where these have what is
//	                               asked for, which X-Source says, else 503
//	database that hangs            the first five calls of a kind wait, for three seconds at most;
//	                               from then on callers are answered at once, and one a second finds
//	                               out whether it is back (package store/guarded); reads and writes
//	                               are judged apart, and workers ask the store itself
//	API away, slow, lying          events that have to be confirmed wait, burning no attempt;
//	                               reads are of the store, else 502, 503 or 504; degraded, but of
//	                               one that answers nonsense only who asks can tell
//	limits away                    requests are let in
//	reads that never end           504, and while 512 of them wait for the API 503 after a second;
//	                               what is stored is read all the same, deliveries go on
//	Redis away                     degraded; calls are answered by the service itself, each process
//	                               limits its clients by itself
//	notify address away            notifications are tried again for almost three days
//	more events than can be worked 503 from Backlog on; nothing that was acknowledged is dropped
//	killed                         what was acknowledged is on the disk and is worked after the
//	                               next start; a notification may then come twice, with the same id
//	stopped                        running work is finished within ShutdownTimeout, the rest handed
//	                               back without burning an attempt
//
// Neither keys, secrets, bodies nor the ids of users are in any line of the log;
// [Config].LogUserIDs asks for the ids. All methods may be called from any
// number of goroutines, Start, Stop and Run once each.
package server
