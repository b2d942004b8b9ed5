//go:build unix

package dbtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SentinelMaster is the name under which sentinels know their master.
const SentinelMaster = "nights"

// Sentinels is a Redis and its replica, watched by three sentinels.
type Sentinels struct {
	Primary, Replica *Server // as they were started
	All              []*Server

	password string
}

// RedisSentinel starts one, and returns when the sentinels know each other and the replica
// has what the primary has. A sentinel takes a server to be down after two seconds. The
// password, unless it is empty, is that of servers and sentinels; args are further options
// of the servers.
func RedisSentinel(tb testing.TB, password string, args ...string) *Sentinels {
	tb.Helper()
	if password != "" {
		args = append([]string{"--requirepass", password, "--masterauth", password}, args...)
	}
	s := &Sentinels{Primary: Redis(tb, args...), password: password}
	s.Replica = Redis(tb, append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(s.Primary.port), "--repl-diskless-sync-delay", "0"}, args...)...)
	for range 3 {
		s.All = append(s.All, s.start(tb))
	}
	s.await(tb, "the sentinels do not find each other", func(ctx context.Context) bool {
		for _, sentinel := range s.All {
			seen, err := sentinel.redis.command(ctx, sentinel.Addr, "SENTINEL", "MASTER", SentinelMaster)
			if err != nil || !strings.Contains(seen, "num-slaves\n1") || !strings.Contains(seen, "num-other-sentinels\n2") {
				return false
			}
		}
		info, err := s.Replica.redis.command(ctx, s.Replica.Addr, "INFO", "replication")
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	return s
}

// URL names the sentinels; query is added to it.
func (s *Sentinels) URL(query string) string {
	auth := ""
	if s.password != "" {
		auth = ":" + s.password + "@"
	}
	watchers := ""
	if s.password != "" {
		watchers = "&sentinel_password=" + s.password
	}
	return fmt.Sprintf("redis://%s%s?master_name=%s&addr=%s&addr=%s%s%s", auth, s.All[0].Addr, SentinelMaster, s.All[1].Addr, s.All[2].Addr, watchers, query)
}

// AwaitFailover returns when every sentinel says that the replica is the master, and it is.
func (s *Sentinels) AwaitFailover(tb testing.TB) {
	tb.Helper()
	s.await(tb, "the sentinels do not fail over", func(ctx context.Context) bool {
		for _, sentinel := range s.All {
			at, err := sentinel.redis.command(ctx, sentinel.Addr, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SentinelMaster)
			if err != nil || at != "127.0.0.1\n"+strconv.Itoa(s.Replica.port) {
				return false
			}
		}
		role, err := s.Replica.redis.command(ctx, s.Replica.Addr, "ROLE")
		return err == nil && strings.HasPrefix(role, "master")
	})
}

func (s *Sentinels) await(tb testing.TB, failure string, ok func(context.Context) bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), readyWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-ctx.Done():
			tb.Fatalf("%s:\n%s", failure, s.All[0].Log())
		case <-tick.C:
		}
	}
}

// start starts one sentinel, which keeps what it learns in its configuration.
func (s *Sentinels) start(tb testing.TB) *Server {
	tb.Helper()
	bin, file := redisServer(tb), filepath.Join(tb.TempDir(), "sentinel.conf")
	settings := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 2\nsentinel down-after-milliseconds %[1]s 2000\nsentinel failover-timeout %[1]s 3000\n",
		SentinelMaster, s.Primary.port)
	by := redisDialer{password: s.password}
	if s.password != "" {
		settings += fmt.Sprintf("requirepass %[2]s\nsentinel auth-pass %[1]s %[2]s\n", SentinelMaster, s.password)
	}
	sentinel := &Server{
		name: "redis-sentinel",
		quit: syscall.SIGTERM,
		command: func(port int) *exec.Cmd {
			text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\n%s", port, filepath.Dir(file), settings)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				tb.Error(err)
			}
			return exec.Command(bin, file, "--sentinel")
		},
		ready: func(addr string) bool {
			answer, err := by.command(context.WithoutCancel(tb.Context()), addr, "PING")
			return err == nil && answer == "+PONG"
		},
		redis: by,
	}
	sentinel.start(tb)
	return sentinel
}
