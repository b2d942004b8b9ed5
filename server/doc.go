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
// POST /asleep-webhook and /webhook, /live, /ready. [Service.AdminHandler] is for
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
//	access log   one line an exchange: method, route as a template, status, duration
//	figures      http_requests_total and its kin, by route template
//	panics       become a 500, or break off an answer that had begun
//	headers      nosniff, an empty content policy, no-store, no-referrer
//	size         no body is read beyond the limit
//
// Around the operators' handler stands a guard as well: on a loopback address it
// answers to the name localhost only, so that no web page can reach it by a name of
// its own (DNS rebinding), and it refuses changes that another site asks for.
// Errors of all handlers have one form, [webhook.Problem].
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
// here: not before the service has started, and not from the first moment of
// its end. /health names parts and how they are, and nothing of their insides.
// A part is asked when somebody wants to know and its last answer is old, within
// a second, and never twice at once, so that asking for the health in a loop loads
// nothing.
//
// # How it fails
//
//	database away, full, locked    deliveries are answered 503 with Retry-After and come again;
//	                               /health is unhealthy; workers wait
//	API away                       events that have to be confirmed wait, burning no attempt;
//	                               degraded
//	Redis away                     degraded; calls are answered by the service itself
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
