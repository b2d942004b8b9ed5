package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

func TestDoReturnsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, 201, `{"detail":"OK","result":{"n":[1,2]}}`)
	resp, err := c.Do(t.Context(), client.Request{Method: "POST", Path: "/ai/v2/thing", Body: json.RawMessage(`{"a":1}`)})
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%+v, %v", resp, err)
	}
	var v struct{ N []int }
	if err := resp.Result(&v); err != nil || len(v.N) != 2 {
		t.Errorf("%+v, %v", v, err)
	}
	for _, body := range []string{"", "{}", `{"result":null}`, `{"result":{"n":"x"}}`, `{"result":{"n":[1]}`} {
		r := client.Response{StatusCode: 200, Body: []byte(body)}
		if err := r.Result(&v); !errors.Is(err, client.ErrDecode) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestHeadersOfDoCannotReplaceTheKey(t *testing.T) {
	t.Parallel()
	own := http.Header{"x-api-key": {"another"}, "x-custom": {"1", "2"}, "accept": {"text/csv"}, "content-type": {"text/csv"}}
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		for name, want := range map[string]string{
			"X-Api-Key": secret, "X-Custom": "1,2", "Accept": "text/csv", "Content-Type": "text/csv", "X-User-Id": "", "Timezone": "",
		} {
			if got := strings.Join(req.Header[name], ","); got != want {
				t.Errorf("header %s is %q, want %q", name, got, want)
			}
		}
		for name := range req.Header {
			if name != http.CanonicalHeaderKey(name) {
				t.Errorf("header %s beside the canonical one", name)
			}
		}
		return response(req, 204, ""), nil
	})
	c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}))
	if _, err := c.Do(t.Context(), client.Request{Method: "PUT", Path: "/x", Header: own, Body: "{}"}); err != nil {
		t.Error(err)
	}
	if len(own) != 4 {
		t.Errorf("the caller's headers were changed to %v", own)
	}
}

func TestDoStaysWithinTheBaseURL(t *testing.T) {
	t.Parallel()
	c := offline(t)
	for _, path := range []string{
		"", "x", "//evil.test/x", "https://evil.test/x", "@evil.test", "/a/../b", "/..", "/.", "/a/%2e%2e/b", "/a/%2E./b", "/a?x=1", "/a#f", "/a b", "/a\n", "/%zz", `/a\b`,
	} {
		_, err := c.Do(t.Context(), client.Request{Method: "GET", Path: path})
		if !errors.Is(err, client.ErrInvalid) || !strings.Contains(err.Error(), "do: path: ") {
			t.Errorf("%q: %v", path, err)
		}
	}
	for want, r := range map[string]client.Request{
		`method: ""`:               {Path: "/x"},
		`method: "get"`:            {Method: "get", Path: "/x"},
		`method: "GET /\r\n"`:      {Method: "GET /\r\n", Path: "/x"},
		"header: Host":             {Method: "GET", Path: "/x", Header: http.Header{"host": {"evil.test"}}},
		"body: not JSON":           {Method: "POST", Path: "/x", Body: "{"},
		"body: json: unsupported":  {Method: "POST", Path: "/x", Body: func() {}},
		"user id: ends with the":   {Method: "GET", Path: "/x", UserID: "u "},
		"body: not JSON: give byt": {Method: "POST", Path: "/x", Body: []byte{}},
	} {
		_, err := c.Do(t.Context(), r)
		if !errors.Is(err, client.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestDoRepeatsOnlyWhatIsSafe(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int{"GET": 4, "PUT": 4, "DELETE": 4, "POST": 1, "PATCH": 1} {
		inBubble(t, steps(busy), func(u *upstream) {
			_, err := u.client.Do(u.Context(), client.Request{Method: method, Path: "/x", Body: "{}"})
			if n := len(u.requests()); n != want || errors.Is(err, client.ErrMaybeCreated) != (want == 1) {
				t.Errorf("%s: %d requests, %v", method, n, err)
			}
		})
	}
}

func TestPingAsksOnceAndTakesAnyAnswer(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 302, 401, 403, 404, 429, 500, 503} {
		c, sent := answering(t, status, "<html>", client.WithRetry(client.DefaultRetry()))
		if err := c.Ping(t.Context()); err != nil || *sent != 1 {
			t.Errorf("%d: %d requests, %v", status, *sent, err)
		}
	}
	n := 0
	wire := transport.RoundTripFunc(func(*http.Request) (*http.Response, error) {
		n++
		return nil, errors.New("no route to host")
	})
	c := newClient(t, client.WithHTTPClient(&http.Client{Transport: wire}))
	if err := c.Ping(t.Context()); !errors.Is(err, client.ErrUnavailable) || n != 1 || !strings.HasPrefix(err.Error(), "asleep: ping: no route to host") {
		t.Errorf("%d requests, %v", n, err)
	}
}
