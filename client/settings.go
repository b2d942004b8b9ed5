package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// settings collects what New was given; nothing is judged before all of it is
// there.
type settings struct {
	apiKey    func() string // a closure, which no formatter looks into
	keySource string        // what to name in a complaint about the key
	baseURL   string
	retry     Retry
	timeouts  Timeouts
	pool      Pool
	throttle  Throttle
	limiter   Limiter
	hedging   Hedging

	revalidation Revalidation
	bulkhead     Bulkhead
	userAgent    string
	timezone     string
	maxBody      int64

	budget     Budget
	breaker    Breaker
	middleware Middlewares
	hooks      []transport.Hooks

	cache      *cache.Cache
	cacheHooks []func(context.Context, CacheAnswer)

	httpClient *http.Client
	// What was given explicitly, where that matters.
	httpClientGiven, timeoutsGiven, poolGiven bool

	problems []error
}

func newSettings(apiKey string) *settings {
	return &settings{
		apiKey:    func() string { return apiKey },
		keySource: "API key",
		retry:     DefaultRetry(),
		timeouts:  DefaultTimeouts(),
		budget:    DefaultBudget(),
		breaker:   DefaultBreaker(),
		throttle:  DefaultThrottle(),
		bulkhead:  DefaultBulkhead(),
	}
}

func (s *settings) apply(opts []Option) {
	for _, opt := range opts {
		if opt != nil {
			opt(s)
		}
	}
}

// problem notes one thing that is wrong.
func (s *settings) problem(option, format string, args ...any) {
	s.problems = append(s.problems, &OptionError{Option: option, Problem: fmt.Sprintf(format, args...)})
}

// client judges everything and makes the client.
func (s *settings) client() (*Client, error) {
	base := s.checkBaseURL()
	zones := new(zones)
	s.checkKey()
	s.checkFigures()
	s.checkHTTPClient()
	if problem := visibleASCII(s.userAgent, true); problem != "" {
		s.problem("WithUserAgent", "%q %s: give a product name such as nightly-report/1.2", clip(s.userAgent, 80), problem)
	}
	if problem := zones.check(s.timezone); problem != "" {
		s.problem("WithTimezone", "%s", problem)
	}
	policies := s.policies()
	if len(s.problems) > 0 {
		return nil, errors.Join(s.problems...)
	}
	wire, attempt := s.wire()
	return &Client{
		doer: transport.New(transport.Config{
			Base:           wire,
			APIKey:         transport.NewKey(s.apiKey()),
			BaseURL:        base,
			UserAgent:      strings.TrimSpace(s.userAgent + " " + ownUserAgent()),
			Retry:          transport.Retry(s.retry),
			Budget:         policies.budget,
			Breakers:       policies.breakers,
			Bulkhead:       policies.bulkhead,
			Throttle:       policies.throttle,
			Shared:         policies.shared,
			Hedge:          policies.hedge,
			AttemptTimeout: attempt,
			Timeouts:       s.attemptTimeouts(),
			MaxBody:        s.maxBody,
			Outer:          chain(s.middleware.PerCall),
			Inner:          append(chain(s.middleware.PerAttempt), watchBatches),
			Hooks:          s.hooks,
		}),
		breakers: policies.breakers,
		server:   strings.TrimSuffix(base.String(), "/") + "/",
		base:     base,
		zone:     s.timezone,
		overall:  s.effectiveTimeouts().Overall,
		redactor: redactor{key: s.apiKey},
		zones:    zones,

		cache:  s.cache,
		tenant: cache.TenantOf(s.apiKey(), base.String()),
		watch:  &cacheWatch{hooks: s.cacheHooks},
		memory: newMemory(s.revalidation.MaxBytes),
	}, nil
}

// wire returns the way to the network and the timeout of an attempt in the
// pipeline's convention, where negative means none.
func (s *settings) wire() (http.RoundTripper, time.Duration) {
	attempt := s.effectiveTimeouts().Attempt
	if attempt == 0 {
		attempt = -1
	}
	if s.httpClientGiven {
		base, timeout := transport.FromClient(s.httpClient)
		if timeout > 0 && !s.timeoutsGiven {
			attempt = timeout
		}
		return base, attempt
	}
	pool := transport.NewPool(transport.PoolConfig{
		Concurrency: max(s.pool.MaxConnections, s.bulkhead.Limit),
		DialTimeout: s.pool.DialTimeout, TLSTimeout: s.pool.TLSTimeout, IdleTimeout: s.pool.IdleTimeout,
	})
	pool.MaxConnsPerHost = s.pool.MaxConnections
	return pool, attempt
}

// effectiveTimeouts fills the fields left out, unless all are.
func (s *settings) effectiveTimeouts() Timeouts {
	t, byDefault := s.timeouts, DefaultTimeouts()
	if t == (Timeouts{}) {
		return t
	}
	if t.Delete == 0 && t.Attempt == 0 {
		t.Delete = byDefault.Delete
	}
	t.Attempt = cmp.Or(t.Attempt, byDefault.Attempt)
	t.Overall = cmp.Or(t.Overall, byDefault.Overall)
	return t
}

// attemptTimeouts are the timeouts of operations that have one of their own. The
// timeout of a caller's http.Client is for all.
func (s *settings) attemptTimeouts() transport.Timeouts {
	if s.httpClientGiven && s.httpClient != nil && s.httpClient.Timeout > 0 && !s.timeoutsGiven {
		return transport.Timeouts{}
	}
	t := s.effectiveTimeouts()
	return transport.Timeouts{Get: t.Get, List: t.List, Create: t.Create, Delete: t.Delete}
}

func (s *settings) checkKey() {
	key := s.apiKey()
	if s.keySource == "" {
		return // said already
	}
	if key == "" {
		s.problem(s.keySource, "missing: give the API key of your Asleep dashboard (NewFromEnv reads it from %s or %s)",
			EnvAPIKey, EnvAPIKeyFile)
		return
	}
	if problem := visibleASCII(key, false); problem != "" {
		s.problem(s.keySource, "%s: copy the key again, without what surrounds it (it is not shown here)", problem)
	}
}

// figure is a setting that must not be negative.
type figure struct {
	option, name string
	value        any
	negative     bool
}

func (s *settings) checkFigures() {
	duration := func(option, name string, d time.Duration) figure { return figure{option, name, d, d < 0} }
	for _, f := range []figure{
		{"WithRetry", "Attempts", s.retry.Attempts, s.retry.Attempts < 0},
		duration("WithRetry", "Base", s.retry.Base),
		duration("WithRetry", "Max", s.retry.Max),
		duration("WithRetry", "RetryAfterMax", s.retry.RetryAfterMax),
		duration("WithTimeouts", "Attempt", s.timeouts.Attempt),
		duration("WithTimeouts", "Overall", s.timeouts.Overall),
		duration("WithTimeouts", "Get", s.timeouts.Get),
		duration("WithTimeouts", "List", s.timeouts.List),
		duration("WithTimeouts", "Create", s.timeouts.Create),
		duration("WithTimeouts", "Delete", s.timeouts.Delete),
		{"WithPool", "MaxConnections", s.pool.MaxConnections, s.pool.MaxConnections < 0},
		duration("WithPool", "DialTimeout", s.pool.DialTimeout),
		duration("WithPool", "TLSTimeout", s.pool.TLSTimeout),
		duration("WithPool", "IdleTimeout", s.pool.IdleTimeout),
		{"WithMaxBody", "bytes", s.maxBody, s.maxBody < 0},
		{"WithRevalidation", "MaxBytes", s.revalidation.MaxBytes, s.revalidation.MaxBytes < 0},
	} {
		if f.negative {
			s.problem(f.option, "%s is %v: give 0 or more", f.name, f.value)
		}
	}
	if r := s.retry; r.Base > 0 && r.Max > 0 && r.Base > r.Max {
		s.problem("WithRetry", "Base %v is longer than Max %v: give a shorter Base", r.Base, r.Max)
	}
}

func (s *settings) checkHTTPClient() {
	if !s.httpClientGiven {
		return
	}
	if s.httpClient == nil {
		s.problem("WithHTTPClient", "nil: give a client, or leave the option out")
	}
	if s.poolGiven {
		s.problem("WithPool", "has no effect beside WithHTTPClient: tune that client's Transport instead")
	}
}

// checkBaseURL returns the base URL, never nil.
func (s *settings) checkBaseURL() *url.URL {
	raw := s.baseURL
	if raw == "" {
		raw = DefaultBaseURL
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's own text may repeat a password.
		s.problem("base URL", "%q is not a URL: give one such as %s", hideUserinfo(raw), DefaultBaseURL)
		return new(url.URL)
	}
	shown := hideUserinfo(raw)
	switch {
	case u.Hostname() == "":
		s.problem("base URL", "%q has no host: give one such as %s", shown, DefaultBaseURL)
	case u.Scheme != "https" && u.Scheme != "http":
		s.problem("base URL", "%q has the scheme %q: use https", shown, u.Scheme)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		s.problem("base URL", "%q would send the API key unencrypted: use https (http is accepted for loopback hosts only)", shown)
	}
	if !validPort(u.Port()) {
		s.problem("base URL", "%q has the port %s: give 1 to 65535", shown, u.Port())
	}
	if u.User != nil {
		s.problem("base URL", "%q has a user or password in it: remove it, the API key is all the service asks for", shown)
	}
	if u.RawQuery != "" || u.ForceQuery {
		s.problem("base URL", "%q has a query: remove everything from the question mark on", shown)
	}
	if strings.Contains(raw, "#") {
		s.problem("base URL", "%q has a fragment: remove everything from the # on", shown)
	}
	return u
}

// ownUserAgent names this module and its version.
var ownUserAgent = sync.OnceValue(func() string {
	const module = "github.com/asleep-sdk/asleep"
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module && m.Version != "" {
				version = m.Version
			}
		}
	}
	return "asleep-go/" + version
})
