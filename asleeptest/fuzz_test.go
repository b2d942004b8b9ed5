package asleeptest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
)

// Whatever is asked, the answer is one of the service's: JSON with a detail,
// or nothing at a 204, and never a failure of the fake's own.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][5]string{
		{"GET", "/data/v1/sessions", "limit=5&offset=1&order_by=ASC&date_gte=2026-03-01", "user-0001", ""},
		{"GET", "/data/v3/sessions/20260314135107_k7q2m", "", "user-0001", ""},
		{"GET", "/data/v1/users/user-0001/average-stats", "start_date=2026-03-01&end_date=2026-03-09", "", ""},
		{"POST", "/ai/v1/users", "", "", `{"metadata":{"height":170}}`},
		{"DELETE", "/ai/v1/sessions/", "", "user-0001", ""},
		{"GET", "/ai/v1/users/a%2Fb", "", "", ""},
		{"POST", "/_fake/faults", "", "", `{"kind":"502","latency":"1ns"}`},
		{"GET", "/data/v1/sessions", "offset=-9223372036854775808&limit=1e9", "x", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], "Asia/Seoul", seed[4])
	}
	f.Fuzz(func(t *testing.T, method, path, query, user, zone, body string) {
		s := asleeptest.New(asleeptest.Config{Users: 3, SessionsPerUser: 3, LastNight: lastNight})
		u, err := url.Parse("http://fake" + path)
		if err != nil || u.Host != "fake" {
			return
		}
		u.RawQuery = query
		req := &http.Request{
			Method: method, URL: u, Header: http.Header{"X-Api-Key": {"k"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}
		for name, v := range map[string]string{"X-User-Id": user, "Timezone": zone} {
			if v != "" {
				req.Header.Set(name, v)
			}
		}
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := s.Transport().RoundTrip(req)
		if err != nil {
			return // refused before it was sent
		}
		b, err := io.ReadAll(resp.Body)
		switch {
		case err != nil || resp.StatusCode >= 500:
			t.Errorf("%d %s, %v", resp.StatusCode, b, err)
		case resp.StatusCode == http.StatusNoContent && len(b) > 0:
			t.Errorf("204 with %s", b)
		case resp.StatusCode != http.StatusNoContent && !json.Valid(b):
			t.Errorf("%d %q is not JSON", resp.StatusCode, b)
		}
		if st := s.Stats(); st.InFlight != 0 {
			t.Errorf("%d in flight", st.InFlight)
		}
	})
}

// A fault that JSON gives is valid, and comes back from JSON as it was.
func FuzzFaultJSON(f *testing.F) {
	f.Add([]byte(`{"kind":"403_rate_limit","retry_after":"30","times":3}`))
	f.Add([]byte(`{"op":"getUser","latency":"1s","latency_max":"2s","probability":0.5,"header":{"X":["y"]}}`))
	f.Add([]byte(`{"kind":"truncated","after":"1h","for":"-1s"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var fault, back asleeptest.Fault
		if json.Unmarshal(b, &fault) != nil {
			return
		}
		if err := fault.Validate(); err != nil {
			t.Error(err)
		}
		out, err := json.Marshal(fault)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &back); err != nil || !sameFault(fault, back) {
			t.Errorf("%s came back as %+v, %v", out, back, err)
		}
	})
}
