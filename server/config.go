package server

import (
	"net/netip"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/server/limits"
	"github.com/asleep-sdk/asleep/store"
)

// Secret is a text that nothing prints. The zero Secret is none.
type Secret = config.Secret

// NewSecret hides a text.
func NewSecret(text string) Secret { return config.NewSecret(text) }

// Config is what a service is made of. [FromEnv] reads it; a program may as well
// begin with [DefaultConfig] and fill in the rest.
type Config struct {
	// Environment is development, staging or production. In production the
	// database has to be named.
	Environment string

	// Addr is where the sender of the webhooks, and readers come in;
	// AdminAddr where its operators do. Port 0 is any free port.
	Addr, AdminAddr string
	// AdminToken has to be brought as a bearer token by who asks for, or
	// changes, what is in the inbox. It is needed when AdminAddr is not a
	// loopback address.
	AdminToken Secret

	Upstream Upstream
	Webhooks Webhooks
	Notify   Notify

	// DatabaseURL names the store, and DatabaseGiven says that somebody did.
	DatabaseURL   Secret
	DatabaseGiven bool
	// Sealer encrypts payloads in the store; nil leaves them as they are.
	Sealer store.Sealer
	// RetentionDays is how long sessions are kept; 0 for ever.
	RetentionDays int

	// RedisURL names the Redis that the processes of an installation share. Whoever
	// calls [New] connects to it, and hands over the cache by [WithCache] and what
	// becomes a part of the health by [WithCheck].
	RedisURL Secret
	// Caching lets reads of the service be answered from memory, what changes for
	// CacheTTL at most. What a delivery says is confirmed by the service itself.
	Caching  bool
	CacheTTL time.Duration

	// Reading is the read API, Limits how often it may be asked.
	Reading Reading
	Limits  Limits
	// CORSOrigins are the origins, such as https://app.example.com, whose pages may
	// read; * is all.
	CORSOrigins []string
	// TrustedProxies are believed about whom they forward for (X-Forwarded-For).
	TrustedProxies []netip.Prefix

	// Metrics serves /metrics on AdminAddr.
	Metrics bool

	// MaxBody is the largest body that is taken, in bytes.
	MaxBody int64
	// ReadTimeout bounds the reading of a request, from its first byte to its last.
	ReadTimeout time.Duration
	// ShutdownTimeout bounds the way from the first signal to the end.
	ShutdownTimeout time.Duration
	// LogUserIDs writes user ids into the log as they are, not as digests.
	LogUserIDs bool
}

// Upstream is how the service is called, to confirm what a delivery says.
type Upstream struct {
	APIKey  Secret
	BaseURL string // empty: the service itself
	// MaxConnections and RequestTimeout are as [client.Pool].MaxConnections and
	// [client.Timeouts].Attempt; 0 leaves their defaults.
	MaxConnections int
	RequestTimeout time.Duration
	// BreakerFailures in a row open the breaker, BreakerReset is how long it stays
	// open; 0 leaves the defaults of [client.DefaultBreaker].
	BreakerFailures int
	BreakerReset    time.Duration
	// Rate is the ceiling of calls a second; 0 leaves that of
	// [client.DefaultThrottle].
	Rate float64
}

// The modes of [Webhooks].Auth.
const (
	AuthSignature = "signature" // a delivery has to be signed
	AuthKey       = "key"       // the right x-api-key will do, as the service signs nothing
)

// Webhooks is what is taken as a delivery.
type Webhooks struct {
	Enabled bool
	Auth    string   // [AuthSignature] or [AuthKey]
	Secrets []Secret // that deliveries are signed with; any of them will do
	Keys    []Secret // that x-api-key may hold; none: the API key of Upstream
	// Confirm has every event that only a key vouches for confirmed by a call to
	// the service before it is acted on.
	Confirm bool
	// Backlog is how many events may wait to be worked; more are answered 503.
	Backlog int
}

// Notify is whom to tell of what was stored. It is off without a URL.
type Notify struct {
	URL string
	// Secrets sign the notifications, as Standard Webhooks do: base64 after an
	// optional whsec_. Every one signs, so that they can be rotated. None is
	// needed in development only.
	Secrets []Secret
}

// DefaultConfig is what a service is without any settings.
func DefaultConfig() Config {
	return Config{
		Environment:     "development",
		Addr:            "127.0.0.1:8080",
		AdminAddr:       "127.0.0.1:9090",
		Webhooks:        Webhooks{Enabled: true, Confirm: true, Backlog: 100_000},
		DatabaseURL:     NewSecret(config.DefaultDatabase),
		Metrics:         true,
		Caching:         true,
		CacheTTL:        5 * time.Minute,
		Reading:         Reading{Timeout: 15 * time.Second},
		Limits:          Limits{Enabled: true, Window: time.Minute, Requests: 100, Sessions: 10, Statistics: 5, Failures: 100, Algorithm: limits.TokenBucket},
		MaxBody:         8 << 20,
		ReadTimeout:     10 * time.Second,
		ShutdownTimeout: 25 * time.Second,
	}
}

// StoreOptions are those that the settings ask for, for [store.Open].
func (c Config) StoreOptions() store.Options { return store.Options{Sealer: c.Sealer} }

// clientOptions are those that the settings ask for.
func (u Upstream) clientOptions() []client.Option {
	options := []client.Option{client.WithBaseURL(u.BaseURL), client.WithUserAgent("asleep-serve")}
	if u.MaxConnections > 0 {
		options = append(options, client.WithPool(client.Pool{MaxConnections: u.MaxConnections}))
	}
	if u.RequestTimeout > 0 {
		options = append(options, client.WithTimeouts(client.Timeouts{Attempt: u.RequestTimeout}))
	}
	breaker := client.DefaultBreaker()
	if u.BreakerFailures > 0 {
		breaker.Failures, breaker.BusyFailures = u.BreakerFailures, 0
	}
	if u.BreakerReset > 0 {
		breaker.OpenFor = u.BreakerReset
	}
	options = append(options, client.WithBreaker(breaker))
	if u.Rate > 0 {
		options = append(options, client.WithThrottle(client.Throttle{Rate: u.Rate}))
	}
	return options
}
