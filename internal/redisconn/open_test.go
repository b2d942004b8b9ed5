package redisconn_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/asleep-sdk/asleep/internal/redisconn"
)

func TestOpenGivesUpEarlyWhateverTheKindOfRedis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, url string }{
		{"single", "redis://user:secret@127.0.0.1:1/3"},
		{"tls", "rediss://127.0.0.1:1"},
		{"socket", "unix:///nowhere/redis.sock?db=2"},
		{"sentinel", "redis://127.0.0.1:1?master_name=m&addr=127.0.0.1:2"},
	} {
		client := open(t, c.url)
		single, ok := client.(*redis.Client)
		if !ok {
			t.Errorf("%s: a %T", c.name, client)
			continue
		}
		o := single.Options()
		if o.MaxRetries != 0 || o.DialerRetries != 1 || !o.ContextTimeoutEnabled || !o.DisableIdentity {
			t.Errorf("%s: repeats: %d retries, %d dials, contexts %v, identity off %v", c.name, o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity)
		}
		if o.DialTimeout != 200*time.Millisecond || o.ReadTimeout != 50*time.Millisecond || o.WriteTimeout != o.ReadTimeout || o.PoolTimeout != o.ReadTimeout {
			t.Errorf("%s: waits %v, %v, %v, %v", c.name, o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout)
		}
		if c.name != "sentinel" && o.MaintNotificationsConfig.Mode != maintnotifications.ModeDisabled {
			t.Errorf("%s: maintenance notifications are %v", c.name, o.MaintNotificationsConfig.Mode)
		}
		if (c.name == "tls") != (o.TLSConfig != nil) || o.TLSConfig != nil && (o.TLSConfig.MinVersion < tls.VersionTLS12 || o.TLSConfig.ServerName != "127.0.0.1") {
			t.Errorf("%s: TLS %+v", c.name, o.TLSConfig)
		}
	}
}

func TestOpenKnowsAClusterByItsURL(t *testing.T) {
	t.Parallel()
	for url, nodes := range map[string]int{
		"redis://127.0.0.1:1?cluster=true":                                 1,
		"redis://127.0.0.1:1/?addr=127.0.0.1:2":                            2,
		"rediss://127.0.0.1:1/0?cluster=true":                              1,
		"redis://127.0.0.1:1?master_name=m&addr=127.0.0.1:2&cluster=false": 0,
		"redis://127.0.0.1:1?cluster=false":                                0,
	} {
		cluster, ok := open(t, url).(*redis.ClusterClient)
		if ok != (nodes > 0) {
			t.Errorf("%s: cluster %v", url, ok)
			continue
		}
		if !ok {
			continue
		}
		o := cluster.Options()
		if len(o.Addrs) != nodes || o.MaxRetries != -1 || o.DialerRetries != 1 || !o.ContextTimeoutEnabled || o.ReadTimeout != 50*time.Millisecond ||
			o.ClusterStateReloadInterval != 2*time.Second || o.MaintNotificationsConfig.Mode != maintnotifications.ModeDisabled {
			t.Errorf("%s: %+v", url, o)
		}
	}
}

func TestWhatTheURLSaysGoesBeforeWhatIsTuned(t *testing.T) {
	t.Parallel()
	client, ok := open(t, "redis://127.0.0.1:1?read_timeout=3s&pool_size=7&dial_timeout=1s").(*redis.Client)
	if !ok {
		t.Fatal("not a single client")
	}
	if o := client.Options(); o.ReadTimeout != 3*time.Second || o.PoolSize != 7 || o.DialTimeout != time.Second || o.WriteTimeout != 50*time.Millisecond {
		t.Errorf("%+v", o)
	}
}

func TestAWrongURLIsExplainedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://user:hunter/2@host:6379": "percent-encoded",
		"redis://user:hunter2%@host":      "percent-encoded",
		"http://user:hunter2@host":        "invalid URL scheme: http",
		"":                                "has no scheme: give redis://",
		"redis://host?master_name=m&cluster=true":      "leave one of them out",
		"redis://:hunter2@host/zero":                   `invalid database number: "zero"`,
		"redis://:hunter2@host?bogus=1":                "unexpected option: bogus",
		"redis://:hunter2@host?cluster=perhaps":        `cluster="perhaps": give true or false`,
		"redis://:hunter2@host/3?cluster=true":         "no numbered databases",
		"redis://:hunter2@host?addr=nowhere":           "unable to parse addr param: nowhere",
		"redis://:hunter2@host?dial_timeout=soon":      "dial_timeout",
		"redis://:hunter2@host?master_name=m&addr=two": "unable to parse addr param: two",
	} {
		client, err := redisconn.Open(url)
		if err == nil {
			_ = client.Close()
			t.Errorf("%q is taken", url)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: %v, want %q", url, err, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, s := range []string{"redis://u:p@h:1/2", "rediss://h?cluster=true", "unix:///s?db=1", "redis://h?master_name=m&addr=a:1", "redis://h:1?db=x", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, url string) {
		client, err := redisconn.Open(url)
		if err == nil {
			if err := client.Close(); err != nil {
				t.Errorf("%q: %v", url, err)
			}
		}
	})
}

func open(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client, err := redisconn.Open(url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
