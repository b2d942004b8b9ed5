// Package webhook receives webhooks of the Asleep service and loses none.
//
//	v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: secrets, Keys: keys})
//	r, err := webhook.NewReceiver(inbox, v)
//	http.Handle("POST /asleep-webhook", r)
//
// # The way in
//
// A [Receiver] is an http.Handler. It takes a delivery through these steps, the
// cheap and safe ones first, and answers with the first that fails:
//
//   - method (405) and content type (415): JSON, in UTF-8, not compressed
//   - headers: the key, the form of signatures, the timestamp (401)
//   - body: bounded in bytes (413) and in time (408)
//   - signature over the bytes of the body (401)
//   - decoding of what tells events apart (400)
//   - backlog (503), then [store.Inbox] Put (503)
//
// Only when the inbox has committed it answers 200 {"status":"queued"}, as it does for
// duplicates. Nothing is parsed or looked up before it is authentic. Every error has the
// form of [Problem], every failure of authentication the same answer; errors inside tell
// them apart.
//
// # Who is believed
//
// A [Verifier] knows two schemes. The documents' one is x-signature, the hex
// HMAC-SHA256 of the body, keyed with the secret as it is, beside a right
// x-api-key. Standard Webhooks are webhook-id, webhook-timestamp and
// webhook-signature, keyed with the base64 that the secret is; they need no key,
// and old ones are refused. The service itself signs nothing: in [ModeKey] its
// x-api-key is enough, and such events are not [Event.Signed], so that whoever acts
// on them confirms them first. Several secrets and keys are accepted at a time;
// [Verifier.Replace] exchanges them, and [Verifier.Stats] shows which is idle.
//
// Neither scheme covers the header x-user-id. It counts only where the body names
// no user.
//
// # What an event is
//
// [Decode] reads all shapes of docs/contract.md, section 5. It is strict about JSON,
// where two readers could see two events in one body, and tolerant of all else:
// unknown kinds and members are kept. Two deliveries are the same event if their
// kind, ids and number are ([Event.Stored]); with another body the second is a
// revision. An authentic object that lacks what it takes to act on it
// ([Event.Check]) is stored and acknowledged, for its sender cannot mend it, and
// becomes a dead letter.
//
// # The way through
//
// A [Processor] claims events in batches and takes each through its steps, at
// least once. [Pipeline] makes the standard ones: confirm, store, invalidate, your
// own, notify; or write yours with [Handle].
//
//	steps, err := webhook.Pipeline(webhook.PipelineConfig{Sessions: db.Sessions(), Notify: notifier})
//	p, err := webhook.NewProcessor(inbox, steps)
//	err = p.Run(ctx) // until ctx ends
//
// A step that is done is marked, and no retry repeats it. A session and its mark
// are one commit where the inbox is a [store.Applier]; any other mark is written
// with the next settlement of the event, at the latest after a tenth of a second,
// so a crash can repeat what was done in that moment. What a step does must bear
// being done twice, then; notifications have an ID to tell by.
//
// What an error of a step means:
//
//   - any error, a panic, no end in time: a failed attempt. Three more come, after
//     1, 2 and 4 s; then the event is dead, with the last error, until it is
//     replayed.
//   - [Unavailable], [store.ErrUnavailable]: what all events need is away. No attempt
//     is burnt, and the event comes back, for as long as it takes.
//   - [RetryIn]: as it says. [Drop], and what no retry can mend: dead at once.
//
// After three outages in a row a step's gate closes: events that come to it are
// handed back, and one at a time is let through to probe, after a second at first
// and a minute at most. Ten thousand events thus do not each wait for a timeout.
//
// A step with a [Schedule] has workers of its own, so that a slow one holds up
// nothing else, and hours of patience. Its tries count from the first failure,
// which is kept as a mark of the event and survives a restart. Retried events
// overtake each other: order is kept by the news of a session, not by the queue.
//
// A [Janitor] forgets what is done and old, and sessions past their retention.
//
// # How it fails
//
//   - The inbox is full, locked, slow or closed: 503 with Retry-After, and one line
//     in the log every ten seconds. Senders have to come again.
//   - The inbox is away from a processor: it claims nothing, keeps what it has to
//     hand back, and tries again, every five seconds at last. Leases that ran out
//     meanwhile are renewed before anything is claimed.
//   - The API, the cache, the address of notifications is away: see above. Nothing
//     dies of an outage but a notification whose schedule is over, after three days.
//   - A step ignores the end of its context: it is left behind, five seconds later,
//     with its goroutine. When as many are left behind as there are workers, the
//     lane stands still; see [ProcessorStats].
//   - The process ends: running steps have [Work].Drain to finish, the rest goes
//     back without burning an attempt. It is killed: what it held is handed out
//     again, on SQLite at the next start, elsewhere when the lease is over.
//   - The sender goes away: what came whole is stored all the same.
//   - The sender dawdles: 408 within the body's time, and the connection is closed.
//   - A handler of another program stands in front: an X-Request-Id it has set on
//     the answer is the one of the [Problem].
//
// User ids in logs are hashes; bodies, keys and signatures are in no log, and in no
// answer.
//
// # In tests
//
// [Sign], [SignStandard] and [Sender] make deliveries; package webhooktest judges
// whole receivers.
package webhook
