package server

import (
	"errors"
	"math"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
)

// FromEnv reads the configuration from the environment, each variable as
// .env.example describes it. The error lists everything that is wrong.
func FromEnv() (Config, error) {
	r := config.NewReader(config.Environment(os.Environ()))
	c := ReadConfig(r)
	c.Check(r)
	c.Upstream.check(r)
	return c, r.Err()
}

// ReadConfig reads the configuration from the sources of r, which belongs to this
// module. Values that make no sense become problems of r; whether they go
// together, [Config.Check] tells.
func ReadConfig(r *config.Reader) Config {
	c := DefaultConfig()
	database := config.ReadDatabase(r)
	c.DatabaseURL, c.DatabaseGiven, c.RetentionDays = database.URL, database.Given, database.RetentionDays
	if database.Keys != nil {
		c.Sealer = database.Keys
	}
	c.Environment = r.Choice(c.Environment, []string{"development", "staging", "production"}, "ENVIRONMENT")
	c.Addr = r.String(c.Addr, "ADDR", "ASLEEP_ADDR")
	c.AdminAddr, c.AdminToken = ReadAdmin(r)
	c.Upstream.read(r)
	c.Webhooks.read(r)
	c.Notify.URL = r.String("", "NOTIFY_URL")
	c.Notify.Secrets = r.Secrets("NOTIFY_SECRET")
	caching := config.ReadCaching(r)
	c.RedisURL, c.Caching, c.CacheTTL = caching.Redis, caching.Enabled, caching.TTL
	c.readReading(r)
	c.Metrics = r.Bool(c.Metrics, "ENABLE_METRICS")
	c.MaxBody = int64(r.Int(int(c.MaxBody), minMaxBody, maxMaxBody, "MAX_BODY_BYTES"))
	c.ReadTimeout = r.Duration(c.ReadTimeout, "READ_TIMEOUT")
	c.ShutdownTimeout = r.Duration(c.ShutdownTimeout, "SHUTDOWN_TIMEOUT")
	c.LogUserIDs = r.Bool(c.LogUserIDs, "LOG_USER_IDS")
	return c
}

// ReadAdmin reads where operators come in, and what they bring.
func ReadAdmin(r *config.Reader) (addr string, token Secret) {
	return r.String(DefaultConfig().AdminAddr, "ADMIN_ADDR", "ASLEEP_ADMIN_ADDR"), r.Secret("ADMIN_TOKEN")
}

// What a body may be bounded to: it is kept in memory.
const (
	minMaxBody = 1 << 10
	maxMaxBody = 1 << 30
)

func (u *Upstream) read(r *config.Reader) {
	settings := config.ReadUpstream(r, client.DefaultBaseURL)
	u.APIKey, u.BaseURL = settings.APIKey, settings.BaseURL
	u.MaxConnections, u.RequestTimeout = settings.MaxConnections, settings.RequestTimeout
	u.BreakerFailures, u.BreakerReset = settings.BreakerFailures, settings.BreakerReset
}

func (w *Webhooks) read(r *config.Reader) {
	w.Enabled = r.Bool(w.Enabled, "ENABLE_WEBHOOKS")
	w.Secrets = r.Secrets("ASLEEP_WEBHOOK_SECRET")
	w.Keys = r.Secrets("WEBHOOK_API_KEYS")
	mode := ""
	if len(w.Secrets) > 0 {
		mode = AuthSignature
	}
	w.Auth = r.Choice(mode, []string{AuthSignature, AuthKey}, "WEBHOOK_AUTH")
	w.Confirm = r.Bool(w.Confirm, "WEBHOOK_CONFIRM")
	w.Backlog = r.Int(w.Backlog, 1, math.MaxInt32, "WEBHOOK_MAX_BACKLOG")
}

// Check notes what does not go together.
func (c Config) Check(p *config.Reader) {
	if c.Environment == "production" && !c.DatabaseGiven {
		p.Add("DATABASE_URL", "is not set, and ENVIRONMENT is production: name the database, so that no event ends in a file nobody knows of, such as sqlite:/var/lib/asleep/asleep.db")
	}
	checkAddr(p, "ADDR", c.Addr)
	if checkAddr(p, "ADMIN_ADDR", c.AdminAddr) && !isLoopback(c.AdminAddr) && c.AdminToken.IsZero() {
		p.Add("ADMIN_TOKEN", "is not set, and ADMIN_ADDR %s can be reached from other machines: set a token, or listen on 127.0.0.1", config.Quote(c.AdminAddr))
	}
	if c.Addr == c.AdminAddr && !strings.HasSuffix(c.Addr, ":0") {
		p.Add("ADMIN_ADDR", "%s is ADDR too: what operators see must not be public, so choose another", config.Quote(c.AdminAddr))
	}
	if c.Webhooks.Enabled {
		c.checkWebhooks(p)
	}
	c.checkNotify(p)
	c.checkReading(p)
}

// problems is everything that is wrong with what a handler is made of; where it listens is
// whoever's who serves it. Each is called by the name of its variable.
func (c Config) problems(db store.Store) error {
	p := config.NewReader()
	if db == nil {
		p.Add("the store", "is nil: open one with store.Open")
	}
	if c.Upstream.APIKey.IsZero() {
		p.Add("ASLEEP_API_KEY", "is not set: Upstream.APIKey is the key that the service is called with")
	}
	c.Upstream.check(p)
	if c.MaxBody < minMaxBody {
		p.Add("MAX_BODY_BYTES", "is %d: give %d or more, or begin with DefaultConfig", c.MaxBody, minMaxBody)
	}
	if c.Webhooks.Enabled {
		c.checkWebhooks(p)
	}
	c.checkNotify(p)
	c.checkReading(p)
	return p.Err()
}

func (c Config) checkWebhooks(p *config.Reader) {
	switch w := c.Webhooks; {
	case w.Auth == AuthSignature && len(w.Secrets) == 0:
		p.Add("ASLEEP_WEBHOOK_SECRET", "is not set, and WEBHOOK_AUTH is signature: set the secret that deliveries are signed with")
	case w.Auth == "":
		p.Add("ASLEEP_WEBHOOK_SECRET", "is not set, so nothing would tell a delivery from a forgery: set it if deliveries reach you signed, "+
			"by a gateway for instance. The service itself signs nothing and sends your API key as x-api-key: for that set WEBHOOK_AUTH=key, "+
			"and every event is confirmed by asking the service before it is acted on")
	case c.Upstream.APIKey.IsZero() && len(w.Keys) == 0: // noted already
	default:
		if _, err := webhook.NewVerifier(c.verification()); err != nil {
			p.Add("webhook secrets", "are not accepted: %v", err)
		}
	}
}

func (c Config) checkNotify(p *config.Reader) {
	n := c.Notify
	switch u, err := url.Parse(n.URL); {
	case n.URL == "" && len(n.Secrets) > 0:
		p.Add("NOTIFY_URL", "is not set, and NOTIFY_SECRET is: say where notifications go, or unset the secret")
	case n.URL == "":
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		p.Add("NOTIFY_URL", "%s is not a URL to post to: give one such as https://example.com/nights", config.Quote(config.ShowURL(n.URL)))
	case u.User != nil:
		p.Add("NOTIFY_URL", "has a user or password in it: take it out, the signature says who sends")
	case u.Scheme == "http" && !isLoopback(u.Host):
		p.Add("NOTIFY_URL", "%s would send health data unencrypted: use https (http is accepted for loopback hosts only)", config.Quote(n.URL))
	case len(n.Secrets) == 0 && c.Environment != "development":
		p.Add("NOTIFY_SECRET", "is not set, and NOTIFY_URL is: whoever is notified could not tell it from a forgery; set one such as whsec_ and 32 random bytes in base64")
	default:
		if _, err := n.open(); err != nil {
			p.Add("NOTIFY_SECRET", "is not accepted: %v", err)
		}
	}
}

// check notes what the client finds wrong.
func (u Upstream) check(p *config.Reader) {
	c, err := client.New(u.APIKey.Reveal(), u.clientOptions()...)
	if err == nil {
		_ = c.Close()
		return
	}
	names := map[string]string{"API key": "ASLEEP_API_KEY", "base URL": "ASLEEP_BASE_URL", "WithBreaker": "CIRCUIT_BREAKER_FAILURE_THRESHOLD"}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		p.Add("settings", "are not accepted: %v", err)
		return
	}
	for _, e := range joined.Unwrap() {
		option, ok := errors.AsType[*client.OptionError](e)
		if !ok || option.Option == "API key" && u.APIKey.IsZero() {
			continue // the missing key is noted already
		}
		subject := option.Option
		if name, ok := names[subject]; ok {
			subject = name
		}
		p.Add(subject, "%s", option.Problem)
	}
}

// checkAddr notes what cannot be listened on.
func checkAddr(p *config.Reader, name, addr string) bool {
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		p.Add(name, "%s is not an address: give HOST:PORT, such as 127.0.0.1:8080, or :8080 for all of this machine's", config.Quote(addr))
		return false
	}
	return true
}

// isLoopback reports whether only this machine reaches an address, whatever
// its port. A name other than localhost may mean anything tomorrow.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = strings.Trim(addr, "[]")
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
