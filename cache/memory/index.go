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
	of map[cache.Owner]map[cache.Key]struct{}
}

func (x *index) add(owner cache.Owner, key cache.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of == nil {
		x.of = make(map[cache.Owner]map[cache.Key]struct{})
	}
	keys := x.of[owner]
	if keys == nil {
		keys = make(map[cache.Key]struct{}, 1)
		x.of[owner] = keys
	}
	keys[key] = struct{}{}
}

func (x *index) remove(owner cache.Owner, key cache.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := x.of[owner]
	delete(keys, key)
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
