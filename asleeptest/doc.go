// Package asleeptest is a fake of the Asleep service to test against: stateful,
// strict about what it is asked, and able to misbehave in every way in which
// the service and the network before it are known to.
//
// # The model
//
// A [Server] holds users, and users have sessions. Config.Users and
// Config.SessionsPerUser make a population out of numbers: user-0001 and the
// next ones, each with a zone, a plan and a night for every day. Nothing of it
// is stored; everything follows from Config.Seed when it is asked for, so a
// million users cost nothing. What a test changes, through the service or
// through [Server.AddUser], [Server.AddSession], [Server.DeleteSession] and
// their like, is kept beside it.
//
// Nights are made up and consistent: the arrays come first, and every duration,
// ratio, count and cycle is measured from them. [Server.Users],
// [Server.Sessions] and [Server.Report] read the truth back.
//
// A session goes from OPEN over CLOSED to COMPLETE: by [Server.Advance], or by
// the clock if Session.Live is set. Time is that of package time, so a synctest
// bubble drives it.
//
// # Three ways to reach it
//
//   - [Server.Transport] answers in process, for an http.Client and for
//     synctest bubbles: no sockets, no goroutines.
//   - [NewServer] serves on a loopback socket until the test ends. So does
//     [Server.Start] outside of tests.
//   - The Server is an http.Handler; [Server.HTTPServer] wraps it for a
//     listener of the caller's.
//
// # Strictness
//
// A request outside the contract, with a header or parameter that does not
// belong, a body where none is expected, an unknown path, is answered with a
// 4xx whose detail says what is wrong, and is listed by [Server.Violations].
// NewServer fails the test for each. What the contract has an answer for, such
// as an unknown session or a bad timezone, is answered that way and is no
// violation.
//
// # Faults
//
// [Server.Inject] sets a [Fault] to work on the requests it names: by
// operation, path, user or session; so many times, with a probability, or for
// a while. Functions such as [RateLimited], [QuotaExceeded] and [BadGateway]
// make the usual ones, and [Kind] makes any by its name. [Server.Flaky] mixes
// them, [Server.StartOutage] takes the service down, and [Server.SetRateLimit]
// is a real limit that the client is not told of.
//
// A request is met in this order: outage, faults, rate limit, API key, form of
// the request, operation. A fault with a Status answers alone; others let the
// operation be carried out and damage the answer, as a lost answer does.
//
// # ETags
//
// [Config].ETags or [Server.SetETags] put an ETag, made of the body, on what a GET
// reads, and answer 304 to an If-None-Match that names it.
//
// # What it saw
//
// [Server.Requests] is a bounded log with timings and connections,
// [Server.Stats] has counters for all requests, and [Server.Count] those of one
// operation. The API key is in none of them.
//
// # Administration
//
// Under /_fake/ a running server takes orders from clients on the same machine.
// Bodies are JSON with Content-Type: application/json.
//
//	GET    /_fake/faults          the faults at work, with ids and how often they met
//	POST   /_fake/faults          {"kind":"502","op":"getSession","times":3} and so on: 201 {"id":1}
//	DELETE /_fake/faults          takes all away; an outage ends too
//	DELETE /_fake/faults/{id}     takes one away
//	GET    /_fake/kinds           the names that "kind" takes
//	POST   /_fake/flaky           {"share":0.05}, and "kinds" to draw from
//	PUT    /_fake/outage          everything is answered 503, or with the fault in the body
//	DELETE /_fake/outage          ends that
//	PUT    /_fake/ratelimit       {"rate":100,"burst":100,"status":429,"retry_after":"seconds"}; "window":"1s" for a fixed one
//	DELETE /_fake/ratelimit       lifts it
//	GET    /_fake/stats           the counters
//	GET    /_fake/requests        the log; ?limit=20 for the newest
//	GET    /_fake/violations      what was wrong with requests
//	POST   /_fake/reset           empties log, counters and violations
//
// A fault has the members of [Fault] in snake case; durations are texts such as
// "250ms". These requests are neither logged nor counted.
//
// # How it fails
//
// Orders that make no sense (a probability of 7, an unknown operation) change
// nothing; methods without an error report them among the violations, so that a
// test cannot overlook them. Where the service's behaviour is not documented
// the fake chooses: a user id may hold letters, digits and _-.@:+, the sessions
// of an unknown user are an empty list, and the score of a night is its own.
package asleeptest
