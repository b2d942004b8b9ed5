package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/server"
)

// running is a service that serves on two free ports, until its context ends.
func running(t *testing.T, cfg server.Config) (at server.Addresses, stop func() error) {
	t.Helper()
	cfg.Addr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	b := newBench(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	bound, ended := make(chan server.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- b.Run(ctx, func(at server.Addresses) error {
			bound <- at
			return nil
		})
	}()
	t.Cleanup(cancel)
	return <-bound, func() error {
		cancel()
		return <-ended
	}
}

func TestAServiceListensServesAndEnds(t *testing.T) {
	t.Parallel()
	at, stop := running(t, configured())
	for _, addr := range []net.Addr{at.Public, at.Admin} {
		r, err := new(http.Client).Get("http://" + addr.String() + "/ready")
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", r, err)
		}
		_ = r.Body.Close()
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", at.Public.String(), time.Second); err == nil {
		t.Error("it still listens")
	}
}

func TestAnAddressThatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, setting := range []string{"ADDR", "ADMIN_ADDR"} {
		cfg := configured()
		cfg.Addr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
		if setting == "ADDR" {
			cfg.Addr = taken.Addr().String()
		} else {
			cfg.AdminAddr = taken.Addr().String()
		}
		err := newBench(t, cfg).Run(t.Context(), nil)
		if e, ok := errors.AsType[*server.ListenError](err); !ok || e.Setting != setting || !strings.Contains(err.Error(), taken.Addr().String()) {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

func TestWhenNobodyCanBeToldTheServiceEnds(t *testing.T) {
	t.Parallel()
	cfg := configured()
	cfg.Addr, cfg.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	deaf := errors.New("nobody listens")
	if err := newBench(t, cfg).Run(t.Context(), func(server.Addresses) error { return deaf }); !errors.Is(err, deaf) {
		t.Errorf("%v", err)
	}
}

func TestSlowSendersAreCutOffInTime(t *testing.T) {
	t.Parallel()
	cfg := configured()
	cfg.ReadTimeout = 300 * time.Millisecond
	at, _ := running(t, cfg)
	for name, begin := range map[string]string{
		"header": "POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"body": "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nx-api-key: " + apiKey +
			"\r\nx-signature: " + strings.Repeat("0", 64) + "\r\nContent-Length: 1000\r\n\r\n{",
		"body that nobody reads": "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", at.Public.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, begin); err != nil {
				t.Fatal(err)
			}
			if answer, err := io.ReadAll(c); err != nil { // it ends when the other side closes
				t.Errorf("not closed: %v after %q", err, answer)
			}
		})
	}
}
