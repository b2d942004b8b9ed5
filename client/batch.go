package client

import (
	"context"
	"iter"
	"time"

	"github.com/asleep-sdk/asleep"
)

// Defaults of [BatchOptions].
const (
	DefaultBatchConcurrency = 8
	DefaultBatchRounds      = 3
	DefaultMaxOutage        = 2 * time.Minute
	DefaultDrain            = 30 * time.Second
	DefaultProgressEvery    = time.Second
)

// Bounds of [BatchOptions].
const (
	MaxBatchConcurrency = 1024
	MaxBatchWindow      = 64 * MaxBatchConcurrency
)

// BatchOptions tunes [Client.FetchSessions]. The zero value lists the sessions
// of every user without their reports, with the defaults named.
type BatchOptions struct {
	// Details reads the report of every listed session too, a call each.
	Details bool
	// Concurrency is the most calls in flight, 1 to MaxBatchConcurrency; 0
	// means DefaultBatchConcurrency. Up to twice as many users are in hand, so
	// that one who waits out trouble leaves no slot idle; free slots go to the
	// user who comes first in the input.
	Concurrency int
	// Window is how far, in positions of the input, the batch reads ahead of the
	// first user who is not done; 0 means 64 times Concurrency, the most is
	// MaxBatchWindow. It bounds the memory of a batch and the size of its
	// tokens: a token is about 1 character for 6 positions.
	Window int
	// Rounds is how often a call that fails transiently while others of its
	// kind succeed is made before the failure is its user's, each time with the
	// client's own attempts ([Retry]); 0 means DefaultBatchRounds.
	Rounds int
	// KeepDuplicates fetches a user as often as the input names it. By default
	// a user is fetched once, which takes at most 16 bytes of memory a user;
	// the probability that one of n users is taken for another is below n²/2⁸¹,
	// which for 100 million users is 4·10⁻⁹.
	KeepDuplicates bool

	// MaxOutage is how long the batch waits for a service that answers nothing
	// usable before it stops with [ErrOutage]; 0 means DefaultMaxOutage. The
	// time counts from the first failed request since the last success.
	MaxOutage time.Duration
	// MaxDuration bounds the batch: after it no user is started, as if Stop
	// had been closed, and the batch stops with [ErrMaxDuration]. 0 means no
	// bound.
	MaxDuration time.Duration
	// Stop, when closed, ends the batch softly: no user is begun any more,
	// those in hand are finished within Drain, and the batch stops with
	// [ErrStopRequested]. Nil means never.
	Stop <-chan struct{}
	// Drain is how long users in hand may take to finish after a soft stop;
	// 0 means DefaultDrain. Those that do not are not done.
	Drain time.Duration
	// Stopping, if not nil, is called once when no further user will be begun,
	// whatever the reason, the end of the batch included. It is for a sequence
	// of users that may block: what it waits for can be released here, for the
	// batch cannot end before the sequence does. It is called by a goroutine of
	// the batch, which it must not block.
	Stopping func()

	// Resume continues where an earlier batch with the same input and query
	// stopped: the zero token starts at the beginning. See [ResumeToken].
	Resume ResumeToken
	// NewKey accepts a Resume token that was made with another API key, as after
	// a rotation.
	NewKey bool

	// Total is the number of positions in the input, if known: it makes
	// [BatchProgress].Total and [BatchStopped].NotStarted known. 0 means
	// unknown. It is believed, not checked.
	Total int64
	// Progress, if not nil, is called every ProgressEvery (0 means
	// DefaultProgressEvery) and once at the end, by one goroutine at a time. The
	// batch does not wait for it, but its end does.
	Progress      func(BatchProgress)
	ProgressEvery time.Duration
	// Meter, if not nil, shows the same on demand. It serves one batch at a
	// time.
	Meter *BatchMeter
}

// Batch is what came of one user of a batch.
type Batch struct {
	User string
	// Index is the position in the input, from 0; duplicates have positions
	// too.
	Index int64
	// Sessions are as listed, in the query's order. Nil if Err is not.
	Sessions []asleep.SessionSummary
	// Reports are, with [BatchOptions].Details, those of Sessions in the same
	// order, without the Deleted ones. Nil if Err is not.
	Reports []*asleep.Report
	// Cached is the number of Reports that came from the cache, without a call.
	Cached int
	// Deleted is the number of sessions that were listed and whose report then
	// answered 404: deleted meanwhile, which is no failure.
	Deleted int
	// Err is why this user failed; normally an [*Error]. The other users are
	// not affected. An id that the service could not be asked for fails with
	// [ErrInvalid] and without a call.
	Err error
	// Calls is the number of calls made for the user, Attempts the number of
	// requests they took.
	Calls, Attempts int
	// Began is when work on the user began: all that is told of the user was said
	// by the service after it.
	Began time.Time
	// Token resumes the batch after this result: it is valid once this result
	// and all that were yielded before it are handled. It counts a failed user
	// as done: who wants it again asks for it in a batch of its own.
	Token ResumeToken
}

// FetchSessions reads the sessions of many users, any number of them, in
// constant memory: users is read as the batch goes on. It yields one result a
// user in the order of completion. A user's failure is in [Batch].Err: it never
// ends the batch or hides another user.
//
// The error is nil until the batch has to stop before its end: it is then
// yielded once, last, with a zero Batch, as a [*BatchStopped] with the reason and
// a token to resume with. What was wrong before the first call (options, query,
// token) is yielded as a [*ParameterError] or [*ResumeError] instead. A loop that
// ends without an error has seen every user.
//
// # Patience
//
// A batch waits where a single call would give up. Its calls have no overall
// timeout and yield to interactive ones on the same client. What a policy on this
// side refuses is tried again later. A wait that the service asks for is honoured
// by all calls, as long as it ends within MaxOutage.
//
// Whatever is no proper answer (lost, 5xx, a page of HTML, a redirect) may be the
// service's trouble or one user's. If no call of the kind, lists or reports, that
// went out later succeeds, it is the service's: the kind pauses, one call at a time
// probes with growing waits (0.5 s to 10 s, jittered), and the first success
// reopens on a ramp. If one does, the call is made up to Rounds times and then
// fails its user. When nobody else is asked for, a call that worked before is
// repeated to tell the two apart; a batch in which no call ever worked can only
// take the service to be out.
//
// # Stopping
//
// Reasons to stop, for errors.Is: [ErrOutage], [ErrQuotaExceeded],
// [ErrPlanExpired], [ErrUnauthorized], [ErrForbidden] (after such an answer is
// read no request is sent any more), [ErrStopRequested], [ErrMaxDuration],
// [ErrBatchInput] (users yielded an error; those before it are finished), and the
// end of ctx. Results that are complete by then are still yielded, except when ctx
// ends. Users in flight are neither done nor failed: a resumed batch does them
// again. Once all users are done there is nothing to stop, whatever happens.
//
// Breaking out of the loop, or panicking in it, cancels what is in flight and
// waits until every goroutine of the batch has ended. A batch cannot interrupt
// users: a sequence that blocks must itself watch ctx and Stop, and may then just
// end. It is ranged over in a goroutine of its own; its panic is passed on to the
// loop. Ranging twice over the result runs the batch twice.
//
// opts apply to every call. [RawResponse] and [WithRequestID] are refused, since
// they name one call.
func (c *Client) FetchSessions(ctx context.Context, users iter.Seq2[string, error], q Query, o BatchOptions, opts ...CallOption) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		plan, err := c.planBatch(q, o, opts)
		if err != nil {
			yield(Batch{}, err)
			return
		}
		r := plan.start(ctx, users)
		defer r.close()
		r.deliver(yield)
	}
}
