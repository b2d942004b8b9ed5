package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/canary"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// printed is everything that formatters make of a value.
func printed(v any) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%v\n%+v\n%#v\n%s\n%q\n%x\n", v, v, v, v, v, v)
	if b, err := json.Marshal(v); err == nil {
		text.Write(b)
	}
	if err, ok := v.(error); ok {
		for ; err != nil; err = errors.Unwrap(err) {
			fmt.Fprintf(&text, "%v\n%+v\n%#v\n", err, err, err)
		}
	}
	return text.String()
}

// wantNoSecret fails if the key, in the clear or in hex, or the user id is in
// the text.
func wantNoSecret(t *testing.T, what, text string) {
	t.Helper()
	canary.Record(what, text)
	for _, secret := range []string{secret, fmt.Sprintf("%x", secret), user} {
		if strings.Contains(text, secret) {
			t.Errorf("%s tells %s:\n%s", what, secret, text)
		}
	}
}

func TestAClientPrintsNoKey(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	wantNoSecret(t, "a client", printed(c))
	wantNoSecret(t, "a copy of a client", printed(struct{ C client.Client }{*c}))
	if got := fmt.Sprintf("%v %+v %#v", c, c, c); got != strings.Repeat("asleep client for api.asleep.ai ", 3)[:95] {
		t.Errorf("prints as %s", got)
	}
	wantNoSecret(t, "an option", printed(client.WithUserAgent("x")))
}

// dumped is an error whose members formatters print.
type dumped struct{ url, header string }

func (d dumped) Error() string { return d.url + d.header }

func TestErrorsTellNeitherKeyNorUserID(t *testing.T) {
	t.Parallel()
	echo := fmt.Sprintf("key %s of user %s", secret, user)
	detail, err := json.Marshal(map[string]string{"detail": echo})
	if err != nil {
		t.Fatal(err)
	}
	wires := map[string]transport.RoundTripFunc{
		"a detail that echoes": func(req *http.Request) (*http.Response, error) { return response(req, 400, string(detail)), nil },
		"a page that echoes":   func(req *http.Request) (*http.Response, error) { return response(req, 502, "<html>"+echo), nil },
		"a key at the cut": func(req *http.Request) (*http.Response, error) {
			return response(req, 502, strings.Repeat("x ", 1020)+secret), nil
		},
		"a 200 that echoes": func(req *http.Request) (*http.Response, error) { return response(req, 200, string(detail)), nil },
		"a wire that dumps": func(req *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("cannot send %s %s %v %v", req.Method, req.URL, req.Header, user)
		},
		"an error value that dumps": func(req *http.Request) (*http.Response, error) {
			return nil, dumped{req.URL.String(), fmt.Sprint(req.Header)}
		},
		"an error tree that dumps": func(req *http.Request) (*http.Response, error) {
			return nil, errors.Join(errors.New(req.URL.String()), &net.AddrError{Err: fmt.Sprint(req.Header), Addr: req.URL.Path})
		},
	}
	for name, wire := range wires {
		c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}), client.WithRetry(client.Retry{}))
		unlogged, err := client.New(secret, append(bare(), client.WithHTTPClient(&http.Client{Transport: wire}), client.WithRetry(client.Retry{}))...)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range operations {
			if op.name == "createUser" { // knows no user whose id it could hide
				text := printed(op.call(t.Context(), unlogged))
				wantNoSecret(t, name+" in "+op.name, strings.NewReplacer(user, "", fmt.Sprintf("%x", user), "").Replace(text))
				continue
			}
			err := op.call(t.Context(), c)
			if err == nil { // a deletion takes any 200
				continue
			}
			text := printed(err)
			wantNoSecret(t, name+" in "+op.name, text)
			if e, _ := errors.AsType[*client.Error](err); strings.Contains(e.Body, secret[:8]) {
				t.Errorf("%s: a part of the key is in %q", name, e.Body)
			}
		}
	}
}

func TestAnErrorThatWasCleanedStillMatches(t *testing.T) {
	t.Parallel()
	cause := errors.New("broken wire")
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("%s: %w: %w", req.URL, cause, &net.OpError{Op: "dial", Err: errors.New("no route")})
	})
	c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}), client.WithRetry(client.Retry{}))
	_, err := c.User(t.Context(), user)
	wantNoSecret(t, "an error", printed(err))
	wantSentinels(t, err, "unavailable")
	if op, ok := errors.AsType[*net.OpError](err); !errors.Is(err, cause) || !ok || op.Op != "dial" {
		t.Errorf("%v does not match its causes", err)
	}
}

func TestAHashStandsForTheUserIDInWhatTheServiceSays(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, 404, `{"detail":"user u1 (u1), not xu1 or u12, does not exist"}`)
	_, err := c.User(t.Context(), "u1", client.WithRequestID("r"))
	const want = "asleep: getUser: 404 user user:bb82030dbc2b (user:bb82030dbc2b), not xu1 or u12, does not exist (1 attempt, request r)"
	if err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestARedirectCarriesNoKeyToAnotherHost(t *testing.T) {
	t.Parallel()
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		here := httptest.NewServer(http.RedirectHandler(other.URL+"/x", status))
		c := newClient(t, client.WithBaseURL(here.URL))
		for _, op := range operations {
			err := op.call(t.Context(), c)
			wantSentinels(t, err, "redirected")
			wantNoSecret(t, op.name, printed(err))
		}
		here.Close()
	}
	if asked != 0 {
		t.Errorf("the other host was asked %d times", asked)
	}
}

func TestAPanicOfTheWireTellsNoKey(t *testing.T) {
	t.Parallel()
	wire := transport.RoundTripFunc(func(*http.Request) (*http.Response, error) { panic("broken wire") })
	c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}))
	defer func() {
		r := recover()
		if r == nil {
			t.Error("a panic was swallowed")
		}
		wantNoSecret(t, "a panic", fmt.Sprintf("%v %#v", r, r)+string(debug.Stack()))
	}()
	_, _ = c.User(t.Context(), user)
}
