//go:build unix

package redisconn_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/redisconn"
)

const (
	patience   = "&dial_timeout=1m&read_timeout=1m&write_timeout=1m&pool_timeout=1m"
	impatience = "&dial_timeout=2s&read_timeout=2s&write_timeout=2s&pool_timeout=2s" // for what never answers
)

// silence is how it shows that nobody says anything.
const silence = "deadline"

// ping is what comes of the first word, explained.
func ping(t *testing.T, client redis.UniversalClient) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	return redisconn.Explain(client.Ping(ctx).Err())
}

func TestTLSIsForWhomTheCertificateSays(t *testing.T) {
	t.Parallel()
	ca, stranger := dbtest.NewCA(t), dbtest.NewCA(t)
	byAddress, byName := dbtest.RedisTLS(t, ca, false, "127.0.0.1"), dbtest.RedisTLS(t, ca, false, "redis.internal")
	plain := dbtest.Redis(t)
	for _, c := range []struct{ name, url, refusal string }{
		{"its authority", "rediss://" + byAddress.Addr + "?ca_file=" + ca.File, ""},
		{"nobody's authority", "rediss://" + byAddress.Addr + "?db=0", "?ca_file=/path/ca.pem"},
		{"another authority", "rediss://" + byAddress.Addr + "?ca_file=" + stranger.File, "?ca_file=/path/ca.pem"},
		{"another name", "rediss://" + byName.Addr + "?ca_file=" + ca.File, "?server_name=NAME"},
		{"the name it bears", "rediss://" + byName.Addr + "?server_name=redis.internal&ca_file=" + ca.File, ""},
		{"a name it does not bear", "rediss://" + byName.Addr + "?server_name=redis.external&ca_file=" + ca.File, "?server_name=NAME"},
		{"nothing is verified", "rediss://" + byName.Addr + "?skip_verify=true", ""},
		{"no TLS there", "rediss://" + plain.Addr + "?ca_file=" + ca.File, silence}, // it waits for the end of a line
		{"only TLS there", "redis://" + byAddress.Addr + "?db=0", "give rediss://"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := c.url + patience
			if c.refusal == silence {
				url = c.url + impatience
			}
			if c.refusal != "" {
				url = strings.Replace(url, "://", "://:hunter2@", 1)
			}
			judge(t, ping(t, open(t, url)), c.refusal)
		})
	}
}

func judge(t *testing.T, err error, refusal string) {
	t.Helper()
	switch {
	case refusal == "" && err != nil:
		t.Error(err)
	case refusal != "" && err == nil:
		t.Error("it is taken")
	case refusal != "" && (!strings.Contains(err.Error(), refusal) || strings.Contains(err.Error(), "hunter2")):
		t.Errorf("%v, want %q", err, refusal)
	}
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ca, stranger := dbtest.NewCA(t), dbtest.NewCA(t)
	s := dbtest.RedisTLS(t, ca, true, "127.0.0.1")
	own, key := ca.Issue(t, "client")
	other, otherKey := stranger.Issue(t, "client")
	url := "rediss://" + s.Addr + "?ca_file=" + ca.File + patience
	judge(t, ping(t, open(t, url+"&cert_file="+own+"&key_file="+key)), "")
	for _, url := range []string{url, url + "&cert_file=" + other + "&key_file=" + otherKey} {
		// The server says why and hangs up: who is slow may find that it has hung up.
		err := ping(t, open(t, url))
		for try := 0; try < 50 && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)); try++ {
			err = ping(t, open(t, url))
		}
		judge(t, err, "cert_file=/path/client.pem")
	}
}

func TestAClientCertificateIsReadAnew(t *testing.T) {
	t.Parallel()
	ca, stranger := dbtest.NewCA(t), dbtest.NewCA(t)
	s := dbtest.RedisTLS(t, ca, true, "127.0.0.1")
	file := filepath.Join(t.TempDir(), "client.pem")
	install := func(cert, key string) {
		t.Helper()
		var both []byte
		for _, part := range []string{cert, key} {
			text, err := os.ReadFile(part)
			if err != nil {
				t.Fatal(err)
			}
			both = append(both, text...)
		}
		if err := os.WriteFile(file, both, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install(stranger.Issue(t, "client"))
	client := open(t, "rediss://"+s.Addr+"?ca_file="+ca.File+"&cert_file="+file+patience)
	if ping(t, client) == nil {
		t.Fatal("a stranger's certificate is taken")
	}
	install(ca.Issue(t, "client"))
	judge(t, ping(t, client), "")
}

func TestWrongTLSIsToldBeforeAnythingIsDialled(t *testing.T) {
	t.Parallel()
	ca := dbtest.NewCA(t)
	cert, key := ca.Issue(t, "client")
	for url, want := range map[string]string{
		"redis://:hunter2@h?ca_file=" + ca.File:                          "ca_file is for TLS",
		"rediss://:hunter2@h?ca_file=/nowhere/ca.pem":                    "/nowhere/ca.pem: no such file",
		"rediss://:hunter2@h?ca_file=" + key:                             "has no certificate in PEM",
		"rediss://:hunter2@h?key_file=" + key:                            "without cert_file",
		"rediss://:hunter2@h?cert_file=" + cert:                          "found a certificate rather than a key",
		"rediss://:hunter2@h?cluster=true&cert_file=/nowhere/c":          "/nowhere/c",
		"rediss://:hunter2@h?master_name=m&server_name=x&ca_file=" + key: "has no certificate in PEM",
	} {
		client, err := redisconn.Open(url)
		if err == nil {
			_ = client.Close()
			t.Errorf("%s is taken", url)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if client, err := redisconn.Open("rediss://h?ca_file=" + ca.File + "&cert_file=" + cert + "&key_file=" + key); err != nil {
		t.Error(err)
	} else {
		_ = client.Close()
	}
}

func TestWhoSentinelsAndServersAre(t *testing.T) {
	t.Parallel()
	s := dbtest.RedisSentinel(t, "sesame")
	for _, url := range []string{
		s.URL(patience),
		"redis://:sesame@" + s.All[0].Addr + "?master_name=" + dbtest.SentinelMaster + "&password=sesame" + patience, // go-redis' form
	} {
		judge(t, ping(t, open(t, url)), "")
	}
	err := ping(t, open(t, "redis://"+s.All[0].Addr+"?master_name="+dbtest.SentinelMaster+"&sentinel_password=sesame"+patience))
	if !redis.IsAuthError(errors.Unwrap(err)) {
		t.Errorf("a server without its password: %v", err)
	}
}
