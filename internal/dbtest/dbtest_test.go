//go:build unix

package dbtest_test

import (
	"bufio"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/dbtest"
)

func TestRedisSurvivesBeingMistreated(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	ping := func(within time.Duration) string {
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(within))
		if _, err := c.Write([]byte("PING\r\n")); err != nil {
			return err.Error()
		}
		answer := make([]byte, 64)
		n, err := c.Read(answer)
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(answer[:n]))
	}
	if got := ping(time.Minute); got != "+PONG" {
		t.Fatalf("new server: %s", got)
	}
	s.Stall()
	if got := ping(200 * time.Millisecond); !strings.Contains(got, "timeout") {
		t.Errorf("stalled server: %s", got)
	}
	s.Resume()
	if got := ping(time.Minute); got != "+PONG" {
		t.Errorf("resumed server: %s", got)
	}
	s.Kill()
	if got := ping(time.Minute); !strings.Contains(got, "refused") {
		t.Errorf("killed server: %s", got)
	}
	s.Restart(t)
	if got := ping(time.Minute); got != "+PONG" {
		t.Errorf("restarted server: %s", got)
	}
}

func TestAClusterServesEverySlot(t *testing.T) {
	t.Parallel()
	nodes := dbtest.RedisCluster(t, 3)
	if len(nodes) != 3 || nodes[0].Addr == nodes[1].Addr || nodes[1].Addr == nodes[2].Addr {
		t.Fatalf("nodes %v", nodes)
	}
	for _, s := range nodes {
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("CLUSTER INFO\r\n")); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 1024)
		n, _ := c.Read(answer)
		_ = c.Close()
		if info := string(answer[:n]); !strings.Contains(info, "cluster_slots_ok:16384") {
			t.Errorf("%s: %s", s.Addr, info)
		}
	}
}

func TestPostgresKeepsItsDatabasesOverAKill(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	first, second := c.Database(t), c.Database(t)
	if first == second {
		t.Fatalf("two databases at %s", first)
	}
	psql := func(database, statement string) (string, error) {
		u, err := url.Parse(database)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("psql", "-XAtq", "-h", u.Hostname(), "-p", u.Port(), "-U", "test", "-d", u.Path[1:], "-c", statement).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := psql(first, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.Kill()
	if out, err := psql(first, "SELECT n FROM kept"); err == nil {
		t.Errorf("a killed server answers %s", out)
	}
	c.Restart(t)
	if out, err := psql(first, "SELECT n FROM kept"); err != nil || out != "7" {
		t.Errorf("after the restart: %v, %s", err, out)
	}
	if out, err := psql(second, "SELECT n FROM kept"); err == nil {
		t.Errorf("the other database has it too: %s", out)
	}
}

// TestAStalledPostgresAnswersNoConnection: neither new ones nor those that are open,
// which have a process each.
func TestAStalledPostgresAnswersNoConnection(t *testing.T) {
	t.Parallel()
	c := dbtest.Postgres(t)
	host, port, _ := strings.Cut(c.Addr, ":")
	psql := exec.Command("psql", "-XAtq", "-h", host, "-p", port, "-U", "test", "-d", "postgres")
	in, err := psql.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := psql.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := psql.Start(); err != nil {
		t.Fatal(err)
	}
	answers := make(chan string)
	go func() {
		defer close(answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			answers <- lines.Text()
		}
	}()
	ask := func(text string) { _, _ = io.WriteString(in, text+"\n") }
	ask("SELECT 1;")
	if got := <-answers; got != "1" {
		t.Fatalf("answered %q", got)
	}
	c.Stall()
	ask("SELECT 2;")
	patience := time.NewTimer(200 * time.Millisecond)
	defer patience.Stop()
	select {
	case got := <-answers:
		t.Errorf("a stalled server answers %q", got)
	case <-patience.C:
	}
	c.Resume()
	if got := <-answers; got != "2" {
		t.Errorf("answered %q", got)
	}
	_ = in.Close()
	<-answers
	_ = psql.Wait()
}

func TestFerretKeepsItsPortOverAKill(t *testing.T) {
	t.Parallel()
	s := dbtest.Ferret(t)
	dial := func() error {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	if err := dial(); err != nil {
		t.Fatalf("new server: %v", err)
	}
	s.Kill()
	if err := dial(); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart(t)
	if err := dial(); err != nil {
		t.Errorf("restarted server: %v", err)
	}
}

func TestSentinelsFailOver(t *testing.T) {
	t.Parallel()
	for name, password := range map[string]string{"open": "", "with a password": "sesame"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := dbtest.RedisSentinel(t, password)
			s.Primary.Kill()
			s.AwaitFailover(t)
		})
	}
}

func TestARedisWithTLSSpeaksNothingElse(t *testing.T) {
	t.Parallel()
	ca := dbtest.NewCA(t)
	s := dbtest.RedisTLS(t, ca, true, "127.0.0.1")
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	_, _ = c.Write([]byte("PING\r\n"))
	if n, err := c.Read(make([]byte, 64)); err == nil && n == len("+PONG\r\n") {
		t.Error("it answers without TLS")
	}
}
