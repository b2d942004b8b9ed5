package bench_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/bench"
)

func start(t *testing.T, script bench.Script) *bench.Upstream {
	t.Helper()
	up, err := bench.NewUpstream(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := up.Close(); err != nil {
			t.Error(err)
		}
	})
	return up
}

// ask makes one request over a connection of its own or a kept one.
func ask(t *testing.T, client *http.Client, url string) (resp *http.Response, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err = client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

func TestUpstreamAnswersAfterItsScript(t *testing.T) {
	t.Parallel()
	answers := []bench.Answer{{Status: 200}, {Status: 403, RetryAfter: "1"}, {Status: 429, RetryAfter: "30"}, {Status: 503}}
	up := start(t, func(a bench.Attempt) bench.Answer { return answers[a.N-1] })
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, want := range answers {
		resp, body := ask(t, client, up.URL+"/payload")
		if resp.StatusCode != want.Status || resp.Header.Get("Retry-After") != want.RetryAfter {
			t.Errorf("answered %d, Retry-After %q; want %+v", resp.StatusCode, resp.Header.Get("Retry-After"), want)
		}
		limited := want.Status == 403 || want.Status == 429
		if want.Status == 200 && len(body) != bench.PayloadSize || limited != strings.Contains(body, "Rate limit exceeded") {
			t.Errorf("%d with a body of %d bytes: %.60s", want.Status, len(body), body)
		}
	}
	if up.Attempts() != 4 || up.Answered(403) != 1 || up.Answered(200) != 1 {
		t.Errorf("%d attempts, %d of them 403, %d of them 200; want 4, 1, 1", up.Attempts(), up.Answered(403), up.Answered(200))
	}
	if up.Dials() != 1 || up.Open() != 1 {
		t.Errorf("%d dials, %d open; want one kept connection", up.Dials(), up.Open())
	}
}

func TestUpstreamCountsEveryDialAndBeginsAnew(t *testing.T) {
	t.Parallel()
	var seen []int
	up := start(t, func(a bench.Attempt) bench.Answer {
		seen = append(seen, a.N)
		return bench.Answer{Status: 200}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 3 {
		ask(t, client, up.URL)
	}
	if up.Dials() != 3 || up.Attempts() != 3 {
		t.Errorf("%d dials, %d attempts; want 3, 3", up.Dials(), up.Attempts())
	}
	if late := up.AttemptsBetween(time.Minute, time.Hour); late != 0 {
		t.Errorf("%d attempts after a minute, want 0", late)
	}
	up.Begin()
	if up.Dials() != 0 || up.Attempts() != 0 {
		t.Errorf("%d dials, %d attempts after Begin; want none", up.Dials(), up.Attempts())
	}
	ask(t, client, up.URL)
	if last := seen[len(seen)-1]; last != 1 {
		t.Errorf("the first attempt after Begin is number %d", last)
	}
}

func TestUpstreamClosesUnderASlowAnswer(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	up, err := bench.NewUpstream(t.Context(), func(bench.Attempt) bench.Answer {
		close(asked)
		return bench.Answer{Status: 200, After: time.Hour}
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, up.URL, http.NoBody)
		resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	<-asked
	if err := up.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the call survived the end of its upstream")
	}
}

// callers makes every contender that can be had for a setup.
func callers(t *testing.T, setup bench.Setup, do func(t *testing.T, name string, c bench.Caller)) {
	t.Helper()
	for _, contender := range bench.Field() {
		c, err := contender.New(setup)
		if errors.Is(err, bench.ErrNotMeasured) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", contender.Name, err)
			continue
		}
		do(t, contender.Name, c)
		c.Close()
	}
}

func TestEveryCallerReadsThePayloadAndTellsFailure(t *testing.T) {
	t.Parallel()
	for name, setup := range map[string]bench.Setup{
		"plain": {NoBreaker: true}, "whole": {NoBreaker: true, Whole: true}, "usual": {}, "with a rate": {Rate: 1000},
	} {
		setup.Base = time.Millisecond
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := start(t, bench.GoodAndBad())
			setup.URL = up.URL
			callers(t, setup, func(t *testing.T, name string, c bench.Caller) {
				t.Helper()
				if err := c.Get(t.Context(), "/good"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if err := c.Get(t.Context(), "/bad"); err == nil {
					t.Errorf("%s took 503 for a success", name)
				}
			})
		})
	}
}

func TestEveryRetrierMakesAllAttempts(t *testing.T) {
	t.Parallel()
	up := start(t, bench.GoodAndBad())
	setup := bench.Setup{URL: up.URL, NoBreaker: true, Attempts: 3, Base: time.Millisecond}
	callers(t, setup, func(t *testing.T, name string, c bench.Caller) {
		t.Helper()
		want := 3
		if name == "bare client" {
			want = 1
		}
		up.Begin()
		if err := c.Get(t.Context(), "/bad"); err == nil || up.Attempts() != want {
			t.Errorf("%s: %d attempts and %v, want %d and an error", name, up.Attempts(), err, want)
		}
	})
}

func TestPeersTakeA403ForARateLimitWhereTold(t *testing.T) {
	t.Parallel()
	for _, told := range []bool{false, true} {
		up := start(t, func(a bench.Attempt) bench.Answer {
			return bench.Answer{Status: map[bool]int{true: 403, false: 200}[a.N == 1]}
		})
		setup := bench.Setup{URL: up.URL, NoBreaker: true, Base: time.Millisecond, Forbidden403: told}
		callers(t, setup, func(t *testing.T, name string, c bench.Caller) {
			t.Helper()
			if name == "bare client" {
				return
			}
			up.Begin()
			err := c.Get(t.Context(), "/payload")
			if (err == nil) != (told || strings.HasPrefix(name, "our")) {
				t.Errorf("%s, told %v: %v", name, told, err)
			}
		})
	}
}

func TestCallersEndWithTheirContext(t *testing.T) {
	t.Parallel()
	up := start(t, bench.Slow(time.Hour))
	callers(t, bench.Setup{URL: up.URL, NoBreaker: true}, func(t *testing.T, name string, c bench.Caller) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := c.Get(ctx, "/payload"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want the deadline", name, err)
		}
	})
}
