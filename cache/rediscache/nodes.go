package rediscache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
)

// A subscription is to one node of a cluster and ends with that. So that a process hears of
// the end of any, it keeps a connection to every master, on a channel where nobody speaks.

var (
	errNodeLost  = errors.New("a master of the cluster was lost")
	errNodeOther = errors.New("the cluster has another master, or one again")
)

const (
	// rollCall is how often the masters are counted, and how often while one is missing.
	rollCall, rollCallMissing = heartbeat, heartbeat / 15
)

// watch is the masters of a cluster as one subscription knows them.
type watch struct {
	tier   *Tier
	ctx    context.Context
	nodes  sync.WaitGroup
	tried  map[string]bool // masters that a connection is kept or made to
	up     map[string]bool // those that have one
	missed map[string]bool // those that had none when it was tried
	came   chan string
	went   chan string
}

// watchMasters returns when a master was lost, another came, or one that was not to be had
// at first: what it was told lately another may not have heard.
func (t *Tier) watchMasters(ctx context.Context, c *redis.ClusterClient) error {
	ctx, end := context.WithCancel(ctx)
	w := &watch{
		tier: t, ctx: ctx, came: make(chan string), went: make(chan string),
		tried: make(map[string]bool), up: make(map[string]bool), missed: make(map[string]bool),
	}
	defer w.nodes.Wait()
	defer end()
	tick := time.NewTimer(0)
	defer tick.Stop()
	for known := false; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case addr := <-w.came:
			w.up[addr] = true
			if w.missed[addr] {
				return fmt.Errorf("%w: %s", errNodeOther, addr)
			}
		case addr := <-w.went:
			if w.up[addr] {
				return fmt.Errorf("%w: %s", errNodeLost, addr)
			}
			delete(w.tried, addr)
			w.missed[addr] = true
		case <-tick.C:
			others := w.count(c)
			if others && known {
				return errNodeOther
			}
			known = known || others
			if tick.Reset(rollCall); len(w.missed) > 0 || !known {
				tick.Reset(rollCallMissing)
			}
		}
	}
}

// count connects to the masters that it is not connected to, and reports whether there are
// any that it did not know.
func (w *watch) count(c *redis.ClusterClient) (others bool) {
	ctx, cancel := context.WithTimeout(w.ctx, heartbeat)
	defer cancel()
	var mu sync.Mutex
	masters := make(map[string]*redis.Client)
	_ = c.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters[node.Options().Addr] = node
		return nil
	})
	for addr := range w.missed {
		if masters[addr] == nil { // it is no master any more
			delete(w.missed, addr)
		}
	}
	for addr, node := range masters {
		if w.tried[addr] {
			continue
		}
		others = others || !w.missed[addr]
		w.tried[addr] = true
		w.nodes.Go(func() {
			_ = w.tier.follow(w.ctx, node, w.tier.silent(), cache.Listener{
				Gap: func() { w.report(w.came, addr) }, Notice: func(cache.Notice) {},
			})
			w.report(w.went, addr)
		})
	}
	return others
}

func (w *watch) report(to chan<- string, addr string) {
	select {
	case to <- addr:
	case <-w.ctx.Done():
	}
}
