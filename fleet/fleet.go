package fleet

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/internal/redisconn"
)

// ErrClosed means that the [Fleet] was closed.
var ErrClosed = errors.New("fleet: closed")

// ErrAway means that Redis is not to be had and that this process does not know
// what its share of the limit is.
var ErrAway = errors.New("fleet: redis is away")

// Open makes a Redis client that gives up early, which is what this package needs of
// one: no repetitions, one dial, timeouts of 50 ms, contexts heeded. It dials
// nothing. The caller closes the client.
//
//	redis://user:password@host:6379/0             one server; rediss:// for TLS, unix:///path for a socket
//	redis://host:7000?cluster=true                a cluster, from one of its nodes
//	redis://host:7000?addr=host2:7000             a cluster, from any of several
//	redis://host:26379?master_name=m&addr=…       the master m that sentinels name
//
// User and password are the server's; sentinels have sentinel_username and
// sentinel_password. Of TLS, ca_file=PATH names the authority to trust, cert_file and
// key_file the client's own certificate, server_name=NAME what the server's has to bear.
// Options of go-redis, such as dial_timeout or pool_size, go first. The error says what
// is wrong with the URL and does not quote it.
func Open(rawURL string) (redis.UniversalClient, error) {
	client, err := redisconn.Open(rawURL)
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	return client, nil
}

// Options are the options of a [Fleet]. The zero value works.
type Options struct {
	// Prefix begins every key; "" means "asleep". It may not hold { or }.
	Prefix string
	// Secret is what the processes of this fleet have in common and others do
	// not: the API key, as the limits of a service are the key's. It is never sent:
	// names of limits and clients become keys by HMAC-SHA256 under it, so that
	// those of two secrets never meet and none can be guessed. "" is a secret that
	// everybody knows: it is for a Redis of which nobody else has a part.
	Secret string
	// Budget is how long Redis may take to answer; 0 means 20 ms.
	Budget time.Duration
	// Logger is told when Redis goes away and comes back; nil is silent.
	Logger *slog.Logger
}

// Fleet is what processes share over one Redis. Throttles, hints and limits are
// made of it, and end with it. It is safe for concurrent use.
type Fleet struct {
	client  redis.UniversalClient
	options Options
	bus     *bus
	member  string // this process, among others

	mu     sync.Mutex
	closed bool
	parts  []interface{ close() }
}

// New makes a fleet over client, which stays the caller's to close, after the fleet. A
// client that does not heed contexts (ContextTimeoutEnabled) serves too. Nothing is
// sent: that Redis is away is no error.
func New(client redis.UniversalClient, options Options) (*Fleet, error) {
	var errs []error
	if client == nil {
		errs = append(errs, errors.New("fleet: no Redis client: make one with Open"))
	}
	if strings.ContainsAny(options.Prefix, "{}") {
		errs = append(errs, fmt.Errorf("fleet: Prefix %q holds a brace: those say which keys of a cluster belong together", options.Prefix))
	}
	if options.Budget < 0 {
		errs = append(errs, fmt.Errorf("fleet: Budget is %v; want a positive duration, or 0 for 20ms", options.Budget))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if options.Prefix == "" {
		options.Prefix = "asleep"
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Fleet{client: client, options: options, member: nonce(), bus: newBus(client)}, nil
}

// Close ends what was made of the fleet: unused tokens go back, this process leaves
// the others' count, goroutines end. It takes at most some hundred milliseconds,
// whatever Redis does. The Redis client stays open.
func (f *Fleet) Close() error {
	f.mu.Lock()
	parts := f.parts
	f.parts, f.closed = nil, true
	f.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range parts {
		wg.Go(p.close)
	}
	wg.Wait()
	f.bus.close()
	return nil
}

// adopt has a part end with the fleet.
func (f *Fleet) adopt(part interface{ close() }) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	f.parts = append(f.parts, part)
	return nil
}

// guard makes the breaker of one part; changed is told after the logger.
func (f *Fleet) guard(part string, probe func(context.Context) error, changed func(away bool)) *redisconn.Guard {
	return redisconn.NewGuard(f.client, redisconn.Limits{Budget: f.options.Budget}, probe, func(away bool, cause error) {
		if away {
			f.options.Logger.Warn("redis is away", "part", part, "error", redisconn.Explain(cause))
		} else {
			f.options.Logger.Info("redis is back", "part", part)
		}
		changed(away)
	})
}

// key names a part of something in Redis. The parts of one thing share a slot of a
// cluster.
func (f *Fleet) key(kind, part string, names ...string) string {
	return f.options.Prefix + ":" + kind + ":{" + f.digest(append([]string{kind}, names...)...) + "}:" + part
}

// digest stands for names under the secret: 32 hex digits.
func (f *Fleet) digest(names ...string) string {
	mac := hmac.New(sha256.New, []byte(f.options.Secret))
	var length [binary.MaxVarintLen64]byte
	for _, name := range append([]string{"asleep fleet"}, names...) {
		mac.Write(length[:binary.PutUvarint(length[:], uint64(len(name)))])
		mac.Write([]byte(name))
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// nonce is 16 random hex digits.
func nonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}
