package memory_test

import (
	"testing"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/cachetest"
	"github.com/asleep-sdk/asleep/cache/memory"
)

func TestNear(t *testing.T) {
	t.Parallel()
	cachetest.RunNear(t, func(t *testing.T) cache.Near {
		t.Helper()
		m, err := memory.New(memory.Options{MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return m
	})
}

func TestABoundBelowZeroIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := memory.New(memory.Options{MaxBytes: -1}); err == nil {
		t.Error("accepted")
	}
}
