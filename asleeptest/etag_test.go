package asleeptest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/asleep-sdk/asleep/asleeptest"
)

func TestETagsAreMadeOfTheBodyAndAnswered304(t *testing.T) {
	t.Parallel()
	srv := asleeptest.NewServer(t, asleeptest.Config{Users: 2, SessionsPerUser: 1})
	session := srv.Sessions("user-0001")[0].ID
	for way, wire := range map[string]http.RoundTripper{"in process": srv.Transport(), "over a socket": new(http.Transport)} {
		get := func(path, user, zone, held string) (status int, tag, body string) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("x-api-key", "k")
			for name, value := range map[string]string{"x-user-id": user, "timezone": zone, "If-None-Match": held} {
				if value != "" {
					req.Header.Set(name, value)
				}
			}
			resp, err := wire.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			return resp.StatusCode, resp.Header.Get("ETag"), string(data)
		}
		path := "/data/v3/sessions/" + session
		srv.SetETags(false)
		if status, tag, _ := get(path, "user-0001", "", `"x"`); status != 200 || tag != "" {
			t.Errorf("%s, off: %d %q", way, status, tag)
		}
		srv.SetETags(true)
		_, tag, body := get(path, "user-0001", "Asia/Seoul", "")
		if _, again, _ := get(path, "user-0001", "Asia/Seoul", `"x"`); tag == "" || again != tag {
			t.Errorf("%s: tags %q and %q of the same body", way, tag, again)
		}
		for _, held := range []string{tag, `"x", ` + tag, "W/" + tag, "*"} {
			if status, got, rest := get(path, "user-0001", "Asia/Seoul", held); status != 304 || got != tag || rest != "" {
				t.Errorf("%s, holding %s: %d %q %q", way, held, status, got, rest)
			}
		}
		if status, other, rest := get(path, "user-0001", "Europe/Paris", tag); status != 200 || other == tag || rest == body {
			t.Errorf("%s: another timezone is answered %d with the tag %q", way, status, other)
		}
		if status, tag, _ := get(path, "user-0002", "", "*"); status != 404 || tag != "" {
			t.Errorf("%s: an error is answered %d with the tag %q", way, status, tag)
		}
	}
}
