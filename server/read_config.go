package server

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/server/limits"
)

// Reading is the read API. It is off without Keys and without [WithTokenVerifier].
type Reading struct {
	// Keys open it: any of them, for all users. Only their digests are compared.
	Keys []Secret
	// Timeout is how long an answer may take before it is a 504; statistics and
	// summaries may take twice as long.
	Timeout time.Duration
}

// Limits is how often each client may ask. A client is an address, or the /64 that
// an address of IPv6 lies in.
type Limits struct {
	Enabled bool
	// Window is the time in which Sessions requests of each route of sessions,
	// Statistics requests of statistics and Requests requests of any other route of
	// the read API may come, and in which Failures deliveries and requests
	// may have the wrong credentials.
	Window                                   time.Duration
	Requests, Sessions, Statistics, Failures int
	// Algorithm is how they are counted; "" is [limits.TokenBucket].
	Algorithm limits.Algorithm
	// Exempt clients are not limited.
	Exempt []netip.Prefix
}

// maxReading is the most that an answer may be waited for, in accordance with how
// long a connection may be written to.
const maxReading = 30 * time.Second

func (c *Config) readReading(r *config.Reader) {
	c.Reading.Keys = r.Secrets("READ_API_KEYS")
	c.Reading.Timeout = r.Duration(c.Reading.Timeout, "READ_API_TIMEOUT")
	c.CORSOrigins = readList(r, "CORS_ALLOWED_ORIGINS", origin)
	c.TrustedProxies = readList(r, "TRUSTED_PROXIES", prefix)
	l := &c.Limits
	l.Enabled = r.Bool(l.Enabled, "RATE_LIMIT_ENABLED")
	l.Window = r.Duration(l.Window, "RATE_LIMIT_WINDOW_SECONDS")
	l.Algorithm = limits.Algorithm(r.Choice(string(l.Algorithm), []string{string(limits.TokenBucket), string(limits.SlidingWindow)}, "RATE_LIMIT_ALGORITHM"))
	l.Requests = r.Int(l.Requests, 1, math.MaxInt32, "RATE_LIMIT_REQUESTS")
	l.Sessions = r.Int(l.Sessions, 1, math.MaxInt32, "RATE_LIMIT_SESSIONS")
	l.Statistics = r.Int(l.Statistics, 1, math.MaxInt32, "RATE_LIMIT_STATISTICS")
	l.Failures = r.Int(l.Failures, 1, math.MaxInt32, "RATE_LIMIT_FAILURES")
	l.Exempt = readList(r, "RATE_LIMIT_EXEMPT", prefix)
}

func (c Config) checkReading(p *config.Reader) {
	if c.Reading.Timeout > maxReading {
		p.Add("READ_API_TIMEOUT", "%v is more than %v: give less", c.Reading.Timeout, maxReading)
	}
	for _, k := range c.Reading.Keys {
		if len(k.Reveal()) < minReadKey {
			p.Add("READ_API_KEYS", "has a key of fewer than %d characters, which can be guessed: make one with `openssl rand -hex 32`", minReadKey)
			break
		}
		if strings.ContainsFunc(k.Reveal(), func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			p.Add("READ_API_KEYS", "has a key with a space, a line break or a letter that no header can carry: separate keys by commas, and make them with `openssl rand -hex 32`")
			break
		}
	}
	if c.Limits.Enabled {
		c.Limits.check(p)
	}
	for _, o := range c.CORSOrigins {
		if o == "*" && c.Environment == "production" {
			p.Add("CORS_ALLOWED_ORIGINS", "is *, and ENVIRONMENT is production: name the origins whose pages may read")
		}
	}
}

// check notes limits that cannot be kept.
func (l Limits) check(p *config.Reader) {
	for _, one := range []struct {
		name     string
		requests int
	}{
		{"RATE_LIMIT_REQUESTS", l.Requests},
		{"RATE_LIMIT_SESSIONS", l.Sessions},
		{"RATE_LIMIT_STATISTICS", l.Statistics},
		{"RATE_LIMIT_FAILURES", l.Failures},
	} {
		if one.requests < 1 {
			p.Add(one.name, "is %d: give 1 or more", one.requests)
		}
	}
	if err := l.rate(1).Check(); err != nil {
		p.Add("RATE_LIMIT_WINDOW_SECONDS", "is not accepted: %v", err)
	}
}

// minReadKey is the least length of a key, in bytes.
const minReadKey = 16

func (l Limits) rate(requests int) limits.Rate {
	return limits.Rate{Requests: requests, Window: l.Window, Algorithm: l.Algorithm}
}

// readList reads entries between commas.
func readList[T any](r *config.Reader, name string, parse func(string) (T, error)) (list []T) {
	text := r.String("", name)
	if text == "" {
		return nil
	}
	v, _ := r.Find(name)
	for entry := range strings.SplitSeq(text, ",") {
		one, err := parse(strings.TrimSpace(entry))
		if err != nil {
			r.Add(v.Label, "%v", err)
			continue
		}
		list = append(list, one)
	}
	return list
}

// prefix reads a range of addresses, or one address.
func prefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%s is no range of addresses: give one such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1", config.Quote(text))
	}
	return p.Masked(), nil
}

// origin reads an origin as browsers send it.
func origin(text string) (string, error) {
	if text == "*" {
		return text, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") ||
		!strings.EqualFold(u.Scheme+"://"+u.Host, text) || strings.Trim(strings.ToLower(u.Host), "abcdefghijklmnopqrstuvwxyz0123456789-._:[]") != "" {
		return "", fmt.Errorf("%s is no origin: give scheme and host, and nothing behind them, such as https://app.example.com, or https://xn--bcher-kva.example where it has other letters than a to z", config.Quote(text))
	}
	// Browsers leave out the port that goes without saying.
	return strings.TrimSuffix(strings.ToLower(text), map[string]string{"http": ":80", "https": ":443"}[u.Scheme]), nil
}
