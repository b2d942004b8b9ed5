package cache

import "sync"

// loads is what is being loaded: flights that others may join, and the fences of
// all loads, by which an invalidation strikes those that began before it.
type loads struct {
	mu      sync.Mutex
	flights map[flightKey]*flight
	fences  map[Owner]map[*fence]struct{}
}

// flightKey is what calls must have in common to share a load.
type flightKey struct {
	key    Key
	manner string
}

// fence stands between a load and the near tier. struck is under loads.mu.
type fence struct {
	owner  Owner
	of     *flight // nil if nobody can join
	struck bool
}

// flight is one load that any number of callers wait for. Its result is set
// before done is closed and not changed after.
type flight struct {
	fence
	id     flightKey
	joined int  // calls that wait for it beside the one that began it; under loads.mu
	landed bool // done is closed; for whoever flies
	done   chan struct{}
	value  any
	shared bool // others have value too, or may: every caller copies it
	from   Origin
	err    error
	crash  *PanicError
}

func (l *loads) init() {
	l.flights = make(map[flightKey]*flight)
	l.fences = make(map[Owner]map[*fence]struct{})
}

// join returns the flight for a key, and whether the caller is to make it.
func (l *loads) join(id flightKey, owner Owner) (f *flight, leads bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.flights[id]; f != nil {
		f.joined++
		return f, false
	}
	f = &flight{fence: fence{owner: owner}, id: id, done: make(chan struct{})}
	f.of = f
	l.flights[id] = f
	l.raise(&f.fence)
	return f, true
}

// land hands the result to those who wait. Who comes later asks anew: another process
// may have taken the value back since, and that is known to the far tier before it is
// known here.
func (l *loads) land(f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unlist(f)
	f.shared = f.shared || f.joined > 0
	f.landed = true
	close(f.done)
}

// leave ends a flight: nobody joins it any more.
func (l *loads) leave(f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unlist(f)
	l.lower(&f.fence)
}

// unlist keeps others from joining a flight.
func (l *loads) unlist(f *flight) {
	if f != nil && l.flights[f.id] == f {
		delete(l.flights, f.id)
	}
}

// alone begins a load that nobody joins; the caller ends it by drop.
func (l *loads) alone(owner Owner) *fence {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &fence{owner: owner}
	l.raise(f)
	return f
}

func (l *loads) drop(f *fence) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lower(f)
}

func (l *loads) raise(f *fence) {
	of := l.fences[f.owner]
	if of == nil {
		of = make(map[*fence]struct{}, 1)
		l.fences[f.owner] = of
	}
	of[f] = struct{}{}
}

func (l *loads) lower(f *fence) {
	of := l.fences[f.owner]
	delete(of, f)
	if len(of) == 0 {
		delete(l.fences, f.owner)
	}
}

// within runs store unless the load was struck, and lets no strike pass
// meanwhile: what it stores is there for the invalidation to drop.
func (l *loads) within(f *fence, store func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.struck {
		return false
	}
	store()
	return true
}

// strike takes the right to store from the loads of an owner. Whoever asks from
// now on makes a new one.
func (l *loads) strike(owner Owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.fences[owner] {
		f.struck = true
		l.unlist(f.of)
	}
}

// strikeAll is strike for every owner.
func (l *loads) strikeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.fences {
		for f := range of {
			f.struck = true
		}
	}
	clear(l.flights)
}

func (l *loads) underway() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.fences {
		n += len(of)
	}
	return n
}
