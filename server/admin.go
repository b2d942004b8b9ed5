package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/webhook"
)

// publicRoutes are those of ADDR.
func (s *Service) publicRoutes() *router {
	m := newRouter()
	m.get("/live", s.live)
	m.get("/ready", s.ready)
	s.reads.routes(m)
	if s.receiver != nil {
		m.all("/asleep-webhook", s.receiver)
		m.all("/webhook", s.receiver)
	}
	return m
}

// adminRoutes are those of ADMIN_ADDR.
func (s *Service) adminRoutes() *router {
	m := newRouter()
	m.get("/live", s.live)
	m.get("/ready", s.ready)
	m.get("/health", s.health)
	m.get("/circuit-breaker/status", s.breakers)
	if s.figures != nil {
		m.get("/metrics", s.figures.page.ServeHTTP)
	}
	if s.inbox != nil {
		m.get("/inbox", s.private(s.listEntries))
		m.get("/inbox/{id}", s.private(s.showEntry))
		m.post("/inbox/replay", s.private(s.replayEntries))
		m.post("/inbox/purge", s.private(s.purgeEntries))
	}
	return m
}

// guard refuses what a browser was tricked into sending: requests by a name that
// somebody else's DNS has turned to this machine, and changes that another site
// asks for.
func (s *Service) guard(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	onlyLocal := isLoopback(s.cfg.AdminAddr)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if onlyLocal && !isLoopback(r.Host) {
			webhook.WriteProblem(w, r, http.StatusMisdirectedRequest, "misdirected", "this address answers to localhost only")
			return
		}
		if err := origins.Check(r); err != nil {
			webhook.WriteProblem(w, r, http.StatusForbidden, "cross_origin", "another site must not ask for changes")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// private lets pass who brings the token, if there is one, and means this
// database.
func (s *Service) private(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.knows(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="asleep"`)
			webhook.WriteProblem(w, r, http.StatusUnauthorized, "unauthorized", "bring ADMIN_TOKEN as a bearer token")
			return
		}
		if meant := r.Header.Get(fileHeader); meant != "" && meant != s.file {
			webhook.WriteProblem(w, r, http.StatusConflict, "other_database", "this service works another database; check DATABASE_URL and ADMIN_ADDR")
			return
		}
		next(w, r)
	}
}

func (s *Service) knows(r *http.Request) bool {
	token := s.token.Load()
	if token.IsZero() {
		return isLoopback(s.cfg.AdminAddr)
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, got := sha256.Sum256([]byte(token.Reveal())), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && ok
}

// Breaker is a breaker as /circuit-breaker/status shows it.
type Breaker struct {
	Name           string    `json:"name"`
	Mode           string    `json:"mode"`
	State          string    `json:"state"`
	Since          time.Time `json:"since,omitzero"` // the outage began
	Until          time.Time `json:"until,omitzero"` // the next probe may go
	Calls          int       `json:"calls"`
	Failures       int       `json:"failures"`
	FailuresInARow int       `json:"failures_in_a_row"`
	Opened         uint64    `json:"opened_total"`
	Refused        uint64    `json:"refused_total"`
}

func (s *Service) breakers(w http.ResponseWriter, _ *http.Request) {
	list := []Breaker{}
	for _, b := range s.stats().Breakers {
		list = append(list, breakerOf(b))
	}
	answer(w, http.StatusOK, map[string]any{"breakers": list})
}

// stats are those of the way to the API, and with them the breakers of the store.
func (s *Service) stats() client.Stats {
	all := s.upstream.stats()
	for _, b := range s.front.Breakers() {
		all.Breakers = append(all.Breakers, client.BreakerStats{
			Name: "store_" + b.Name, Mode: "auto", State: b.State, Since: b.Since, Until: b.Until,
			Calls: b.Calls, InARow: b.InARow, Opened: b.Opened, Refused: b.Refused,
		})
	}
	return all
}

func breakerOf(b client.BreakerStats) Breaker {
	return Breaker{
		Name: b.Name, Mode: b.Mode, State: b.State, Since: b.Since, Until: b.Until,
		Calls: b.Calls, Failures: b.Failures, FailuresInARow: b.InARow, Opened: b.Opened, Refused: b.Refused,
	}
}
