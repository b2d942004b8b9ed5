package server_test

import (
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/config"
	"github.com/asleep-sdk/asleep/server"
)

func TestSettingsOfReadersAreReadAndWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	read := func(list ...string) (server.Config, error) {
		r := config.NewReader(config.Environment(append([]string{"ASLEEP_API_KEY=k", "ASLEEP_WEBHOOK_SECRET=" + secret}, list...)))
		c := server.ReadConfig(r)
		c.Check(r)
		return c, r.Err()
	}
	c, err := read("READ_API_KEYS="+readKey+", second-key-00000000", "TRUSTED_PROXIES=10.0.0.0/8,::ffff:192.0.2.1", "CORS_ALLOWED_ORIGINS=https://App.example.com:8443",
		"RATE_LIMIT_WINDOW_SECONDS=30", "RATE_LIMIT_SESSIONS=7", "RATE_LIMIT_ENABLED=off", "READ_API_TIMEOUT=2", "CACHE_TTL_SECONDS=60")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Reading.Keys) != 2 || len(c.TrustedProxies) != 2 || c.TrustedProxies[1].String() != "192.0.2.1/32" || c.CORSOrigins[0] != "https://app.example.com:8443" ||
		c.Limits.Window.Seconds() != 30 || c.Limits.Sessions != 7 || c.Limits.Requests != 100 || c.Limits.Enabled || c.Reading.Timeout.Seconds() != 2 || c.CacheTTL.Minutes() != 1 {
		t.Errorf("%+v", c)
	}
	for setting, want := range map[string]string{
		"READ_API_KEYS=short":                         "fewer than 16",
		"READ_API_TIMEOUT=31":                         "31s is more than 30s",
		"TRUSTED_PROXIES=10.0.0.0/33":                 `"10.0.0.0/33" is no range`,
		"RATE_LIMIT_EXEMPT=office":                    `"office" is no range`,
		"CORS_ALLOWED_ORIGINS=app.example.com":        `"app.example.com" is no origin`,
		"CORS_ALLOWED_ORIGINS=https://a.example/path": "is no origin",
		"CORS_ALLOWED_ORIGINS=https://*.example.com":  "is no origin",
		"RATE_LIMIT_STATISTICS=0":                     `"0" is not a whole number`,
		"RATE_LIMIT_WINDOW_SECONDS=48h":               "window of 48h",
		"CACHE_TTL_SECONDS=never":                     `"never" is not a positive time`,
	} {
		if _, err := read(setting); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "short") && strings.HasPrefix(setting, "READ_API_KEYS") && !strings.Contains(err.Error(), "fewer") {
			t.Errorf("%s: %v, want %q", setting, err, want)
		}
	}
	if _, err := read("CORS_ALLOWED_ORIGINS=*", "ENVIRONMENT=production", "DATABASE_URL=sqlite:x"); err == nil || !strings.Contains(err.Error(), "CORS_ALLOWED_ORIGINS is *") {
		t.Errorf("%v", err)
	}
}
