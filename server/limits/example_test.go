package limits_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/server/limits"
)

func ExampleMemory_Allow() {
	everyone, err := limits.NewMemory(limits.Rate{Requests: 2, Window: time.Hour, Algorithm: limits.SlidingWindow})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		d, err := everyone.Allow(context.Background(), "198.51.100.7")
		fmt.Println(d.Allowed, d.Remaining, d.RetryAfter > 0, err)
	}
	// Output:
	// true 1 false <nil>
	// true 0 false <nil>
	// false 0 true <nil>
}
