package server

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/rs/cors"

	"github.com/asleep-sdk/asleep/internal/redact"
	"github.com/asleep-sdk/asleep/server/limits"
	"github.com/asleep-sdk/asleep/webhook"
)

// entrance is what stands at the way in from outside, in the order of the
// documentation. A preflight is answered before it is counted; a refusal for asking
// too often is readable for pages of allowed origins.
func (s *Service) entrance(maker LimitsMaker) ([]layer, error) {
	turnstile, err := s.newTurnstile(maker)
	if err != nil {
		return nil, err
	}
	pack, err := gzhttp.NewWrapper(gzhttp.MinSize(1<<10), gzhttp.EnableZstd(false), gzhttp.SuffixETag(gzipSuffix),
		gzhttp.ContentTypes([]string{typeJSON, typeNDJSON, typeYAML}), gzhttp.RandomJitter(64, 0, false))
	if err != nil {
		return nil, err
	}
	return []layer{
		{"process time", timeProcess},
		{"origins", s.origins()},
		{"limits", turnstile.wrap},
		{"compression", forAPI(func(h http.Handler) http.Handler { return pack(h) })},
	}, nil
}

func timeProcess(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r).timed = true
		next.ServeHTTP(w, r)
	})
}

// forAPI puts a layer around the read API alone.
func forAPI(wrap middleware) middleware {
	return func(next http.Handler) http.Handler {
		wrapped := wrap(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, routeAPI) {
				wrapped.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// origins lets the pages of allowed origins read, by the keys that they bring:
// a browser adds nothing of its own, no cookie and no password.
func (s *Service) origins() middleware {
	if len(s.cfg.CORSOrigins) == 0 {
		return func(next http.Handler) http.Handler { return next }
	}
	c := cors.New(cors.Options{
		AllowedOrigins: s.cfg.CORSOrigins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead},
		AllowedHeaders: []string{"Accept", "Authorization", "If-Modified-Since", "If-None-Match", "X-Api-Key", RequestIDHeader},
		ExposedHeaders: []string{
			"Age", "ETag", "Link", "Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
			RequestIDHeader, SourceHeader, PartialHeader, ProcessTimeHeader,
		},
		MaxAge: 600,
	})
	return forAPI(c.Handler)
}

// LimitsMaker makes limits of a rate. The name tells them apart: requests, sessions,
// statistics, failures.
type LimitsMaker func(name string, r limits.Rate) (limits.Limits, error)

// WithLimits has the requests of clients counted by what maker makes, instead of in
// this process. The method Inbound of package fleet's Fleet is such a maker: all
// processes on one Redis then keep the limits together, and each by itself while
// Redis is away. Where limits return an error, requests are let in.
func WithLimits(maker LimitsMaker) Option { return func(s *settings) { s.limits = maker } }

// The names of limits.
const (
	limitRequests   = "requests"
	limitSessions   = "sessions"
	limitStatistics = "statistics"
	limitFailures   = "failures" // of authentication
)

// limitOf is the limit of a route; "" has none.
func limitOf(route string) string {
	switch route {
	case routeSession, routeUserSession, routeSessions:
		return limitSessions
	case routeStatistics:
		return limitStatistics
	case routeSummary, routeDocument, routeAPI, routeRoot:
		return limitRequests
	}
	return ""
}

// turnstile counts who comes in.
type turnstile struct {
	limits  map[string]limits.Limits
	proxies proxies
	exempt  proxies
	log     *slog.Logger
	figures *figures
}

func (s *Service) newTurnstile(maker LimitsMaker) (*turnstile, error) {
	t := &turnstile{limits: map[string]limits.Limits{}, proxies: s.cfg.TrustedProxies, exempt: s.cfg.Limits.Exempt, log: s.log, figures: s.figures}
	l := s.cfg.Limits
	if !l.Enabled {
		return t, nil
	}
	if maker == nil {
		maker = func(_ string, r limits.Rate) (limits.Limits, error) { return limits.NewMemory(r) }
	}
	var problems []error
	for name, requests := range map[string]int{
		limitRequests: l.Requests, limitSessions: l.Sessions, limitStatistics: l.Statistics, limitFailures: l.Failures,
	} {
		made, err := maker(name, l.rate(requests))
		if err != nil {
			problems = append(problems, fmt.Errorf("the limit of %s: %w", name, err))
			continue
		}
		t.limits[name] = made
	}
	return t, errors.Join(problems...)
}

func (t *turnstile) wrap(next http.Handler) http.Handler {
	if len(t.limits) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := t.proxies.client(r)
		route := exchangeOf(r).route
		if probes[route] || t.exempt.has(from) {
			next.ServeHTTP(w, r)
			return
		}
		client := clientKey(from)
		if name := limitOf(route); name != "" {
			d, ok := t.ask(r, name, route+" "+client)
			if ok {
				tell(w.Header(), d)
			}
			if ok && !d.Allowed {
				webhook.WriteProblem(w, r, http.StatusTooManyRequests, codeLimited, "this client asks too often: wait as long as Retry-After says")
				return
			}
		}
		next.ServeHTTP(&refusals{ResponseWriter: w, request: r, turnstile: t, client: client}, r)
	})
}

// ask fails open: without a decision there is no limit.
func (t *turnstile) ask(r *http.Request, name, client string) (limits.Decision, bool) {
	d, err := t.limits[name].Allow(r.Context(), client)
	t.figures.decided(name, d, err)
	if err != nil {
		t.log.WarnContext(r.Context(), "a limit could not be asked: requests are let in", "limit", name, "error", err, "request_id", exchangeOf(r).id)
	}
	return d, err == nil
}

// tell sets the headers of a decision; times are in seconds from now, rounded up.
func tell(h http.Header, d limits.Decision) {
	seconds := func(t time.Duration) string { return strconv.Itoa(int(math.Ceil(t.Seconds()))) }
	h.Set("X-RateLimit-Limit", strconv.Itoa(d.Limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(d.Remaining))
	h.Set("X-RateLimit-Reset", seconds(d.Reset))
	if !d.Allowed {
		h.Set("Retry-After", seconds(d.RetryAfter))
	}
}

// refusals counts the answers 401 of a client, and makes 429 of them where there are
// too many. What is authentic is never counted, and so never refused.
type refusals struct {
	http.ResponseWriter

	request   *http.Request
	turnstile *turnstile
	client    string
	replaced  bool
}

// Unwrap gives the answer to [http.ResponseController].
func (f *refusals) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f *refusals) WriteHeader(status int) {
	if f.replaced {
		return
	}
	if status == http.StatusUnauthorized {
		if d, ok := f.turnstile.ask(f.request, limitFailures, f.client); ok && !d.Allowed {
			f.replaced = true
			f.Header().Del("WWW-Authenticate")
			tell(f.Header(), d)
			webhook.WriteProblem(f.ResponseWriter, f.request, http.StatusTooManyRequests, codeLimited, "too many wrong credentials: wait as long as Retry-After says")
			return
		}
	}
	f.ResponseWriter.WriteHeader(status)
}

func (f *refusals) Write(b []byte) (int, error) {
	if f.replaced {
		return len(b), nil
	}
	return f.ResponseWriter.Write(b)
}

// openReads makes the read API.
func (s *Service) openReads(verifier TokenVerifier) {
	s.reads = &readAPI{
		sessions: s.front.Sessions(), upstream: s.upstream, verifier: verifier, timeout: s.cfg.Reading.Timeout,
		slots: newSlots(), log: s.log, hide: s.hide,
	}
	if s.reads.timeout <= 0 {
		s.reads.timeout = DefaultConfig().Reading.Timeout
	}
	s.reads.keys.Store(newKeyring(s.cfg.Reading.Keys))
	if !s.reads.open() {
		s.log.Info("the read API is off: READ_API_KEYS is not set")
	}
}

// hide takes the ids of a request out of an error, unless they are wanted.
func (s *Service) hide(r *http.Request, err error) string {
	text := err.Error()
	if s.cfg.LogUserIDs {
		return text
	}
	ids := []string{exchangeOf(r).userOf(r), r.PathValue("user"), r.PathValue("session"), r.URL.Query().Get("user_id")}
	for _, id := range ids {
		text = redact.Text(text, id)
	}
	return text
}
