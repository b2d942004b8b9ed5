//go:build unix

package rediscache_test

import (
	"context"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// TestASubscriptionThatFallsSilentEnds: a connection whose other end is gone without a word
// must not pass for one on which nothing is said.
func TestASubscriptionThatFallsSilentEnds(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	tier := open(t, calm(s.Addr), rediscache.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	begun := time.Now()
	err := tier.Subscribe(ctx, cache.Listener{Gap: s.Stall, Notice: func(cache.Notice) {}})
	s.Resume()
	if took := time.Since(begun); err == nil || took < 5*time.Second || took > 30*time.Second {
		t.Errorf("%v after %v, want an error after two heartbeats of 3 s", err, took)
	}
}
