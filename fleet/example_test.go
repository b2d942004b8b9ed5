//go:build unix

package fleet_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/server/limits"
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

// A server counts its clients together with the other processes; without Redis, which is
// not there in this example, by itself.
func ExampleFleet_Inbound() {
	connection, err := fleet.Open("redis://127.0.0.1:1")
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
	sessions, err := shared.Inbound("GET /v1/sessions", limits.Rate{Requests: 2, Window: time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		d, err := sessions.Allow(context.Background(), "198.51.100.7")
		fmt.Println(d.Allowed, d.Remaining, d.RetryAfter.Round(time.Minute), d.Local, err)
	}
	// Output:
	// true 1 0s true <nil>
	// true 0 0s true <nil>
	// false 0 30m0s true <nil>
}

func ExampleOpen() {
	_, err := fleet.Open("http://user:password@host")
	fmt.Println(err)
	// Output: fleet: the Redis URL: redis: invalid URL scheme: http
}
