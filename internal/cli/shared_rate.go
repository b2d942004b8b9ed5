package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/internal/config"
)

// strangers is how many processes a command takes the fleet for as long as Redis has not
// told it how many there are.
const strangers = 10

// sharedRate is a rate that all processes keep together which have the same Redis and the
// same API key. Nil is none.
type sharedRate struct {
	app   *app
	redis redis.UniversalClient
	fleet *fleet.Fleet
	limit *fleet.Throttle
	rate  float64
}

// shareRate makes it of the settings. What is wrong with them is noted, and it is nil.
func (a *app) shareRate(label string, rate float64) *sharedRate {
	settings := config.ReadCaching(a.reader)
	if settings.Redis.IsZero() {
		a.problem(label, "needs a Redis that the processes share: set REDIS_URL, such as redis://127.0.0.1:6379/0, or REDIS_URL_FILE")
		return nil
	}
	logging.Disable() // go-redis would print every failed dial
	connection, err := fleet.Open(settings.Redis.Reveal())
	if err != nil {
		a.problemOfRedis(settings, strings.TrimPrefix(err.Error(), "fleet: "))
		return nil
	}
	s := &sharedRate{app: a, redis: connection, rate: rate}
	key := config.ReadUpstream(a.reader, client.DefaultBaseURL).APIKey
	if s.fleet, err = fleet.New(connection, fleet.Options{Secret: key.Reveal(), Budget: redisBudget}); err == nil {
		s.limit, err = s.fleet.Throttle(fleet.Rate{PerSecond: rate, Adaptive: true, Members: strangers})
	}
	if err != nil {
		a.problem(label, "cannot be shared: %s", strings.TrimPrefix(err.Error(), "fleet: throttle: "))
		s.close()
		return nil
	}
	return s
}

// options have the client heed it. Where it fails, this process takes itself for one of
// the strangers.
func (s *sharedRate) options() []client.Option {
	if s == nil {
		return nil
	}
	return []client.Option{
		client.WithLimiter(s.limit),
		client.WithThrottle(client.Throttle{Rate: s.rate / strangers, Burst: 1}),
	}
}

// greet says if there is no Redis to share by.
func (s *sharedRate) greet(ctx context.Context) {
	if s == nil {
		return
	}
	hello, cancel := context.WithTimeout(ctx, redisHello)
	defer cancel()
	if err := s.redis.Ping(hello).Err(); err != nil && ctx.Err() == nil {
		s.app.note(ctx, fmt.Sprintf("the rate is shared with nobody while Redis does not serve: %v a second, a share of one in %d", s.rate/strangers, strangers),
			"redis", "away")
	}
}

func (s *sharedRate) close() {
	if s == nil {
		return
	}
	if s.fleet != nil {
		_ = s.fleet.Close()
	}
	_ = s.redis.Close()
}
