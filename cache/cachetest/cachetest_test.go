package cachetest_test

import (
	"testing"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

func TestHub(t *testing.T) {
	t.Parallel()
	cachetest.RunFar(t, func(_ *testing.T, processes int) []cache.Far {
		hub := cachetest.NewHub()
		links := make([]cache.Far, processes)
		for i := range links {
			links[i] = hub.Link()
		}
		return links
	})
}

func TestMap(t *testing.T) {
	t.Parallel()
	cachetest.RunNear(t, func(*testing.T) cache.Near { return new(cachetest.Map) })
}
