package cli

import (
	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/server"
)

// serveFleet is what a service shares with the other processes on the Redis of REDIS_URL.
// Without one it is empty, and the service keeps its limits by itself. It has connections of
// its own: a cache that waits for large answers is not to delay the word on a request.
type serveFleet struct {
	connection redis.UniversalClient
	fleet      *fleet.Fleet
}

// openFleet notes what is wrong with the settings; it connects to nothing yet.
func (o *serveOptions) openFleet(cfg server.Config) *serveFleet {
	if cfg.RedisURL.IsZero() || !cfg.Limits.Enabled {
		return &serveFleet{}
	}
	connection, err := fleet.Open(cfg.RedisURL.Reveal())
	if err != nil {
		return &serveFleet{} // the cache has told
	}
	f, err := fleet.New(connection, fleet.Options{Secret: cfg.Upstream.APIKey.Reveal(), Logger: o.app.log})
	if err != nil {
		o.app.problem("REDIS_URL", "is of no use: %v", err)
	}
	return &serveFleet{connection: connection, fleet: f}
}

// options hand it to the service.
func (f *serveFleet) options() []server.Option {
	if f.fleet == nil {
		return nil
	}
	return []server.Option{server.WithLimits(f.fleet.Inbound)}
}

// close ends it after the service.
func (f *serveFleet) close() {
	if f.fleet != nil {
		_ = f.fleet.Close()
	}
	if f.connection != nil {
		_ = f.connection.Close()
	}
}
