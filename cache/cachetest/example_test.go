package cachetest_test

import (
	"testing"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
)

// The near tier that stands here is one's own.
func ExampleRunNear() {
	_ = func(t *testing.T) { // TestNear of its package
		cachetest.RunNear(t, func(*testing.T) cache.Near { return new(cachetest.Map) })
	}
}

// One backend for every process that is asked for, all on the same server.
func ExampleRunFar() {
	_ = func(t *testing.T) { // TestFar of its package
		cachetest.RunFar(t, func(_ *testing.T, processes int) []cache.Far {
			server, list := cachetest.NewHub(), make([]cache.Far, processes)
			for i := range list {
				list[i] = server.Link()
			}
			return list
		})
	}
}
