package webhooktest

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/webhook"
)

// Target is a receiver, and what the suite may know of it. Only Key or Secret and
// one of URL and Handler are required; everything else opens more cases.
type Target struct {
	// URL is where events are sent to, such as http://127.0.0.1:8080/webhook.
	URL string
	// Handler is served on a loopback socket for the run, if there is no URL.
	Handler http.Handler

	Mode   webhook.Mode
	Key    string // an accepted x-api-key
	Secret string // an accepted secret; as base64 it opens the cases of Standard Webhooks

	// OtherKey and OtherSecret are accepted beside Key and Secret, for rotation.
	OtherKey, OtherSecret string

	// Tolerance of timestamps; 0 means [webhook.DefaultTolerance].
	Tolerance time.Duration
	// MaxBody is the largest body that is accepted; 0 means 8 MiB.
	MaxBody int64
	// HeaderTimeout and BodyTimeout are within what headers and a body have to
	// come. Zero skips the cases, which take that long.
	HeaderTimeout, BodyTimeout time.Duration

	// Stored counts the events that are stored under a session id.
	Stored func(t *testing.T, sessionID string) int
	// Break makes storing fail until mend is called.
	Break func(t *testing.T) (mend func())
	// Fill makes the backlog exceed its limit until drain is called.
	Fill func(t *testing.T) (drain func())
	// Retire stops accepting OtherKey and OtherSecret. It is called once, last.
	Retire func(t *testing.T)
	// Log returns all that was logged so far.
	Log func(t *testing.T) string
}

// needs are the capabilities that a case may ask for, and how to offer them.
var needs = map[string]struct {
	offered func(Target) bool
	how     string
}{
	"key":       {func(g Target) bool { return g.Key != "" }, "set Target.Key"},
	"secret":    {func(g Target) bool { return g.Secret != "" }, "set Target.Secret"},
	"signature": {func(g Target) bool { return g.Mode == webhook.ModeSignature }, "a receiver in signature mode"},
	"standard": {func(g Target) bool {
		_, err := webhook.SignStandard(g.Secret, "x", time.Unix(1, 0), nil)
		return err == nil
	}, "set Target.Secret to base64"},
	"rotation":  {func(g Target) bool { return g.OtherKey != "" && g.OtherSecret != "" }, "set Target.OtherKey and OtherSecret"},
	"retire":    {func(g Target) bool { return g.Retire != nil && g.OtherKey != "" && g.OtherSecret != "" }, "set Target.Retire"},
	"slow head": {func(g Target) bool { return g.HeaderTimeout > 0 }, "set Target.HeaderTimeout"},
	"slow body": {func(g Target) bool { return g.BodyTimeout > 0 }, "set Target.BodyTimeout"},
	"stored":    {func(g Target) bool { return g.Stored != nil }, "set Target.Stored"},
	"break":     {func(g Target) bool { return g.Break != nil }, "set Target.Break"},
	"fill":      {func(g Target) bool { return g.Fill != nil }, "set Target.Fill"},
	"log":       {func(g Target) bool { return g.Log != nil }, "set Target.Log"},
	"inside":    {func(Target) bool { return false }, "nothing shows it over HTTP: test it in the process"},
}

// testCase is one case of the list.
type testCase struct {
	name  string // begins with the number
	needs string // names of needs, separated by commas
	alone bool   // it disturbs others
	run   func(t *testing.T, s *session)
}

// lacking says what a case needs that the target does not offer.
func (c testCase) lacking(g Target) string {
	for need := range strings.SplitSeq(c.needs, ",") {
		if n, ok := needs[need]; ok && !n.offered(g) {
			return n.how
		}
	}
	return ""
}

// Run runs every case that the target allows.
func Run(t *testing.T, g Target) {
	t.Helper()
	s := open(t, g)
	all := cases()
	var skipped []string
	for _, c := range all {
		why := c.lacking(s.Target)
		if why != "" {
			skipped = append(skipped, fmt.Sprintf("%s (%s)", c.name, why))
		}
	}
	// Parallel cases end before those that disturb others begin.
	t.Run("together", func(t *testing.T) { s.runAll(t, all, false) })
	t.Run("alone", func(t *testing.T) { s.runAll(t, all, true) })
	t.Logf("%d cases, %d of them not run:\n%s", len(all), len(skipped), strings.Join(skipped, "\n"))
}

func (s *session) runAll(t *testing.T, all []testCase, alone bool) {
	t.Helper()
	for _, c := range all {
		if c.alone != alone {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if why := c.lacking(s.Target); why != "" {
				t.Skipf("not run: %s", why)
			}
			if !alone {
				t.Parallel()
			}
			c.run(t, s)
		})
	}
}

// session is one run of the suite.
type session struct {
	Target

	client *http.Client
	host   string
}

func open(t *testing.T, g Target) *session {
	t.Helper()
	g.MaxBody = cmp.Or(g.MaxBody, 8<<20)
	g.Tolerance = cmp.Or(g.Tolerance, webhook.DefaultTolerance)
	if g.URL == "" {
		if g.Handler == nil {
			t.Fatal("webhooktest: the target has neither URL nor Handler")
		}
		g.URL = serve(t, g.Handler)
	}
	u, err := url.Parse(g.URL)
	if err != nil || u.Scheme != "http" || u.Port() == "" {
		t.Fatalf("webhooktest: URL %q: want http://HOST:PORT/PATH, as cases write to the socket", g.URL)
	}
	if g.Key == "" && g.Secret == "" {
		t.Fatal("webhooktest: the target has neither Key nor Secret: nothing could be sent")
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &session{Target: g, host: u.Host, client: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// serve serves a handler as a careful server does.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("webhooktest: no listener: %v", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(l) // until Close
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-ended
	})
	return "http://" + l.Addr().String() + "/webhook"
}
