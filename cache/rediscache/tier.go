package rediscache

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/internal/redisconn"
)

// DefaultPrefix begins the names of all keys and of the channel.
const DefaultPrefix = "asleep"

// Sealer encrypts values. It is safe for concurrent use. The store's encrypt with the
// same.
type Sealer interface {
	// Seal encrypts plain with the current key and binds it to additional, which
	// is not stored.
	Seal(plain, additional []byte) ([]byte, error)
	// Open is the reverse; it refuses what was changed or bound to something else.
	// Nobody changes or keeps what it returns but the caller.
	Open(sealed, additional []byte) ([]byte, error)
}

// Options are what may be chosen. The zero value is usable.
type Options struct {
	// Prefix begins the names of all keys and of the channel; "" is
	// [DefaultPrefix]. Processes share what has the same prefix. At most 64 bytes,
	// without braces and spaces.
	Prefix string
	// Sealer encrypts values; nil stores them as they are.
	Sealer Sealer
}

// Tier is a tier of a cache in Redis. It is safe for concurrent use.
type Tier struct {
	client redis.UniversalClient
	prefix string
	sealer Sealer
	own    bool // the client is closed with the tier
}

var (
	_ cache.Far    = (*Tier)(nil)
	_ cache.Leaser = (*Tier)(nil)
	_ cache.Bus    = (*Tier)(nil)
)

// Open makes a tier with a client of its own, tuned to give up early. It dials nothing:
// a Redis that is away now may come later. The forms of the URL are
//
//	redis://user:password@host:6379/0             one server
//	rediss://…                                    the same over TLS 1.2 or newer
//	unix:///path/to/socket?db=0                   one server, by its socket
//	redis://host:7000?cluster=true                a cluster, found from one node
//	redis://host:7000?addr=host2:7000             a cluster, found from any of several
//	redis://host:26379?master_name=m&addr=…       the master m that sentinels name
//
// User and password are the server's; sentinels have sentinel_username and
// sentinel_password. Of TLS, ca_file=PATH names the authority to trust, cert_file and
// key_file the client's own certificate, server_name=NAME what the server's has to bear.
//
// All problems are reported at once, as [cache.ErrConfig]; the text never quotes the URL.
func Open(url string, o Options) (*Tier, error) {
	client, err := redisconn.Open(url)
	if err != nil {
		return nil, errors.Join(problem("%w", err), o.check())
	}
	t, err := New(client, o)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	t.own = true
	return t, nil
}

// New makes a tier on the caller's client, which stays the caller's to close, after the
// cache. All problems are reported at once, as [cache.ErrConfig].
func New(client redis.UniversalClient, o Options) (*Tier, error) {
	if err := errors.Join(checkClient(client), o.check()); err != nil {
		return nil, err
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	return &Tier{client: client, prefix: o.Prefix, sealer: o.Sealer}, nil
}

// Close closes the client that [Open] made. The cache is closed first.
func (t *Tier) Close() error {
	if !t.own {
		return nil
	}
	return t.client.Close()
}

func problem(format string, args ...any) error {
	return fmt.Errorf("asleep/rediscache: %w: %w", cache.ErrConfig, fmt.Errorf(format, args...))
}

func (o *Options) check() error {
	if len(o.Prefix) > 64 || strings.ContainsAny(o.Prefix, "{} \t\r\n") {
		return problem("Prefix is %.80q: give at most 64 bytes without braces and spaces", o.Prefix)
	}
	return nil
}

// checkClient refuses clients under which a value that was taken back could be read
// again.
func checkClient(client redis.UniversalClient) error {
	switch c := client.(type) {
	case nil:
		return problem("the client is nil: give one, or a URL to Open")
	case *redis.Ring:
		return problem("a redis.Ring moves keys when a server fails: give a client of one server or of a cluster")
	case *redis.ClusterClient:
		if c.Options().ReadOnly {
			return problem("the cluster client reads from replicas, which may lag behind: turn ReadOnly, RouteByLatency and RouteRandomly off")
		}
	}
	return nil
}

// try runs one operation; it returns soon after ctx has ended.
func try[T any](ctx context.Context, t *Tier, what string, operation func(context.Context) (T, error)) (T, error) {
	result, err := redisconn.Attempt(ctx, t.client, operation)
	if err != nil {
		return result, fmt.Errorf("asleep/rediscache: %s: %w", what, redisconn.Explain(err))
	}
	return result, nil
}
