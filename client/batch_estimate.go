package client

import (
	"context"
	"iter"
	"time"
)

// DefaultEstimateSample is the number of users that [Client.EstimateSessions]
// lists.
const DefaultEstimateSample = 50

// BatchEstimate is what a batch would take.
type BatchEstimate struct {
	// Users would be fetched; Duplicates, Invalid ids and those that the token
	// calls done (Resumed) would not be asked for.
	Users, Duplicates, Invalid, Resumed int64
	// Sampled users were listed for the estimate: it made Made calls and found
	// Sessions. Failed of them failed and are left out.
	Sampled, Failed int
	Sessions        int64
	Made            int
	// Calls is the number of calls the batch would make; it lies between Low
	// and High with 95 % confidence. Retries come on top.
	Calls, Low, High int64
	// Exact: every user was listed, so Calls is the true number as of now.
	Exact bool
}

// Duration returns how long the calls take at a number of calls a second, which
// must be positive.
func (e BatchEstimate) Duration(perSecond float64) time.Duration { panic("client: not built yet") }

// EstimateSessions tells how many calls [Client.FetchSessions] would make with
// the same arguments. It reads users to the end and lists the sessions of
// sample of them, drawn evenly at random (0 means [DefaultEstimateSample]): that
// is its whole cost, normally one call for each. It reads no report. With no more
// users than sample the answer is exact, as long as no session comes or goes.
//
// It is as patient as a batch: opts and o apply as there, except for Stop,
// Progress and Meter. Errors are those of FetchSessions.
func (c *Client) EstimateSessions(ctx context.Context, users iter.Seq2[string, error], q Query, o BatchOptions, sample int, opts ...CallOption) (BatchEstimate, error) {
	panic("client: not built yet")
}
