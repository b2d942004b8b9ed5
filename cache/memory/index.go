package memory

import (
	"maps"
	"slices"
	"sync"

	"github.com/asleep-sdk/asleep/cache"
)

// index knows the keys of every owner. Its lock is a leaf: nothing is called
// under it.
type index struct {
	mu sync.Mutex
	of map[cache.Owner]map[cache.Key]*cache.Entry
}

func (x *index) add(e *cache.Entry) {
	owner := e.Owner
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of == nil {
		x.of = make(map[cache.Owner]map[cache.Key]*cache.Entry)
	}
	keys := x.of[owner]
	if keys == nil {
		keys = make(map[cache.Key]*cache.Entry, 1)
		x.of[owner] = keys
	}
	keys[e.Key] = e
}

// remove takes an entry out, unless a later one has its place: the news of a deletion may
// come after that of the next entry.
func (x *index) remove(e *cache.Entry) {
	owner := e.Owner
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := x.of[owner]
	if keys[e.Key] == e {
		delete(keys, e.Key)
	}
	if len(keys) == 0 {
		delete(x.of, owner)
	}
}

// keys returns a copy: the caller goes through it without the lock.
func (x *index) keys(owner cache.Owner) []cache.Key {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Keys(x.of[owner]))
}
