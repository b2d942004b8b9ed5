package client_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

func TestNewReportsEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	_, err := client.New("",
		client.WithBaseURL("http://user:hunter2@example.com:99999/?token=t#f"),
		client.WithRetry(client.Retry{Attempts: -1, Base: time.Minute, Max: time.Second, RetryAfterMax: -1}),
		client.WithTimeouts(client.Timeouts{Attempt: -1, Overall: -1}),
		client.WithHTTPClient(nil), client.WithPool(client.Pool{MaxConnections: -1, DialTimeout: -1}),
		client.WithUserAgent("two\nlines"), client.WithTimezone("Local"), client.WithMaxBody(-1), nil)
	if !errors.Is(err, client.ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{
		`API key: missing`, `base URL: "http://…@example.com:99999/?…" would send the API key unencrypted`,
		`has the port 99999`, `has a user or password`, `has a query`, `has a fragment`,
		`WithRetry: Attempts is -1`, `RetryAfterMax is -1ns`, `Base 1m0s is longer than Max 1s`, `WithTimeouts: Attempt is -1ns`, `Overall is -1ns`,
		`WithHTTPClient: nil`, `WithPool: has no effect`, `MaxConnections is -1`, `DialTimeout is -1ns`,
		`WithUserAgent: "two\nlines" has the control character U+000A at byte 3`, `WithTimezone: "Local"`, `WithMaxBody: bytes is -1`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "token=") {
		t.Errorf("a secret is in %v", err)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is not a join", err)
	}
	for _, one := range joined.Unwrap() {
		if _, ok := errors.AsType[*client.OptionError](one); !ok || strings.Contains(one.Error(), "\n") {
			t.Errorf("%T %v", one, one)
		}
	}
}

func TestKeysAreCheckedAndNotShown(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"":                 "missing",
		" " + secret:       "begins with a space",
		"\t" + secret:      "begins with a space",
		secret + " ":       "ends with a space",
		secret + "\n":      "ends with a line break",
		secret + "\r\n":    "ends with a line break",
		secret + "\x00":    "has the control character U+0000 at byte " + strconv.Itoa(len(secret)),
		"\ufeff" + secret:  "has a character that is not ASCII at byte 0",
		"sk-live 01234567": "has a space at byte 7",
	} {
		_, err := client.New(key)
		if !errors.Is(err, client.ErrInvalid) || !strings.Contains(err.Error(), "API key: "+want) {
			t.Errorf("%q: %v", key, err)
		} else if key != "" && strings.Contains(err.Error(), strings.TrimSpace(key)) {
			t.Errorf("the key is in %v", err)
		}
	}
}

func TestBaseURLs(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"", "https://api.asleep.ai", "https://api.asleep.ai/", "HTTPS://API.ASLEEP.AI:443/v1", "http://localhost", "http://localhost:8080/x",
		"http://127.0.0.1:1", "http://127.8.8.8", "http://[::1]:80", "http://[::ffff:127.0.0.1]", "http://fake.localhost", "http://LOCALHOST.",
	} {
		if _, err := client.New(secret, client.WithBaseURL(good)); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"http://api.asleep.ai":           "would send the API key unencrypted",
		"http://localhost.example.com":   "would send the API key unencrypted",
		"http://0.0.0.0":                 "would send the API key unencrypted",
		"http://10.0.0.1":                "would send the API key unencrypted",
		"ftp://localhost":                `has the scheme "ftp"`,
		"api.asleep.ai":                  "has no host",
		"localhost:8080":                 "has no host",
		"https:///x":                     "has no host",
		"https://:443":                   "has no host",
		"https://api.asleep.ai?x=1":      "has a query",
		"https://api.asleep.ai?":         "has a query",
		"https://api.asleep.ai#":         "has a fragment",
		"https://u@api.asleep.ai":        "has a user",
		"https://api.asleep.ai:0":        "has the port 0",
		"https://api.asleep.ai:x":        "is not a URL",
		"https://api asleep.ai":          "is not a URL",
		" https://api.asleep.ai":         "is not a URL",
		"https://u:hunter2@api.asleep:x": `"https://…@api.asleep:x" is not a URL`,
	} {
		_, err := client.New(secret, client.WithBaseURL(bad))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %q", bad, err, want)
		}
	}
}

func TestTheCallersHTTPClientIsNotChanged(t *testing.T) {
	t.Parallel()
	wire := &http.Transport{MaxIdleConns: 7}
	hc := &http.Client{Transport: wire, Timeout: time.Second}
	newClient(t, client.WithHTTPClient(hc))
	if hc.Transport != wire || hc.Timeout != time.Second || hc.CheckRedirect != nil || hc.Jar != nil || wire.MaxIdleConns != 7 {
		t.Errorf("changed to %+v", hc)
	}
}

// setEnv sets the variables of NewFromEnv, and unsets those not named.
func setEnv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, name := range []string{
		client.EnvAPIKey, client.EnvAPIKeyFile, client.EnvBaseURL, client.EnvMaxConnections, client.EnvRequestTimeout,
		client.EnvBreakerFailures, client.EnvBreakerReset,
	} {
		t.Setenv(name, env[name])
	}
}

func TestTheEnvironmentIsCheckedTogetherWithTheOptions(t *testing.T) {
	setEnv(t, map[string]string{
		client.EnvAPIKey: " " + secret, client.EnvBaseURL: "ftp://x", client.EnvMaxConnections: "many", client.EnvRequestTimeout: "-3",
		client.EnvBreakerFailures: "0", client.EnvBreakerReset: "soon",
	})
	_, err := client.NewFromEnv(client.WithMaxBody(-1))
	for _, want := range []string{
		"ASLEEP_API_KEY: begins with a space", `base URL: "ftp://x"`, `MAX_CONNECTIONS: "many" is not`, `REQUEST_TIMEOUT: "-3" is not`,
		`CIRCUIT_BREAKER_FAILURE_THRESHOLD: "0" is not a number of failures`, `CIRCUIT_BREAKER_RESET_TIMEOUT: "soon" is not`, "WithMaxBody",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

func TestTheKeyComesFromTheEnvironmentOrAFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, test := range map[string]struct{ key, file, want string }{
		"variable":             {secret, "", ""},
		"file":                 {"", file("key", secret), ""},
		"file with a newline":  {"", file("lf", secret+"\n"), ""},
		"file with CRLF":       {"", file("crlf", secret+"\r\n"), ""},
		"neither":              {"", "", "ASLEEP_API_KEY: missing"},
		"both":                 {secret, file("key", secret), "ASLEEP_API_KEY_FILE: is set beside ASLEEP_API_KEY"},
		"file of two lines":    {"", file("two", secret+"\n\n"), "ASLEEP_API_KEY_FILE: ends with a line break"},
		"empty file":           {"", file("empty", ""), "ASLEEP_API_KEY_FILE: missing"},
		"no file":              {"", filepath.Join(dir, "none"), "no such file or directory: name a readable file"},
		"directory":            {"", dir, "is a directory: name a readable file"},
		"file of another kind": {"", file("big", strings.Repeat("x", 5000)), "has more than 4096 bytes"},
	} {
		setEnv(t, map[string]string{client.EnvAPIKey: test.key, client.EnvAPIKeyFile: test.file})
		_, err := client.NewFromEnv()
		if text := fmt.Sprint(err); (err == nil) != (test.want == "") || err != nil && !strings.Contains(text, test.want) || strings.Count(text, "\n") > 0 {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the key is in %v", name, err)
		}
	}
}

func TestTheEnvironmentConfiguresAndOptionsWin(t *testing.T) {
	setEnv(t, map[string]string{
		client.EnvAPIKey: secret, client.EnvBaseURL: "https://env.test", client.EnvMaxConnections: "5", client.EnvRequestTimeout: "30",
	})
	c, err := client.NewFromEnv()
	if err != nil || c.String() != "asleep client for env.test" {
		t.Errorf("%v, %v", c, err)
	}
	c, err = client.NewFromEnv(client.WithBaseURL("https://option.test"), client.WithHTTPClient(new(http.Client)))
	if err != nil || c.String() != "asleep client for option.test" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestTheEnvironmentSetsTheBreaker(t *testing.T) {
	for name, c := range map[string]struct {
		env      map[string]string
		opts     []client.Option
		failures int
		open     time.Duration
	}{
		"nothing set": {failures: 5, open: time.Minute},
		"both set": {
			env:      map[string]string{client.EnvBreakerFailures: " 3 ", client.EnvBreakerReset: "2"},
			failures: 3, open: 2 * time.Second,
		},
		"an option wins": {
			env:      map[string]string{client.EnvBreakerFailures: "3", client.EnvBreakerReset: "2"},
			opts:     []client.Option{client.WithBreaker(client.Breaker{Failures: 2, OpenFor: time.Hour})},
			failures: 2, open: time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.env = maps.Clone(c.env)
			if c.env == nil {
				c.env = map[string]string{}
			}
			c.env[client.EnvAPIKey] = secret
			setEnv(t, c.env)
			synctest.Test(t, func(t *testing.T) {
				down := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) { return response(req, 503, ""), nil })
				cl, err := client.NewFromEnv(append(c.opts, client.WithHTTPClient(&http.Client{Transport: down}))...)
				if err != nil {
					t.Fatal(err)
				}
				for n := 0; ; n++ {
					_, err := cl.User(t.Context(), user, client.Attempts(1))
					refusal, open := errors.AsType[*client.CircuitOpenError](err)
					if !open {
						continue
					}
					if n != c.failures || time.Until(refusal.Until) != c.open {
						t.Errorf("opened after %d failures for %v, want %d and %v", n, time.Until(refusal.Until), c.failures, c.open)
					}
					break
				}
			})
		})
	}
}

// attemptTimeout returns the timeout that an attempt of a client has.
func attemptTimeout(t *testing.T, timeout time.Duration, build func(...client.Option) (*client.Client, error), opts ...client.Option) (left time.Duration) {
	t.Helper()
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		if deadline, ok := req.Context().Deadline(); ok {
			left = time.Until(deadline).Round(time.Second)
		}
		return response(req, 204, ""), nil
	})
	c, err := build(append(opts, client.WithHTTPClient(&http.Client{Transport: wire, Timeout: timeout}))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteUser(t.Context(), user); err != nil {
		t.Error(err)
	}
	return left
}

func TestTheTimeoutOfAnAttemptIsTheMostExplicitOne(t *testing.T) {
	setEnv(t, map[string]string{client.EnvAPIKey: secret, client.EnvRequestTimeout: "1m1s"})
	direct := func(opts ...client.Option) (*client.Client, error) { return client.New(secret, opts...) }
	own := client.WithTimeouts(client.Timeouts{Attempt: 7 * time.Second})
	for _, test := range []struct {
		name string
		got  time.Duration
		want time.Duration
	}{
		{"default of a deletion", attemptTimeout(t, 0, direct), 5 * time.Second},
		{"the HTTP client's", attemptTimeout(t, 4*time.Second, direct), 4 * time.Second},
		{"the option's", attemptTimeout(t, 4*time.Second, direct, own), 7 * time.Second},
		{"off, so the HTTP client's is not used", attemptTimeout(t, 4*time.Second, direct, client.WithTimeouts(client.Timeouts{})), 0},
		{"the environment's", attemptTimeout(t, 0, client.NewFromEnv), 61 * time.Second},
		{"the HTTP client's over the environment's", attemptTimeout(t, 4*time.Second, client.NewFromEnv), 4 * time.Second},
		{"the option's over the environment's", attemptTimeout(t, 0, client.NewFromEnv, own), 7 * time.Second},
	} {
		if test.got != test.want {
			t.Errorf("%s: %v, want %v", test.name, test.got, test.want)
		}
	}
}

// connections returns how many connections 12 calls at once open.
func connections(t *testing.T, build func(base string) (*client.Client, error)) int {
	t.Helper()
	var mu sync.Mutex
	opened := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if state == http.StateNew {
			opened++
		}
	}
	server.Start()
	defer server.Close()
	c, err := build(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if err := c.DeleteUser(t.Context(), user); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	return opened
}

func TestConnectionsAreLimitedByOptionAndEnvironment(t *testing.T) {
	for limit := 1; limit <= 3; limit++ {
		n := connections(t, func(base string) (*client.Client, error) {
			return client.New(secret, client.WithBaseURL(base), client.WithPool(client.Pool{MaxConnections: limit}))
		})
		if n > limit {
			t.Errorf("%d connections, want %d at most", n, limit)
		}
		setEnv(t, map[string]string{client.EnvAPIKey: secret, client.EnvMaxConnections: strconv.Itoa(limit)})
		n = connections(t, func(base string) (*client.Client, error) { return client.NewFromEnv(client.WithBaseURL(base)) })
		if n > limit {
			t.Errorf("%d connections, want %d at most", n, limit)
		}
	}
}
