package postgres

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/asleep-sdk/asleep/store"
)

const (
	defaultSchema      = "asleep"
	defaultTimeout     = 5 * time.Second
	defaultConnections = 16
	connectTimeout     = 3 * time.Second
)

// config is a URL that was read.
type config struct {
	pool     *pgxpool.Config
	schema   string
	timeout  time.Duration // of a call
	readOnly bool
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// parseURL takes our own parameters from the URL and leaves the others to the
// driver.
func parseURL(rawURL string, readOnly bool) (cfg config, err error) {
	bad := func(format string, args ...any) (config, error) {
		return config{}, fmt.Errorf("%w: "+format, append([]any{store.ErrInvalid}, args...)...)
	}
	u, err := url.Parse(rawURL)
	var q url.Values
	if err == nil {
		q, err = url.ParseQuery(u.RawQuery)
	}
	if err != nil { // it repeats the URL, password and all
		return bad("the URL cannot be parsed: percent-encode what is special in it")
	}
	cfg = config{schema: defaultSchema, timeout: defaultTimeout, readOnly: readOnly}
	if v := q.Get("schema"); v != "" {
		if cfg.schema = v; !schemaName.MatchString(v) || strings.HasPrefix(v, "pg_") {
			return bad("schema=%s is not a name of lower-case letters, digits and '_'", v)
		}
	}
	if v := q.Get("timeout"); v != "" {
		if cfg.timeout, err = time.ParseDuration(v); err != nil || cfg.timeout < time.Millisecond {
			return bad("timeout=%s is not a duration such as 5s", v)
		}
	}
	if q.Has("search_path") {
		return bad("search_path is set by the program: write schema=NAME")
	}
	q.Del("schema")
	q.Del("timeout")
	u.RawQuery = q.Encode()
	if cfg.pool, err = pgxpool.ParseConfig(u.String()); err != nil {
		return bad("the URL is not accepted: %s", withoutSecrets(err, u))
	}
	if cfg.pool.ConnConfig.Database == "" {
		return bad("the URL names no database: write postgres://USER@HOST/DATABASE")
	}
	if conn := cfg.pool.ConnConfig; conn.StatementCacheCapacity == 0 && conn.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		return bad("statement_cache_capacity=0 needs a mode without a cache: write default_query_exec_mode=exec as well")
	}
	cfg.settle(q)
	return cfg, nil
}

// withoutSecrets is what the driver says of a URL, without the URL.
func withoutSecrets(err error, u *url.URL) string {
	text := err.Error()
	if _, after, ok := strings.Cut(text, "`: "); ok {
		text = after
	}
	password, _ := u.User.Password()
	for _, secret := range []string{password, url.QueryEscape(password), u.Query().Get("password"), u.Query().Get("sslpassword")} {
		if secret != "" && strings.Contains(text, secret) {
			return "a parameter is wrong"
		}
	}
	return text
}

// settle fills in what the URL leaves open.
func (cfg *config) settle(q url.Values) {
	conn := cfg.pool.ConnConfig
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "asleep"
	}
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
	}
	if !q.Has("pool_max_conns") {
		cfg.pool.MaxConns = defaultConnections
	}
	if !q.Has("pool_max_conn_lifetime_jitter") {
		cfg.pool.MaxConnLifetimeJitter = 5 * time.Minute
	}
	cfg.pool.PingTimeout = connectTimeout
	text := cfg.settings(conn.RuntimeParams)
	cfg.pool.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		return setUp(ctx, c.PgConn(), text)
	}
}

func setUp(ctx context.Context, c *pgconn.PgConn, text string) error {
	_, err := c.Exec(ctx, text).ReadAll()
	return err
}

// settings are the statements that every connection begins with; what the URL
// sets stays. They are sent when the connection stands, as poolers refuse unknown
// parameters at its start.
//
// Every statement of this package is meant to use an index. A plan that was made
// while a table was small, and kept, would go on to read all of it when it has
// grown, so plans that read whole tables are made the last resort.
func (cfg *config) settings(given map[string]string) string {
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	list := []struct{ name, value string }{
		{"statement_timeout", ms(cfg.timeout)},
		{"lock_timeout", ms(max(cfg.timeout/2, time.Millisecond))},
		{"idle_in_transaction_session_timeout", ms(2 * cfg.timeout)},
		{"default_transaction_isolation", "'read committed'"},
		{"enable_seqscan", "off"},
		{"jit", "off"},
	}
	if cfg.readOnly {
		list = append(list, struct{ name, value string }{"default_transaction_read_only", "on"})
	}
	var text strings.Builder
	text.WriteString("SET search_path = " + pgx.Identifier{cfg.schema}.Sanitize())
	for _, s := range list {
		if _, ok := given[s.name]; !ok || s.name == "default_transaction_read_only" {
			text.WriteString("; SET " + s.name + " = " + s.value)
		}
	}
	return text.String()
}
