package pipenet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep/internal/pipenet"
)

func TestHTTPRunsOverItInExactTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(3 * time.Second)
			_, _ = io.WriteString(w, "slow")
		})}
		go func() { _ = server.Serve(l) }()
		pool := &http.Transport{DialContext: l.DialContext}
		start := time.Now()
		for range 2 {
			resp, err := (&http.Client{Transport: pool}).Get("http://any.test/")
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(body) != "slow" {
				t.Errorf("body %q", body)
			}
		}
		if took := time.Since(start); took != 6*time.Second {
			t.Errorf("took %v, want 6s", took)
		}
		if l.Dials() != 1 || l.Tried() != 1 {
			t.Errorf("%d connections of %d dials, want one kept alive", l.Dials(), l.Tried())
		}
		pool.CloseIdleConnections()
		_ = server.Close()
	})
}

func TestDialIsRefusedWhenToldOrClosed(t *testing.T) {
	t.Parallel()
	l := pipenet.Listen()
	l.RefuseNext(1)
	for _, when := range []string{"told", "closed"} {
		_, err := l.DialContext(t.Context(), "tcp", "any:80")
		var oe *net.OpError
		if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &oe) || oe.Op != "dial" {
			t.Errorf("%s: %v", when, err)
		}
		_ = l.Close()
		_ = l.Close() // twice is fine
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
	if l.Dials() != 0 || l.Tried() != 2 {
		t.Errorf("%d connections of %d dials", l.Dials(), l.Tried())
	}
}

func TestDialWaitsForAcceptUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := pipenet.Listen()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := l.DialContext(ctx, "tcp", "any:80"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func ExampleListener() {
	l := pipenet.Listen()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+r.Host)
	})}
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()

	client := &http.Client{Transport: &http.Transport{DialContext: l.DialContext}}
	resp, err := client.Get("http://anything.test/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(string(body), l.Dials())
	// Output: hello anything.test 1
}
