//go:build unix

package fleet_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/fleet"
)

// Every process of the fleet does the same, with the same key and figures.
func Example() {
	connection, err := fleet.Open("redis://127.0.0.1:6379?cluster=false") // nothing is dialled yet
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = connection.Close() }()
	shared, err := fleet.New(connection, fleet.Options{Secret: "an-api-key"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = shared.Close() }()
	limit, err := shared.Throttle(fleet.Rate{PerSecond: 100, Members: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	hint, err := shared.Hint(fleet.HintOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	breaker := client.DefaultBreaker()
	breaker.Hint = hint
	_, err = client.New("an-api-key", client.WithLimiter(limit), client.WithBreaker(breaker))
	fmt.Println(err, limit.Stats().Rate)
	// Output: <nil> 100
}

func ExampleNewLocal() {
	limit, err := fleet.NewLocal(fleet.Limit{Name: "GET /v1/sessions", Requests: 2, Window: time.Hour}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		d := limit.Allow(context.Background(), "198.51.100.7", 1)
		fmt.Println(d.Allowed, d.Remaining, d.RetryAfter.Round(time.Minute))
	}
	// Output:
	// true 1 0s
	// true 0 0s
	// false 0 30m0s
}

func ExampleOpen() {
	_, err := fleet.Open("http://user:password@host")
	fmt.Println(err)
	// Output: fleet: the Redis URL: redis: invalid URL scheme: http
}
