package webhook

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/asleep-sdk/asleep/store"
)

// counters are what [ReceiverStats] is made of.
type counters struct {
	inFlight   atomic.Int64
	results    [store.Refused + 1]atomic.Uint64
	unknown    atomic.Uint64
	incomplete atomic.Uint64

	mu       sync.Mutex // of what is not authentic or refused, which is rare or limited
	rejected map[string]uint64
	reasons  map[string]uint64
}

func (c *counters) count(d *Delivery) {
	result, ok := d.result()
	if !ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.rejected == nil {
			c.rejected = map[string]uint64{}
		}
		c.rejected[d.Code]++
		return
	}
	c.results[result].Add(1)
	if result != store.Stored && result != store.Revised {
		return
	}
	if d.Kind == OtherKind {
		c.unknown.Add(1)
	}
	if d.incomplete {
		c.incomplete.Add(1)
	}
}

// reason counts in which way a delivery was not authentic.
func (c *counters) reason(err error) {
	var why reason
	if !errors.As(err, &why) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reasons == nil {
		c.reasons = map[string]uint64{}
	}
	c.reasons[string(why)]++
}
