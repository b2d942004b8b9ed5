package config_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/config"
)

func key(b byte) string { return base64.StdEncoding.EncodeToString(slices.Repeat([]byte{b}, 32)) }

func TestTheDatabaseIsRead(t *testing.T) {
	t.Parallel()
	d := config.ReadDatabase(config.NewReader())
	if d.URL.Reveal() != "sqlite:./asleep.db" || d.Shown != "sqlite:./asleep.db" || d.Given || d.Keys != nil || d.RetentionDays != 0 {
		t.Errorf("by default it is %+v", d)
	}
	path := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(path, []byte("postgres://me:hunter2@db/asleep\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := config.NewReader(source("environment", "DATABASE_URL_FILE="+path, "ENCRYPTION_KEYS="+key(1)+", "+key(2), "RETENTION_DAYS=30"))
	d = config.ReadDatabase(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if d.URL.Reveal() != "postgres://me:hunter2@db/asleep" || d.Label != "DATABASE_URL_FILE" || !d.Given || d.Keys == nil || d.RetentionDays != 30 {
		t.Errorf("it is %+v", d)
	}
	if shown := fmt.Sprintf("%+v %#v %+v", d, d, r.Values()); strings.Contains(shown, "hunter2") || strings.Contains(shown, key(1)) {
		t.Errorf("a secret is shown: %s", shown)
	}
}

func TestEveryProblemOfTheDatabaseIsListed(t *testing.T) {
	t.Parallel()
	r := config.NewReader(source("environment", "ENCRYPTION_KEYS=hunter2!", "RETENTION_DAYS=-1", "DATABASE_URL=sqlite:x", "DATABASE_URL_FILE=y"))
	config.ReadDatabase(r)
	want := []string{
		`DATABASE_URL_FILE is set beside DATABASE_URL: unset one of them`,
		"ENCRYPTION_KEYS is not accepted: key 1 is not base64: make one with `openssl rand -base64 32`: " +
			"give keys of 32 bytes in base64, separated by commas, the current one first",
		`RETENTION_DAYS "-1" is not a whole number from 0 to 36525: give one`,
	}
	if got := problems(t, r.Err()); !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestAPasswordInADatabaseURLIsNotShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"sqlite:./asleep.db":                            "sqlite:./asleep.db",
		" sqlite:///data/a@b.db?busy_timeout=1s ":       "sqlite:(not shown)",
		"sqlite:/data/a@b.db":                           "sqlite:/data/a@b.db",
		"memory:":                                       "memory:",
		"postgres://db:5432/asleep?sslmode=require":     "postgres://db:5432/asleep?sslmode=require",
		"postgres://me:hunter2@db/asleep":               "postgres://me:xxxxx@db/asleep",
		"postgres://me:hun@ter2@db/asleep":              "postgres:(not shown)",
		"postgres://me:1/hunter2@db/asleep":             "postgres:(not shown)",
		"postgres://me:1#hunter2@db/asleep":             "postgres:(not shown)",
		"postgres://me:hunter2%@db/asleep":              "postgres:(not shown)",
		"postgres://db/asleep?user=me&Password=hunter2": "postgres://db/asleep?Password=xxxxx&user=me",
		"postgres://db/asleep?a=1;password=hunter2":     "postgres://db/asleep",
		"mongodb://me:hunter2@a:27017,b:27017/asleep":   "mongodb:(not shown)",
		"rediss://r?key_file=/etc/r.key":                "rediss://r?key_file=/etc/r.key",
		"redis://r?sentinel_password=hunter2":           "redis://r?sentinel_password=xxxxx",
		"hunter2":                                       "(not a URL)",
	} {
		got := config.ShowURL(text)
		if strings.Contains(got, "ter2") {
			t.Errorf("%q is shown as %q", text, got)
		}
		if got != want && !strings.HasPrefix(text, "mongodb") { // several hosts are no URL to some releases of Go
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func FuzzShowURL(f *testing.F) {
	f.Add("postgres://me:hunter2@db/asleep?password=hunter2")
	f.Add("sqlite:./asleep.db")
	f.Fuzz(func(t *testing.T, text string) {
		// A password in its proper place is hidden, whatever stands beside it.
		if got := config.ShowURL("postgres://me:hunter2@" + text); strings.Contains(got, "hunter2") && !strings.Contains(text, "hunter2") {
			t.Errorf("%q", got)
		}
	})
}
