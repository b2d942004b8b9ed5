// Package fleet is what processes that call one service share over one Redis: a rate
// limit, the news that the service is down, and limits on their own clients. Redis may
// be slow, down, empty or lying: then each process goes on with its part.
//
//	connection, err := fleet.Open(os.Getenv("REDIS_URL"))
//	shared, err := fleet.New(connection, fleet.Options{Secret: apiKey})
//	limit, err := shared.Throttle(fleet.Rate{PerSecond: 100})
//	hint, err := shared.Hint(fleet.HintOptions{})
//	breaker := client.DefaultBreaker()
//	breaker.Hint = hint
//	api, err := client.New(apiKey, client.WithLimiter(limit), client.WithBreaker(breaker))
//
// # The model
//
// A [Fleet] is one Redis and one secret that all processes have, the API key: keys in
// Redis are made of names by HMAC under it. A [Throttle], a [Hint] and the limits of
// [Fleet.Inbound] are parts of a fleet, each with its own breaker towards Redis, and end with it.
//
// A [Throttle] is one token bucket in Redis, on the clock of Redis, that a script
// fills, empties and books ahead in one step. Who asks is told how long to wait and
// sleeps by itself, so that callers of all processes are served in the order in which they
// ask. Callers that ask at the same time share a round trip, and a process that
// asks often takes tokens for the next 20 ms with it; what it does not use goes
// back.
//
// In any time t all processes together send at most PerSecond*t + Burst. What is booked
// keeps that exactly, whatever processes ask for, give back and hear. A token is used
// late by the time on the way, a timer, a scheduler: what is earned in 25 ms, at
// most half of the burst, is kept for that. What is later still is not bounded.
//
// A rate-limit answer to one process quiets all: their next tokens, and those that they
// hold already ([Throttle.Quiet]). With [Rate].Adaptive it cuts the rate that all
// share.
//
// A [Hint] tells the others that a breaker has opened, by a message and by a key that
// ends with the opening. It only ever stops calls. One process whose own network
// is broken would stop the others for as long as their breakers stay open:
// [HintOptions].Quorum asks for more than one.
//
// [Fleet.Inbound] limits what each client may ask of a server, as package server/limits
// has it: a bucket, or a window that holds no more than the limit wherever it begins.
//
// # The share
//
// Every process shows once a second that it lives. While Redis is away, it paces by
// the rate divided by the processes that it last knew of. When Redis is back, the
// bucket begins with nothing saved up, and for two seconds each process keeps to its
// share as well, until all are back.
//
// # How it fails
//
// Nothing here fails a call, and no call waits for Redis for more than 20 ms
// ([Options].Budget). Three failures in a row declare it away: it is not asked any more,
// at no cost, and a probe looks for it four times a second.
//
//	Redis slow, stalled   three calls wait for the budget, then as down
//	Redis down, full,     throttle: by the share; if Redis was never seen, [Rate].Members says what
//	read-only             that is, else Reserve returns [ErrAway]. hint: none. inbound: each process
//	                      limits by itself
//	seen by some only     they take their share while the others take all: PerSecond is
//	                      outdone by that share, until an answer of the upstream says so
//	flushed, evicted,     the bucket begins empty, behind what was booked in the old one as far as
//	restarted empty       the first process to come knows: others' last bookings may overlap with it.
//	                      inbound: every client begins anew
//	foreign, corrupt      the state carries a checksum over its key: a foreign one counts as none, and
//	                      is replaced. An answer that the scripts do not give is a failure, and with a client of Open's
//	                      so is one that announces more than a Redis sends
//	scripts flushed       sent again, in the same budget
//	its clock jumps       each process tells how much time has passed, one that comes new by its own
//	                      wall clock: no burst, no halt. A second jump while a process was away
//	                      cannot be told from time: what is booked may then be forgotten. Inbound
//	                      windows are emptied by a jump back, and end early by one forward
//	message lost          hints and quiet are found within a second by asking
//	process killed        its bookings are lost, its share comes back after three seconds
//	process stopped       what it reserved is late; clients drop tokens after 250 ms
//
// All values in Redis end by themselves, after an hour at most, inbound ones with their
// window. go-redis reports failed connections to its own logger; redis.SetLogger is for
// the program.
package fleet
