package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/server"
)

// series are the lines of /metrics whose names begin so.
func (b bench) series(name string) (list []string) {
	for line := range strings.Lines(b.admin(http.MethodGet, "/metrics", "").Body.String()) {
		if strings.HasPrefix(line, name) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

func TestNoRequestMakesSeriesOfItsOwn(t *testing.T) {
	t.Parallel()
	r := newReading(t, nil)
	paths := []string{
		"/api/sessions/%s", "/api/users/%s/sessions?source=store", "/api/users/%s/summary?source=store", "/api/users/u/sessions/%s?source=store", "/api/%s", "/%s", "/api/sessions/../%s",
		"/api//%s", "/api/statistics?source=store&user_id=%s", "/webhook?%s", "/webhook/%s", "/metrics/%s", "/inbox/%s", "/api/sessions/%s%%00", "/api/sessions/%s%%2f..",
	}
	flood := func(n int) {
		for i := range n {
			word := fmt.Sprintf("word%dx", i)
			for _, path := range paths {
				path = fmt.Sprintf(path, word)
				for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "TRACE", "BREW" + word, strings.ToLower(word)} {
					_ = ask(r.Handler(), method, "http://api.example"+path, "", "X-Api-Key", readKey, "X-Request-Id", word)
					_ = ask(r.AdminHandler(), method, "http://localhost"+path, "")
					_ = ask(r.AdminHandler(), method, "http://evil"+word+".example"+path, "")
				}
			}
		}
	}
	flood(1)
	_ = r.series("http_") // which is a request of its own
	first := len(r.series("http_"))
	flood(10)
	all := r.series("http_")
	if len(all) != first {
		t.Errorf("%d series after one round, %d after ten more", first, len(all))
	}
	text := strings.Join(all, "\n")
	for _, never := range []string{"word", "BREW", "evil", "user-0001"} {
		if strings.Contains(text, never) {
			t.Errorf("there is a series of %q:\n%s", never, text)
		}
	}
	for _, want := range []string{
		`http_requests_total{method="other",route="unmatched",status="404"}`,
		`http_requests_total{method="other",route="/api/sessions/{session}",status="405"}`,
		`http_requests_total{method="GET",route="/api/",status="404"}`,
		`http_request_duration_seconds_count{method="GET",route="unmatched"}`,
		`http_requests_in_progress{method="other",route="unmatched"} 0`,
		`http_requests_in_progress{method="GET",route="/api/users/{user}/sessions"} 0`,
		`http_requests_in_progress{method="GET",route="/metrics"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestARequestUnderWayIsCountedByMethodAndRoute(t *testing.T) {
	t.Parallel()
	r := newReading(t, func(c *server.Config) { c.Reading.Timeout = 300 * time.Millisecond })
	r.fake.Inject(asleeptest.Fault{Hang: true})
	const running = `http_requests_in_progress{method="GET",route="/api/users/{user}/sessions"} `
	counted := false
	for try := 0; !counted && try < 50; try++ { // a machine that stands still may look when it was answered
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = ask(r.Handler(), http.MethodGet, "/api/users/user-0001/sessions", "", "X-Api-Key", readKey)
		}()
		for underWay := true; underWay; {
			select {
			case <-done:
				underWay = false
			default:
				counted = counted || len(r.series(running+"1")) > 0
			}
		}
	}
	if !counted {
		t.Error("it was never counted")
	}
	if len(r.series(running+"0")) != 1 {
		t.Errorf("when it was answered: %q", r.series(running))
	}
}

func TestWhatLimitsSaidIsCounted(t *testing.T) {
	t.Parallel()
	b := limitedService(t, func(c *server.Config) { c.Limits.Statistics = 2 })
	for range 5 {
		b.from("192.0.2.1:1", "/api/statistics?user_id=u&source=store")
	}
	for _, want := range []string{`{decision="allowed",limit="statistics",scope="process"} 2`, `{decision="refused",limit="statistics",scope="process"} 3`} {
		if got := b.series("http_request_limit_decisions_total" + want); len(got) != 1 {
			t.Errorf("no %s: %q", want, b.series("http_request_limit_decisions_total"))
		}
	}
}
