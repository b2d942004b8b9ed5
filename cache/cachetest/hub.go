package cachetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/cache"
)

// Hub is a far tier in memory: what its links share. It is safe for concurrent
// use.
type Hub struct {
	mu     sync.Mutex
	values map[string]timed
	leases map[string]timed
	marks  map[cache.Owner]cache.Marks
	ears   map[*Link]cache.Listener
}

// timed is bytes with an end.
type timed struct {
	bytes []byte
	until time.Time
}

// NewHub makes an empty one.
func NewHub() *Hub {
	h := &Hub{ears: make(map[*Link]cache.Listener)}
	h.Forget()
	return h
}

// Forget loses everything, as a server does that restarts empty.
func (h *Hub) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.values = make(map[string]timed)
	h.leases = make(map[string]timed)
	h.marks = make(map[cache.Owner]cache.Marks)
}

// Values counts the values that are stored.
func (h *Hub) Values() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.values)
}

// Raw returns the bytes stored under key, nil if there are none.
func (h *Hub) Raw(key cache.Key) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Clone(h.read(h.values, key.Name()))
}

// Plant puts any bytes under key, as if another program had.
func (h *Hub) Plant(key cache.Key, value []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.values[key.Name()] = timed{bytes.Clone(value), time.Now().Add(time.Hour)}
}

// Mark sets the marks of an owner, as if that owner's had been copied.
func (h *Hub) Mark(owner cache.Owner, m cache.Marks) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.marks[owner] = m
}

// Link returns a new connection of one process.
func (h *Hub) Link() *Link { return &Link{hub: h} }

// read returns what has not had its time.
func (h *Hub) read(from map[string]timed, name string) []byte {
	v, ok := from[name]
	if !ok || !time.Now().Before(v.until) {
		delete(from, name)
		return nil
	}
	return v.bytes
}

func (h *Hub) marksOf(owner cache.Owner) cache.Marks {
	m, ok := h.marks[owner]
	if !ok {
		m = cache.Marks{Generation: rand.Text(), Epoch: rand.Text()}
		h.marks[owner] = m
	}
	return m
}

// Faults are what is wrong with a link. The zero value is nothing.
type Faults struct {
	// Delay passes before every operation; the end of its context ends it early,
	// with an error, and the operation is not made.
	Delay time.Duration
	// Err fails every operation without making it.
	Err error
	// Late makes an operation and then fails it with Err.
	Late bool
	// Lie changes what Get and Lease return.
	Lie func(key cache.Key, value string, marks cache.Marks) (string, cache.Marks)
	// Deaf loses the notices for this link, and tells it nothing of that.
	Deaf bool
}

// Link is a connection of one process to a [Hub]. It is a [cache.Far], a
// [cache.Leaser] and a [cache.Bus].
type Link struct {
	hub *Hub

	mu     sync.Mutex
	faults Faults
	cut    context.CancelFunc // of the subscription
	calls  map[string]int
}

var (
	_ cache.Far    = (*Link)(nil)
	_ cache.Leaser = (*Link)(nil)
	_ cache.Bus    = (*Link)(nil)
)

// Break puts faults in place of those there; the zero value mends the link.
func (l *Link) Break(f Faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
}

// Cut ends the subscription of the link, as a lost connection does.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut != nil {
		l.cut()
	}
}

// Calls counts the operations of one name that were tried: Get, Fill, Delete, Bump,
// Ping, Lease, Release, Publish, Subscribe.
func (l *Link) Calls(operation string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[operation]
}

// do makes an operation under the hub's lock, unless a fault is in the way.
func (l *Link) do(ctx context.Context, name string, operation func()) error {
	l.mu.Lock()
	f := l.faults
	if l.calls == nil {
		l.calls = make(map[string]int)
	}
	l.calls[name]++
	l.mu.Unlock()
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.Err != nil && !f.Late {
		return f.Err
	}
	l.hub.mu.Lock()
	operation()
	l.hub.mu.Unlock()
	return f.Err
}

// look is what Get and Lease read, lies included.
func (l *Link) look(key cache.Key) (string, cache.Marks) {
	value, marks := string(l.hub.read(l.hub.values, key.Name())), l.hub.marksOf(key.Owner())
	l.mu.Lock()
	lie := l.faults.Lie
	l.mu.Unlock()
	if lie != nil {
		return lie(key, value, marks)
	}
	return value, marks
}

// Get implements [cache.Far].
func (l *Link) Get(ctx context.Context, key cache.Key) (value string, marks cache.Marks, err error) {
	err = l.do(ctx, "Get", func() { value, marks = l.look(key) })
	return value, marks, err
}

// Fill implements [cache.Far].
func (l *Link) Fill(ctx context.Context, f cache.Fill) (stored bool, err error) {
	err = l.do(ctx, "Fill", func() {
		h, name := l.hub, f.Key.Name()
		if f.Lease != "" {
			if string(h.read(h.leases, name)) != f.Lease {
				return
			}
			delete(h.leases, name)
		}
		if marks, ok := h.marks[f.Key.Owner()]; !ok || marks != f.Marks {
			return
		}
		h.values[name] = timed{bytes.Clone(f.Value), time.Now().Add(f.TTL)}
		stored = true
	})
	return stored, err
}

// Delete implements [cache.Far].
func (l *Link) Delete(ctx context.Context, key cache.Key) error {
	return l.do(ctx, "Delete", func() { delete(l.hub.values, key.Name()) })
}

// Bump implements [cache.Far].
func (l *Link) Bump(ctx context.Context, owner cache.Owner, scope cache.Scope) error {
	return l.do(ctx, "Bump", func() {
		m := l.hub.marksOf(owner)
		m.Generation = rand.Text()
		if scope == cache.Everything {
			m.Epoch = rand.Text()
		}
		l.hub.marks[owner] = m
	})
}

// Ping implements [cache.Far].
func (l *Link) Ping(ctx context.Context) error { return l.do(ctx, "Ping", func() {}) }

// Lease implements [cache.Leaser].
func (l *Link) Lease(ctx context.Context, key cache.Key, ttl time.Duration) (g cache.Grant, err error) {
	err = l.do(ctx, "Lease", func() {
		h, name := l.hub, key.Name()
		g.Value, g.Marks = l.look(key)
		if held := h.read(h.leases, name); held != nil {
			g.Holder = string(held)
			return
		}
		g.Lease = rand.Text()
		g.Holder = g.Lease
		h.leases[name] = timed{[]byte(g.Lease), time.Now().Add(ttl)}
	})
	return g, err
}

// Release implements [cache.Leaser].
func (l *Link) Release(ctx context.Context, key cache.Key, lease string) error {
	return l.do(ctx, "Release", func() {
		if string(l.hub.read(l.hub.leases, key.Name())) == lease {
			delete(l.hub.leases, key.Name())
		}
	})
}

// Publish implements [cache.Bus]. It returns once all have been told.
func (l *Link) Publish(ctx context.Context, n cache.Notice) error {
	var ears []cache.Listener
	err := l.do(ctx, "Publish", func() {
		for other, ear := range l.hub.ears {
			other.mu.Lock()
			if !other.faults.Deaf {
				ears = append(ears, ear)
			}
			other.mu.Unlock()
		}
	})
	for _, ear := range ears {
		ear.Notice(n)
	}
	return err
}

// errCut is the end of a subscription that was cut.
var errCut = errors.New("the connection was cut")

// Subscribe implements [cache.Bus].
func (l *Link) Subscribe(ctx context.Context, listener cache.Listener) error {
	on, cut := context.WithCancel(ctx)
	defer cut()
	if err := l.do(ctx, "Subscribe", func() { l.hub.ears[l] = listener }); err != nil {
		return err
	}
	l.mu.Lock()
	l.cut = cut
	l.mu.Unlock()
	defer func() {
		l.hub.mu.Lock()
		defer l.hub.mu.Unlock()
		delete(l.hub.ears, l)
	}()
	listener.Gap()
	<-on.Done()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errCut
}
