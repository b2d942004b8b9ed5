package storetest_test

import (
	"testing"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
	"github.com/asleep-sdk/asleep/store/storetest"
)

// The store that stands here is one's own.
func ExampleRun() {
	_ = func(t *testing.T) { // TestStore of its package
		storetest.Run(t, storetest.Harness{Open: func(*testing.T) store.Store { return memory.New() }})
	}
}
