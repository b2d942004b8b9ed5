package cache

import "time"

// age is the greatest age of a value of the class.
func (k *Keep) age(class Class) time.Duration {
	switch class {
	case Durable:
		return k.Durable
	case Mutable:
		return k.Mutable
	case Unfinished:
		return k.Unfinished
	case Absent:
		return k.Absent
	case Forbidden:
	}
	return 0
}

// far is how long a far tier keeps a value of the class; 0 not at all.
func (k *Keep) far(class Class) time.Duration {
	switch {
	case class == Durable:
		return k.Durable
	case class == Mutable && k.Mutable > 0:
		return k.Mutable + k.StaleIfError
	}
	return 0
}

// keepNear keeps a value in the process if its class may be and its load was not
// struck. What is not kept refutes what was: that goes.
func (c *Cache) keepNear(f *fence, e Entry) bool {
	if c.near == nil {
		return false
	}
	e.Owner = f.owner
	limit := c.keep.age(e.Class)
	if e.Class == Mutable && c.guard != nil {
		limit = 0 // no other process could take it back here
	}
	e.Fresh = e.Told.Add(limit)
	now := time.Now()
	if backstop := now.Add(c.keep.Backstop); e.Class == Durable && c.guard != nil && c.keep.Backstop > 0 && backstop.Before(e.Fresh) {
		e.Fresh = backstop
	}
	e.Until = e.Fresh
	if e.Class == Mutable {
		e.Until = e.Fresh.Add(c.keep.StaleIfError)
	}
	if limit <= 0 || !now.Before(e.Until) {
		c.near.Drop(e.Key)
		return false
	}
	return c.loads.within(f, func() {
		if old := c.near.Get(e.Key); old == nil || !old.Told.After(e.Told) { // a later load may have come back first
			c.near.Set(&e)
		}
	})
}
