// Command distributed fetches the newest sessions of users, as one of any number of
// processes that share one rate limit over the Redis at REDIS_URL.
//
//	REDIS_URL=redis://localhost:6379 RATE=100 distributed user-0001 user-0002
//
// Start it as often as you like: together the processes send no more than RATE requests
// a second, and when the service is down all stop as soon as one has noticed. Without
// Redis each keeps to its share.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/fleet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, users []string) (err error) {
	rate, err := strconv.ParseFloat(os.Getenv("RATE"), 64)
	if err != nil {
		return fmt.Errorf("RATE is %q: give the requests per second that your plan allows, such as 100", os.Getenv("RATE"))
	}
	connection, err := fleet.Open(os.Getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, connection.Close()) }()
	// The secret keeps fleets with different keys apart; it is never sent to Redis.
	shared, err := fleet.New(connection, fleet.Options{Secret: os.Getenv("ASLEEP_API_KEY")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shared.Close()) }()
	limit, err := shared.Throttle(fleet.Rate{PerSecond: rate})
	if err != nil {
		return err
	}
	hint, err := shared.Hint(fleet.HintOptions{})
	if err != nil {
		return err
	}
	breaker := client.DefaultBreaker()
	breaker.Hint = hint
	api, err := client.NewFromEnv( // ASLEEP_API_KEY, ASLEEP_BASE_URL
		client.WithLimiter(limit), client.WithBreaker(breaker),
		client.WithThrottle(client.Throttle{Rate: rate / 10, Burst: 1}), // until Redis was seen
	)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, api.Close()) }()
	for _, user := range users {
		page, err := api.ListSessions(ctx, user, client.PageQuery{PageSize: 1})
		if err != nil {
			return err
		}
		log.Println(user, len(page.Sessions), "session")
	}
	s := limit.Stats()
	log.Printf("%d processes, %d requests by the shared limit, %d by our share", s.Members, s.Reserved+s.Stocked, s.Alone)
	return nil
}
