//go:build unix

package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/webhook"
	"github.com/asleep-sdk/asleep/webhook/webhooktest"
)

// The credentials of the suite. The documents' scheme takes the secrets as they
// are, Standard Webhooks as base64.
const (
	caseKey, caseOtherKey       = "ak-case-4242424242", "ak-case-old-17171717"
	caseSecret, caseOtherSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "b2xkIHNlY3JldCBvZiBsYXN0IHllYXI="
)

// cases is a site whose service the suite can judge, and do everything to that it
// likes to.
type cases struct {
	*site
	*service

	sink    *sink
	backlog int
}

func newCases(t *testing.T, backlog int, env ...string) *cases {
	t.Helper()
	c := &cases{sink: newSink(t), backlog: backlog}
	c.site = newSite(t, append(c.sink.env(), env...)...)
	c.env = append(c.env, "ASLEEP_WEBHOOK_SECRET=", "LOG_LEVEL=debug",
		"ASLEEP_WEBHOOK_SECRET_FILE="+filepath.Join(c.dir, "secrets"), "WEBHOOK_API_KEYS_FILE="+filepath.Join(c.dir, "keys"))
	c.write(t, "secrets", caseSecret+","+caseOtherSecret)
	c.write(t, "keys", caseKey+","+caseOtherKey)
	c.service = c.serve(t)
	return c
}

func (c *cases) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *cases) target(mode webhook.Mode) webhooktest.Target {
	return webhooktest.Target{
		URL: c.url + "/webhook", Mode: mode, Key: caseKey, Secret: caseSecret, OtherKey: caseOtherKey, OtherSecret: caseOtherSecret,
		Stored: c.count,
		Break:  func(t *testing.T) func() { t.Helper(); return lock(t, c.file()) },
		Fill:   c.fill,
		Retire: c.retire,
		Log:    func(*testing.T) string { return c.stderr.String() },
	}
}

// count counts the events of a session.
func (c *cases) count(t *testing.T, session string) (n int) {
	t.Helper()
	for after := ""; ; {
		var page struct{ Entries []server.Entry }
		text := c.page(t, fmt.Sprintf("/inbox?ids=true&limit=%d&after=%s", store.MaxLimit, after))
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			if after = e.ID; e.Session == session {
				n++
			}
		}
		if len(page.Entries) < store.MaxLimit {
			return n
		}
	}
}

// fill has nobody answer notifications, so that events stay, until drain is
// called.
func (c *cases) fill(t *testing.T) (drain func()) {
	t.Helper()
	hold := make(chan struct{})
	c.sink.block(hold)
	h := newHook(t, caseSecret)
	h.sender.Key = caseKey
	n := 0
	post := func() int {
		n++
		status, _ := h.post(c.url, completed("filler", fmt.Sprintf("filler-%d", n)))
		return status
	}
	eventually(t, "the backlog is full", func() bool {
		for range c.backlog {
			if post() == http.StatusServiceUnavailable {
				return true
			}
		}
		return false
	})
	return func() {
		c.sink.block(nil)
		close(hold)
		eventually(t, "there is room again", func() bool { return post() == http.StatusOK })
	}
}

func (c *cases) retire(t *testing.T) {
	t.Helper()
	c.write(t, "secrets", caseSecret)
	c.write(t, "keys", caseKey)
	c.signal(t, syscall.SIGHUP)
	eventually(t, "the old ones are retired", func() bool { return strings.Contains(c.stderr.String(), "read anew") })
}

func (c *cases) check(t *testing.T) {
	t.Helper()
	c.signal(t, syscall.SIGTERM)
	for _, never := range []string{caseKey, caseOtherKey, caseSecret, caseOtherSecret} {
		if strings.Contains(c.stderr.String(), never) {
			t.Errorf("the log has a secret")
		}
	}
}

func TestTheRunningServiceMeetsTheListOfCases(t *testing.T) {
	t.Parallel()
	const backlog = 300
	for name, mode := range map[string]webhook.Mode{"signature": webhook.ModeSignature, "key": webhook.ModeKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCases(t, backlog, "DATABASE_URL=sqlite:asleep.db?busy_timeout=200ms", "READ_TIMEOUT=10s", fmt.Sprintf("WEBHOOK_MAX_BACKLOG=%d", backlog), "MAX_BODY_BYTES=1000000", "WEBHOOK_AUTH="+name, "WEBHOOK_CONFIRM=false")
			target := c.target(mode)
			target.MaxBody, target.HeaderTimeout, target.BodyTimeout = 1_000_000, 5*time.Second, 10*time.Second
			webhooktest.Run(t, target)
			c.check(t)
		})
	}
}

// TestTheServiceAsShippedMeetsTheListOfCases sets nothing but credentials.
func TestTheServiceAsShippedMeetsTheListOfCases(t *testing.T) {
	t.Parallel()
	c := newCases(t, 0)
	target := c.target(webhook.ModeSignature)
	target.HeaderTimeout, target.BodyTimeout = 5*time.Second, 10*time.Second
	target.Fill = nil // its backlog is 100,000
	webhooktest.Run(t, target)
	c.check(t)
}
