package cache

import (
	"context"
	"time"
)

// Marks are the two random marks of an owner. They are opaque and compared for
// equality only. A backend draws a new one at random (128 bits), never counts one
// up: when it has lost them, by eviction or a restart, no value from before must
// ever match.
type Marks struct {
	Generation string // a new one takes back changing values
	Epoch      string // a new one takes back everything
}

// Far is a tier that processes share: opaque bytes under keys. It is safe for
// concurrent use. Every method returns soon after its context ends, with an error;
// an error means that the outcome is not known. The cache makes its own bounds
// (budget, breaker, queue of invalidations): a backend just tries once.
type Far interface {
	// Get returns the value under key ("" if there is none) and the marks of the
	// key's owner that were in force when it was read; if there are none, it
	// makes them. It should take one exchange. It does not judge the value: it may
	// be of older marks.
	Get(ctx context.Context, key Key) (value string, marks Marks, err error)
	// Fill stores a value, in one step with checking its conditions.
	Fill(ctx context.Context, f Fill) (stored bool, err error)
	// Delete removes the value under key, whatever it is: it could not be read.
	Delete(ctx context.Context, key Key) error
	// Bump draws a new Generation for an owner, and with the scope Everything a
	// new Epoch too. It returns once every later Get and Fill sees it.
	Bump(ctx context.Context, owner Owner, scope Scope) error
	// Ping reports whether the backend can serve.
	Ping(ctx context.Context) error
}

// Parted is a far tier of parts that fail apart from each other, as a cluster has: trouble of
// one is then none of the others. An owner's values are all in one part.
type Parted interface {
	// Parts is their number, the same at all times.
	Parts() int
	// PartOf is that of an owner, from 0.
	PartOf(owner Owner) int
	// PingPart is Ping of one part: whether values can be had there.
	PingPart(ctx context.Context, part int) error
}

// Fill is a value to be stored in a far tier.
type Fill struct {
	Key   Key
	Value []byte
	TTL   time.Duration // after which the value should be gone; positive
	// Marks are those read before the load. If the owner's are others by now, or
	// gone, nothing is stored.
	Marks Marks
	// Lease, unless empty, is a lease of key: nothing is stored if it is not held
	// any more. If it is, it is given back, whether or not the value is stored.
	Lease string
}

// Leaser is a far tier that lets one process at a time load a key.
type Leaser interface {
	// Lease tries once to become the process that loads key, for ttl at most, and
	// reads the key in the same step, as Get does.
	Lease(ctx context.Context, key Key, ttl time.Duration) (Grant, error)
	// Release gives a lease back if it is still held.
	Release(ctx context.Context, key Key, lease string) error
}

// Grant is the answer to a wish for a lease.
type Grant struct {
	Lease  string // random and unique; "" if another process holds the key
	Holder string // tells the lease in force from an earlier one; "" if none can be had
	Value  string // as Far.Get
	Marks  Marks
}

// Notice tells other processes what was taken back.
type Notice struct {
	From  string // the sender, which passes over its own
	Owner Owner
	Scope Scope
}

// Bus tells other processes. A far tier that implements it is used as one; any
// other can be given by [WithBus].
type Bus interface {
	// Publish sends a notice to all subscribers, the sender's own included.
	Publish(ctx context.Context, n Notice) error
	// Subscribe hands out notices, one at a time and in order, until ctx ends or
	// the connection is lost for good; it is then called again after a while. It
	// calls listener.Gap each time that it has (again) begun to listen, as
	// notices may have been lost before.
	Subscribe(ctx context.Context, listener Listener) error
}

// Listener is told what comes over a [Bus].
type Listener struct {
	Notice func(Notice)
	Gap    func()
}
