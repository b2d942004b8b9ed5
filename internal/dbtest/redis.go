//go:build unix

package dbtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Redis starts a Redis server without persistence; args are further options of
// its command line, such as "--maxmemory", "8mb". Its URL is "redis://" + Addr.
func Redis(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return startRedis(tb, redisDialer{}, "--port", args)
}

// startRedis starts one that listens by the option named, plain or with TLS.
func startRedis(tb testing.TB, by redisDialer, listens string, args []string) *Server {
	tb.Helper()
	bin := redisServer(tb)
	dir := tb.TempDir()
	if at := slices.Index(args, "--requirepass"); at >= 0 {
		by.password = args[at+1]
	}
	s := &Server{
		name: "redis-server",
		quit: syscall.SIGTERM,
		command: func(port int) *exec.Cmd {
			all := []string{
				listens, strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
				"--save", "", "--appendonly", "no", "--loglevel", "warning",
			}
			return exec.Command(bin, append(all, args...)...)
		},
		ready: func(addr string) bool {
			answer, err := by.command(context.WithoutCancel(tb.Context()), addr, "PING")
			// A server that asks for a password is up, and so is one that says that it
			// loads what it has saved, or that its master is away.
			return err == nil && (answer == "+PONG" || strings.HasPrefix(answer, "-"))
		},
		redis: by,
	}
	s.start(tb)
	return s
}

func redisServer(tb testing.TB) string {
	tb.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		missing(tb, "redis-server", "redis-server")
	}
	return bin
}

// clusterSlots is how many hash slots a Redis cluster has.
const clusterSlots = 16384

// RedisCluster starts a Redis cluster of so many masters that share the slots
// evenly, and returns when every node knows all of them. args are further options of
// each.
func RedisCluster(tb testing.TB, nodes int, args ...string) []*Server {
	tb.Helper()
	all := make([]*Server, nodes)
	for i := range all {
		all[i] = clusterNode(tb, args)
		first, last := i*clusterSlots/nodes, (i+1)*clusterSlots/nodes-1
		must(tb, all[i], "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		must(tb, all[i], "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	join(tb, all)
	return all
}

// RedisClusterWithReplicas is RedisCluster with a replica of each master, which takes over
// a second or two after that has gone, however much it has missed. It returns when every
// replica has what its master has.
func RedisClusterWithReplicas(tb testing.TB, nodes int, args ...string) (masters, replicas []*Server) {
	tb.Helper()
	args = append([]string{
		"--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0",
	}, args...)
	masters = RedisCluster(tb, nodes, args...)
	for range masters {
		replicas = append(replicas, clusterNode(tb, args))
	}
	join(tb, slices.Concat(masters[:1], replicas, masters[1:]))
	for i, master := range masters {
		id := must(tb, master, "CLUSTER", "MYID")
		await(tb, "a replica does not follow", func(ctx context.Context) bool {
			_, err := replicas[i].redis.command(ctx, replicas[i].Addr, "CLUSTER", "REPLICATE", id)
			return err == nil && linked(ctx, replicas[i])
		})
	}
	return masters, replicas
}

// linked reports whether a server is a replica that has caught up.
func linked(ctx context.Context, s *Server) bool {
	info, err := s.redis.command(ctx, s.Addr, "INFO", "replication")
	return err == nil && strings.Contains(info, "master_link_status:up")
}

// AwaitMaster returns when the server has become one, and its cluster works.
func AwaitMaster(tb testing.TB, s *Server) {
	tb.Helper()
	await(tb, "it does not take over", func(ctx context.Context) bool {
		role, err := s.redis.command(ctx, s.Addr, "ROLE")
		info, failed := s.redis.command(ctx, s.Addr, "CLUSTER", "INFO")
		return err == nil && failed == nil && strings.HasPrefix(role, "master") && strings.Contains(info, "cluster_state:ok")
	})
}

func clusterNode(tb testing.TB, args []string) *Server {
	tb.Helper()
	return Redis(tb, append([]string{
		"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
		"--cluster-port", strconv.Itoa(freePort(tb)), "--cluster-node-timeout", "15000",
	}, args...)...)
}

// join has the first node meet all others.
func join(tb testing.TB, all []*Server) {
	tb.Helper()
	for _, s := range all[1:] {
		bus := must(tb, s, "CONFIG", "GET", "cluster-port")
		must(tb, all[0], "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(s.port), bus[strings.LastIndexByte(bus, '\n')+1:])
	}
	for _, s := range all {
		await(tb, "the Redis cluster does not come together", func(ctx context.Context) bool {
			info, err := s.redis.command(ctx, s.Addr, "CLUSTER", "INFO")
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(all)))
		})
	}
}

// await polls until it is ok.
func await(tb testing.TB, failure string, ok func(context.Context) bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), readyWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-ctx.Done():
			tb.Fatal(failure)
		case <-tick.C:
		}
	}
}

func must(tb testing.TB, s *Server, command ...string) string {
	tb.Helper()
	answer, err := s.redis.command(tb.Context(), s.Addr, command...)
	if err != nil || strings.HasPrefix(answer, "-") {
		tb.Fatalf("%s: %v %s", strings.Join(command, " "), err, answer)
	}
	return answer
}

// redisDialer is how to speak to a Redis.
type redisDialer struct {
	password string
	tls      *tls.Config
}

// command sends one command over a connection of its own and returns the answer: a
// simple answer with its sign, a string bare, an array by lines.
func (d redisDialer) command(ctx context.Context, addr string, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return "", err
	}
	if d.tls != nil {
		c = tls.Client(c, d.tls)
	}
	answers := bufio.NewReader(c)
	if d.password != "" {
		if _, err := ask(c, answers, "AUTH", d.password); err != nil {
			return "", err
		}
	}
	return ask(c, answers, command...)
}

func ask(c io.Writer, answers *bufio.Reader, command ...string) (string, error) {
	var request strings.Builder
	fmt.Fprintf(&request, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(c, request.String()); err != nil {
		return "", err
	}
	return readAnswer(answers)
}

func readAnswer(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	switch {
	case strings.HasPrefix(line, "$"):
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return "", err
		}
		text := make([]byte, n+len("\r\n"))
		_, err = io.ReadFull(r, text)
		return string(text[:n]), err
	case strings.HasPrefix(line, "*"):
		n, err := strconv.Atoi(line[1:])
		var parts []string
		for range n {
			part, failed := readAnswer(r)
			if failed != nil {
				return "", failed
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, "\n"), err
	}
	return line, nil
}
