package transport_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

func TestAttemptSendsKeyAgentAndOneRequestIDPerCall(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(busy, busy, ok), nil, func(u *upstream) {
		first := u.get()
		u.get()
		seen := u.requests()
		for _, r := range seen {
			if r.header.Get("X-Api-Key") != secret || r.header.Get("User-Agent") != "asleep-go/test" {
				t.Errorf("headers %v", r.header)
			}
		}
		ids := []string{seen[0].header.Get("X-Request-Id"), seen[1].header.Get("X-Request-Id"), seen[2].header.Get("X-Request-Id")}
		if ids[0] == "" || ids[0] != ids[1] || ids[1] != ids[2] || first.RequestID != ids[0] {
			t.Errorf("request ids %q, in the call %q; want one for the whole call", ids, first.RequestID)
		}
		if seen[3].header.Get("X-Request-Id") == ids[0] {
			t.Error("two calls share a request id")
		}
	})
}

func TestAttemptKeepsTheRequestsOwnIDAndOverridesItsKey(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(ok), nil, func(u *upstream) {
		req, _ := http.NewRequestWithContext(u.t.Context(), "GET", "http://API.test:80/", nil)
		req.Header.Set("X-Request-ID", "trace-1")
		req.Header.Set("x-api-key", "from a request editor")
		req.Header["x-api-key"] = []string{"in another spelling"}
		resp, err := u.doer.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		h := u.requests()[0].header
		if h.Get("X-Request-Id") != "trace-1" || len(h["X-Api-Key"]) != 1 || h.Get("X-Api-Key") != secret {
			t.Errorf("sent %v", h)
		}
		if got := resp.Request.Header.Get("X-Api-Key"); got != "from a request editor" {
			t.Errorf("the response's request holds key %q", got)
		}
	})
}

func TestRequestForAnotherOriginIsRefusedUnsent(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"https://api.test/", "http://api.test:8080/", "http://evil.test/", "http://api.test.evil.test/", "http://user@evil.test#api.test/"} {
		inBubble(t, steps(ok), nil, func(u *upstream) {
			req, _ := http.NewRequestWithContext(u.t.Context(), "POST", to, strings.NewReader("{}"))
			_, err := u.doer.Do(req)
			if !errors.Is(err, transport.ErrForeignHost) || errors.Is(err, transport.ErrMaybeCreated) || u.net.Tried() != 0 {
				t.Errorf("%s: %v, %d dials", to, err, u.net.Tried())
			}
		})
	}
	cfg := config(transport.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, errors.New("sent") }))
	cfg.BaseURL = nil
	for _, to := range []string{"http://api.test/", "/"} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", to, nil)
		if _, err := transport.New(cfg).Do(req); !errors.Is(err, transport.ErrForeignHost) {
			t.Errorf("without a base URL, to %q: %v", to, err)
		}
	}
}

func TestOverlongBodyIsTypedAndNotRepeated(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1001)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	for name, step := range map[string]http.HandlerFunc{
		"announced": answer(200, long, "Content-Length", "1001"),
		"chunked": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, long)
		},
		"gzip bomb":   answer(200, zipped.String(), "Content-Encoding", "gzip"),
		"never ended": func(w http.ResponseWriter, _ *http.Request) { endless(w) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, steps(step), func(c *transport.Config) { c.MaxBody = 1000 }, func(u *upstream) {
				res := u.get()
				if !errors.Is(res.err, transport.ErrBodyTooLarge) || res.Attempts != 1 || res.Outcome.Class != transport.ClassTooLarge || res.Outcome.Status != 200 {
					t.Errorf("err %v, %d attempts, outcome %+v", res.err, res.Attempts, res.Outcome)
				}
			})
		})
	}
	inBubble(t, steps(answer(200, long[:1000])), func(c *transport.Config) { c.MaxBody = 1000 }, func(u *upstream) {
		if res := u.get(); res.err != nil || len(res.body) != 1000 {
			t.Errorf("exactly the limit: %d bytes, %v", len(res.body), res.err)
		}
	})
}

func endless(w io.Writer) {
	for {
		if _, err := w.Write(make([]byte, 512)); err != nil {
			return
		}
	}
}

func TestOverlongOrBrokenErrorBodyKeepsTheStatus(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step  http.HandlerFunc
		class transport.Class
	}{
		"long 404":      {answer(404, strings.Repeat("x", 5000)), transport.ClassTerminal},
		"long 403":      {answer(403, `{"detail":"rate limit `+strings.Repeat("x", 5000)+`"}`), transport.ClassForbidden},
		"broken 401":    {truncated(401), transport.ClassTerminal},
		"broken 429":    {truncated(429), transport.ClassRateLimited},
		"long html 502": {answer(502, "<html>"+strings.Repeat("x", 5000)), transport.ClassTransient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, steps(c.step), func(c *transport.Config) { c.MaxBody = 1000; c.Retry.Attempts = 1 }, func(u *upstream) {
				res := u.get()
				if res.err != nil || res.Outcome.Class != c.class || !res.Outcome.Cut || len(res.body) > 1000 {
					t.Errorf("outcome %+v, err %v, %d bytes", res.Outcome, res.err, len(res.body))
				}
			})
		})
	}
}

func TestTransparentGzipIsDecodedAndATruncatedStreamRepeated(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, `{"detail":"OK"}`)
	_ = z.Close()
	half := zipped.String()[:zipped.Len()-9]
	inBubble(t, steps(answer(200, half, "Content-Encoding", "gzip"), answer(200, "not gzip", "Content-Encoding", "gzip"), answer(200, zipped.String(), "Content-Encoding", "gzip")), nil, func(u *upstream) {
		if res := u.get(); res.err != nil || res.body != `{"detail":"OK"}` || res.Attempts != 3 {
			t.Errorf("body %q, err %v, %d attempts; want the third one", res.body, res.err, res.Attempts)
		}
	})
}

func TestTruncatedAnswersEndTyped(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]http.HandlerFunc{"content length": truncated(200), "chunk": brokenChunk} {
		inBubble(t, steps(step), nil, func(u *upstream) {
			res := u.get()
			if !errors.Is(res.err, transport.ErrTruncated) || !errors.Is(res.err, io.ErrUnexpectedEOF) || res.Attempts != 4 || res.Answer.Status != 200 {
				t.Errorf("%s: %v after %d attempts, answer %+v", name, res.err, res.Attempts, res.Answer)
			}
		})
	}
}

// A transport that announces a length and delivers less without an error.
func TestShortBodyOfACustomTransportIsTruncated(t *testing.T) {
	t.Parallel()
	cfg := config(transport.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ContentLength: 10, Body: io.NopCloser(strings.NewReader("short"))}, nil
	}))
	cfg.Retry = transport.Retry{}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://api.test/", nil)
	if _, err := transport.New(cfg).Do(req); !errors.Is(err, transport.ErrTruncated) {
		t.Errorf("err %v", err)
	}
}

func TestBrokenCustomTransportIsAnErrorNotAPanic(t *testing.T) {
	t.Parallel()
	for name, rt := range map[string]transport.RoundTripFunc{
		"nothing": func(*http.Request) (*http.Response, error) { return nil, nil },
		"no body": func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 204}, nil },
	} {
		cfg := config(rt)
		cfg.Retry = transport.Retry{}
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://api.test/", nil)
		resp, err := transport.New(cfg).Do(req)
		if (err == nil) != (name == "no body") || err == nil && resp.Body == nil {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
}

func TestBodyIsInMemoryAndOwnedByTheCaller(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(answer(200, "hello")), nil, func(u *upstream) {
		req, _ := http.NewRequestWithContext(u.t.Context(), "GET", "http://api.test/", nil)
		resp, err := u.doer.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		read, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		whole, err := transport.BodyBytes(resp)
		if string(read) != "hello" || string(whole) != "hello" || err != nil || resp.ContentLength != 5 {
			t.Errorf("read %q, BodyBytes %q, %v, length %d", read, whole, err, resp.ContentLength)
		}
	})
	foreign := &http.Response{Body: io.NopCloser(strings.NewReader("other"))}
	if b, err := transport.BodyBytes(foreign); string(b) != "other" || err != nil {
		t.Errorf("BodyBytes of another response: %q, %v", b, err)
	}
}

func TestUntrustedCertificateIsNotRepeated(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, nil)
	base, _ := url.Parse(server.URL)
	cfg := config(transport.NewPool(unhurried))
	cfg.BaseURL = base
	for method, want := range map[string]int{"GET": 1, "POST": 1} {
		call := &transport.Call{}
		req, _ := http.NewRequestWithContext(transport.WithCall(t.Context(), call), method, server.URL, nil)
		_, err := transport.New(cfg).Do(req)
		if err == nil || call.Attempts != want || !call.Outcome.Permanent || call.MaybeCreated {
			t.Errorf("%s: %v after %d attempts, %+v, MaybeCreated %v", method, err, call.Attempts, call.Outcome, call.MaybeCreated)
		}
	}
}

func TestPlainHTTPOnAnHTTPSBaseIsNotRepeated(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(ok)
	defer server.Close()
	cfg := config(transport.NewPool(unhurried))
	cfg.BaseURL, _ = url.Parse(strings.Replace(server.URL, "http:", "https:", 1))
	call := &transport.Call{}
	req, _ := http.NewRequestWithContext(transport.WithCall(t.Context(), call), "GET", cfg.BaseURL.String(), nil)
	if _, err := transport.New(cfg).Do(req); err == nil || call.Attempts != 1 || !call.Outcome.Permanent {
		t.Errorf("%v after %d attempts", err, call.Attempts)
	}
}

func TestNegativeAttemptTimeoutMeansNone(t *testing.T) {
	t.Parallel()
	inBubble(t, steps(hang), func(c *transport.Config) { c.AttemptTimeout = -1 }, func(u *upstream) {
		ctx, cancel := context.WithTimeout(u.t.Context(), time.Hour)
		defer cancel()
		if res := u.call(ctx, "GET"); res.took != time.Hour || res.Attempts != 1 {
			t.Errorf("%v after %d attempts and %v", res.err, res.Attempts, res.took)
		}
	})
}
