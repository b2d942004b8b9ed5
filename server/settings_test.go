package server_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/server"
)

// read reads and checks a configuration.
func read(t *testing.T, pairs ...string) (server.Config, []string) {
	t.Helper()
	r := config.NewReader(config.Environment(pairs))
	c := server.ReadConfig(r)
	c.Check(r)
	var problems []string
	if all, ok := errors.AsType[*config.Error](r.Err()); ok {
		for _, p := range all.Problems {
			problems = append(problems, p.Error())
		}
	}
	return c, problems
}

func TestThreeVariablesAreEnough(t *testing.T) {
	t.Parallel()
	c, problems := read(t, "ASLEEP_API_KEY=k", "ASLEEP_WEBHOOK_SECRET=s", "DATABASE_URL=sqlite:./x.db")
	if len(problems) != 0 {
		t.Fatalf("%q", problems)
	}
	if c.Webhooks.Auth != server.AuthSignature || c.Addr != "127.0.0.1:8080" || c.AdminAddr != "127.0.0.1:9090" || c.MaxBody != 8<<20 ||
		c.ReadTimeout != 10*time.Second || !c.Metrics || !c.Webhooks.Confirm || !c.DatabaseGiven || c.Environment != "development" {
		t.Errorf("%+v", c)
	}
}

func TestEverythingThatIsWrongIsTold(t *testing.T) {
	t.Parallel()
	ok := []string{"ASLEEP_API_KEY=k", "ASLEEP_WEBHOOK_SECRET=s"}
	for name, c := range map[string]struct {
		pairs []string
		want  []string // the beginnings of the problems
	}{
		"nothing set":             {nil, []string{"ASLEEP_API_KEY is not set", "ASLEEP_WEBHOOK_SECRET is not set, so nothing would tell a delivery from a forgery"}},
		"signature, no secret":    {[]string{"ASLEEP_API_KEY=k", "WEBHOOK_AUTH=signature"}, []string{"ASLEEP_WEBHOOK_SECRET is not set, and WEBHOOK_AUTH is signature"}},
		"key":                     {[]string{"ASLEEP_API_KEY=k", "WEBHOOK_AUTH=key"}, nil},
		"no such mode":            {append(ok, "WEBHOOK_AUTH=none"), []string{`WEBHOOK_AUTH "none" is not known: give one of signature, key`}},
		"an empty secret":         {[]string{"ASLEEP_API_KEY=k", "ASLEEP_WEBHOOK_SECRET=a,,b"}, []string{"ASLEEP_WEBHOOK_SECRET has an empty entry"}},
		"only commas":             {[]string{"ASLEEP_API_KEY=k", "ASLEEP_WEBHOOK_SECRET=,"}, []string{"ASLEEP_WEBHOOK_SECRET has an empty entry", "ASLEEP_WEBHOOK_SECRET is not set"}},
		"an empty key":            {append(ok, "WEBHOOK_API_KEYS=a, "), []string{"WEBHOOK_API_KEYS has an empty entry"}},
		"no webhooks, no secret":  {[]string{"ASLEEP_API_KEY=k", "ENABLE_WEBHOOKS=off"}, nil},
		"production, no database": {append(ok, "ENVIRONMENT=production"), []string{"DATABASE_URL is not set, and ENVIRONMENT is production"}},
		"production":              {append(ok, "ENVIRONMENT=production", "DATABASE_URL=sqlite:x.db"), nil},
		"no such environment":     {append(ok, "ENVIRONMENT=prod"), []string{`ENVIRONMENT "prod" is not known`}},
		"flags":                   {append(ok, "ENABLE_METRICS=ja", "ENABLE_CACHING=2"), []string{`ENABLE_CACHING "2" is neither`, `ENABLE_METRICS "ja" is neither`}},
		"admin on all addresses":  {append(ok, "ADMIN_ADDR=:9090"), []string{"ADMIN_TOKEN is not set"}},
		"admin by a name":         {append(ok, "ADMIN_ADDR=host.example:9090"), []string{"ADMIN_TOKEN is not set"}},
		"admin with a token":      {append(ok, "ADMIN_ADDR=:9090", "ADMIN_TOKEN=t"), nil},
		"admin on localhost":      {append(ok, "ADMIN_ADDR=localhost:9090"), nil},
		"admin on ::1":            {append(ok, "ADMIN_ADDR=[::1]:9090"), nil},
		"one address for both":    {append(ok, "ADDR=127.0.0.1:9090"), []string{`ADMIN_ADDR "127.0.0.1:9090" is ADDR too`}},
		"free ports for both":     {append(ok, "ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"), nil},
		"no addresses":            {append(ok, "ADDR=8080", "ADMIN_ADDR=127.0.0.1:"), []string{`ADDR "8080" is not an address`, `ADMIN_ADDR "127.0.0.1:" is not an address`}},
		"notify to nobody":        {append(ok, "NOTIFY_SECRET=whsec_AAAA"), []string{"NOTIFY_URL is not set"}},
		"notify nowhere":          {append(ok, "NOTIFY_URL=ftp://x"), []string{`NOTIFY_URL "ftp://x" is not a URL to post to`}},
		"notify in the clear":     {append(ok, "NOTIFY_URL=http://example.com/"), []string{"NOTIFY_URL \"http://example.com/\" would send health data unencrypted"}},
		"notify with a password":  {append(ok, "NOTIFY_URL=https://a:b@example.com/"), []string{"NOTIFY_URL has a user or password in it"}},
		"notify unsigned":         {append(ok, "ENVIRONMENT=staging", "NOTIFY_URL=https://example.com/"), []string{"NOTIFY_SECRET is not set"}},
		"notify at home":          {append(ok, "NOTIFY_URL=http://127.0.0.1:1/"), nil},
		"notify, bad secret":      {append(ok, "NOTIFY_URL=https://example.com/", "NOTIFY_SECRET=whsec_!"), []string{"NOTIFY_SECRET is not accepted"}},
		"Redis":                   {append(ok, "REDIS_URL=rediss://u:p@x:6379/1"), nil},
		"figures":                 {append(ok, "MAX_BODY_BYTES=12", "READ_TIMEOUT=-1", "SHUTDOWN_TIMEOUT=x", "CIRCUIT_BREAKER_FAILURE_THRESHOLD=0", "CIRCUIT_BREAKER_RESET_TIMEOUT=0", "WEBHOOK_MAX_BACKLOG=0", "RETENTION_DAYS=-1"), []string{"RETENTION_DAYS", "CIRCUIT_BREAKER_FAILURE_THRESHOLD", "CIRCUIT_BREAKER_RESET_TIMEOUT", "WEBHOOK_MAX_BACKLOG", "MAX_BODY_BYTES", "READ_TIMEOUT", "SHUTDOWN_TIMEOUT"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := read(t, c.pairs...)
			if len(got) != len(c.want) {
				t.Fatalf("problems:\n  %s\nwant %d", strings.Join(got, "\n  "), len(c.want))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("%q, want one that begins with %q", got[i], want)
				}
			}
		})
	}
}

func TestSecretsComeInListsAndFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, []byte("new, old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := read(t, "ASLEEP_API_KEY=k", "ASLEEP_WEBHOOK_SECRET_FILE="+file, "WEBHOOK_API_KEYS=k2,k1")
	if len(problems) != 0 {
		t.Fatalf("%q", problems)
	}
	var got []string
	for _, s := range append(c.Webhooks.Secrets, c.Webhooks.Keys...) {
		got = append(got, s.Reveal())
	}
	if want := []string{"new", "old", "k2", "k1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheEnvironmentIsJudgedByTheClientToo(t *testing.T) {
	for _, pair := range []string{"ASLEEP_API_KEY=k\tk", "ASLEEP_BASE_URL=http://example.com", "ASLEEP_WEBHOOK_SECRET=s", "ENVIRONMENT=moon"} {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	_, err := server.FromEnv()
	for _, want := range []string{"ENVIRONMENT \"moon\"", "ASLEEP_API_KEY", "ASLEEP_BASE_URL"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s: %v", want, err)
		}
	}
}

func TestNewTellsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	cfg := server.DefaultConfig()
	cfg.MaxBody = 0
	cfg.Upstream.BaseURL = "http://api.example"
	cfg.Notify.URL = "http://notify.example"
	cfg.Reading.Keys = []server.Secret{server.NewSecret("short")}
	cfg.Limits.Statistics = 0
	_, err := server.New(cfg, nil)
	if err == nil {
		t.Fatal("it was made")
	}
	for _, name := range []string{
		"the store is nil",
		"ASLEEP_API_KEY", "ASLEEP_BASE_URL", "ASLEEP_WEBHOOK_SECRET", "NOTIFY_URL", "READ_API_KEYS", "RATE_LIMIT_STATISTICS is 0", "MAX_BODY_BYTES is 0",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in: %v", name, err)
		}
	}
}
