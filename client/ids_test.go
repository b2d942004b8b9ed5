package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

var badIDs = []struct{ name, id, want string }{
	{"empty", "", `is empty ("")`},
	{"dot", ".", `is ".", which would change the URL`},
	{"dots", "..", `is "..", which would change the URL`},
	{"line feed", "u1\n", "has the control character U+000A at byte 2"},
	{"header injection", "u1\r\nx-api-key: k", "has the control character U+000D at byte 2"},
	{"NUL", "\x00", "has the control character U+0000 at byte 0"},
	{"DEL", "a\x7f", "has the control character U+007F"},
	{"C1", "a\u0085b", "has the control character U+0085"},
	{"line separator", "a\u2028b", "has the control character U+2028"},
	{"space", " ", "begins with the space U+0020"},
	{"leading space", " u1", "begins with the space U+0020"},
	{"trailing space", "u1 ", "ends with the space U+0020"},
	{"no-break space", "u1\u00a0", "ends with the space U+00A0"},
	{"invalid UTF-8", "u\xff1", "has invalid UTF-8 at byte 1"},
	{"over-long", strings.Repeat("x", 257), "has 257 bytes: give an id of at most 256"},
}

func TestIDsThatWouldChangeTheCallAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range badIDs {
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			c, ctx := offline(t), t.Context()
			calls := map[string]func(context.Context) error{
				"User":              func(ctx context.Context) error { _, err := c.User(ctx, bad.id); return err },
				"DeleteUser":        func(ctx context.Context) error { return c.DeleteUser(ctx, bad.id) },
				"Session user":      func(ctx context.Context) error { _, err := c.Session(ctx, bad.id, session); return err },
				"Session":           func(ctx context.Context) error { _, err := c.Session(ctx, user, bad.id); return err },
				"DeleteSession":     func(ctx context.Context) error { return c.DeleteSession(ctx, user, bad.id) },
				"DeleteSession 2":   func(ctx context.Context) error { return c.DeleteSession(ctx, bad.id, session) },
				"DeleteAllSessions": func(ctx context.Context) error { return c.DeleteAllSessions(ctx, bad.id) },
				"ListSessions": func(ctx context.Context) error {
					_, err := c.ListSessions(ctx, bad.id, client.PageQuery{})
					return err
				},
				"Sessions": func(ctx context.Context) error {
					for _, err := range c.Sessions(ctx, bad.id, client.Query{}) {
						return err
					}
					return nil
				},
				"AverageStats": func(ctx context.Context) error {
					_, err := c.AverageStats(ctx, bad.id, date("2026-03-01"), date("2026-03-02"))
					return err
				},
				"Summary": func(ctx context.Context) error { _, err := c.Summary(ctx, bad.id); return err },
			}
			if bad.id != "" {
				calls["Do"] = func(ctx context.Context) error {
					_, err := c.Do(ctx, client.Request{Method: "GET", Path: "/x", UserID: bad.id})
					return err
				}
			}
			for name, call := range calls {
				err := call(ctx)
				if !errors.Is(err, client.ErrInvalid) || !strings.Contains(err.Error(), bad.want) {
					t.Errorf("%s: %v, want %q", name, err, bad.want)
				}
				if e, ok := errors.AsType[*client.Error](err); !ok || e.Layer != client.LayerRequest || e.Attempts != 0 {
					t.Errorf("%s: %#v", name, err)
				}
			}
		})
	}
}

func TestAllProblemsOfACallAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	c := offline(t)
	_, err := c.ListSessions(t.Context(), "", client.PageQuery{
		From: date("2026-03-31"), To: date("2026-03-01"), Order: "UP", Offset: -1, PageSize: 101,
	}, client.InTimezone("Mars/Olympus"), client.Timeout(-1), client.AttemptTimeout(0), client.Attempts(0), client.WithRequestID("a b"))
	want := `asleep: listSessions: ` + strings.Join([]string{
		`timezone: "Mars/Olympus" is not a known timezone: give an IANA name such as Asia/Seoul or UTC`,
		`timeout: is -1ns: give a positive duration`,
		`attempt timeout: is 0s: give a positive duration`,
		`attempts: is 0: give 1 or more`,
		`request id: has a space at byte 1: give 1 to 128 visible ASCII characters`,
		`user id: is empty (""): give the id that the service made`,
		`dates: the first date 2026-03-31 is after the last date 2026-03-01: exchange them`,
		`order: "UP": give ASC or DESC`,
		`page size: is 101: give 1 to 100, or 0 for the default`,
		`offset: is -1: give 0 or more`,
	}, "; ")
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	var problem *client.ParameterError
	if !errors.As(err, &problem) || problem.Parameter != "timezone" {
		t.Errorf("first problem %+v", problem)
	}
}

func TestTimezonesAreChecked(t *testing.T) {
	t.Parallel()
	c := offline(t)
	for _, zone := range []string{
		"Local", "local", "Asia/Nowhere", "/etc/passwd", "../UTC", "Asia/../UTC", "Asia//Seoul", "Asia/Seoul ", "Asia/Seoul\n", "+09:00", "",
		strings.Repeat("a", 65), "Ásia/Seoul", ".",
	} {
		_, err := c.User(t.Context(), "", client.InTimezone(zone))
		if got := strings.Contains(err.Error(), "timezone"); got != (zone != "") {
			t.Errorf("%q: %v", zone, err)
		}
	}
	for _, zone := range []string{"UTC", "Asia/Seoul", "America/Argentina/Buenos_Aires", "Etc/GMT+9", "EST5EDT"} {
		for range 2 { // the second time from memory
			if _, err := c.User(t.Context(), "", client.InTimezone(zone)); strings.Contains(err.Error(), "timezone") {
				t.Errorf("%q: %v", zone, err)
			}
		}
	}
}

var oddIDs = []string{
	user, session, "a/b", "a?b", "a#b", "a%b", "a%2Fb", "a;b", "a b", "a&b=c", "a+b", "%2e%2e", "...", "..;", ".a", "..a", "a/..", "../a",
	"/", "//", "?", "#", "한국", "é", "e\u0301", "🌙", "a\\b", "'", `"`, "<>", "{x}", "@", ":", "a:b", "http://x/y", "*", "~", "-", strings.Repeat("x", 256),
}

func TestEveryOtherIDTravelsEscaped(t *testing.T) {
	t.Parallel()
	for _, id := range oddIDs {
		roundTrip(t, id)
	}
}

// roundTrip checks what an id becomes on the wire: one path segment that is the
// id once unescaped, and a header that is the id.
func roundTrip(t *testing.T, id string) {
	t.Helper()
	prefix, header := "", false
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		target := req.URL.RequestURI()
		segment, ok := strings.CutPrefix(target, prefix)
		segment, _, _ = strings.Cut(segment, "/average-stats?")
		plain, err := url.PathUnescape(segment)
		if !ok || err != nil || plain != id || strings.ContainsAny(segment, "/?#; \\") || segment == "." || segment == ".." {
			t.Errorf("id %q became %s (%s)", id, target, segment)
		}
		if parsed, err := url.ParseRequestURI(target); err != nil || !strings.HasPrefix(parsed.EscapedPath(), prefix) {
			t.Errorf("id %q became %s: %v", id, target, err)
		}
		if got := req.Header.Get("X-User-Id"); header && got != id {
			t.Errorf("id %q became the header %q", id, got)
		}
		return response(req, 204, ""), nil
	})
	c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}))
	ctx := t.Context()
	prefix = "/ai/v1/users/"
	if err := c.DeleteUser(ctx, id); err != nil {
		t.Errorf("%q: %v", id, err)
	}
	_, _ = c.User(ctx, id)
	prefix = "/data/v1/users/"
	_, _ = c.AverageStats(ctx, id, date("2026-03-01"), date("2026-03-01"))
	header, prefix = true, "/ai/v1/sessions/"
	if err := c.DeleteSession(ctx, id, id); err != nil {
		t.Errorf("%q: %v", id, err)
	}
	prefix = "/data/v3/sessions/"
	_, _ = c.Session(ctx, id, id)
}

func FuzzIDs(f *testing.F) {
	for _, bad := range badIDs {
		f.Add(bad.id)
	}
	for _, id := range oddIDs {
		f.Add(id)
	}
	silent := newClient(f, client.WithHTTPClient(&http.Client{
		Transport: transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) { return response(req, 204, ""), nil }),
	}))
	f.Fuzz(func(t *testing.T, id string) {
		if err := silent.DeleteSession(t.Context(), user, id); err != nil {
			if !errors.Is(err, client.ErrInvalid) || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\r\n\x00") {
				t.Errorf("%q: %q", id, err)
			}
			return
		}
		roundTrip(t, id)
	})
}
