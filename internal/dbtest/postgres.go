//go:build unix

package dbtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// Cluster is a PostgreSQL server, which calls its databases together a cluster.
type Cluster struct {
	*Server
	bin, dir  string
	databases atomic.Int64
}

// ErrMissing is that a server's programs are not on this machine.
var ErrMissing = errors.New("not installed")

// Postgres starts a PostgreSQL server whose user "test" needs no password, and ends
// it with the test. Its folder survives [Server.Kill] and [Server.Restart]. What was
// committed survives being killed; syncing to the disk is off, as nothing here cuts
// the power, and settings such as "fsync=on" overrule that.
func Postgres(tb testing.TB, settings ...string) *Cluster {
	tb.Helper()
	c, err := StartPostgres(settings...)
	switch {
	case errors.Is(err, ErrMissing):
		missing(tb, "PostgreSQL", "postgresql")
	case err != nil:
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// StartPostgres is [Postgres] for a program that is no test: [Cluster.Close] ends
// the server. Its error matches [ErrMissing] where PostgreSQL is not installed.
func StartPostgres(settings ...string) (*Cluster, error) {
	return startCluster(settings, "initdb", "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
}

// Standby starts a server that follows this one and takes reads alone, until it is
// promoted. It ends with the test.
func (c *Cluster) Standby(tb testing.TB, settings ...string) *Cluster {
	tb.Helper()
	host, port, _ := strings.Cut(c.Addr, ":")
	s, err := startCluster(settings, "pg_basebackup", "-h", host, "-p", port, "-U", "test", "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// startCluster starts a server whose folder a program has made, with -D and these
// arguments.
func startCluster(settings []string, maker string, args ...string) (c *Cluster, err error) {
	bin := postgresBin()
	if bin == "" {
		return nil, fmt.Errorf("PostgreSQL is %w", ErrMissing)
	}
	// A short name, as that of its socket may have 107 bytes, and no folder of a
	// test, which another user may not enter.
	dir, err := os.MkdirTemp("", "asleep-pg-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	attributes, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	environment := []string{"LC_ALL=C", "TZ=UTC", "PATH=" + bin + ":/usr/bin:/bin"}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, environment, &syscall.SysProcAttr{Credential: attributes}
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := command(maker, append(args, "-D", data)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", maker, err, out)
	}
	s := postgresServer(bin, dir, data, command, settings)
	if err := s.launch(); err != nil {
		return nil, err
	}
	return &Cluster{Server: s, bin: bin, dir: dir}, nil
}

func postgresServer(bin, dir, data string, command func(string, ...string) *exec.Cmd, settings []string) *Server {
	all := append([]string{
		"listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off",
		"max_connections=200", "log_min_messages=warning", "timezone=UTC",
	}, settings...)
	return &Server{
		name: "postgres",
		quit: syscall.SIGINT, // a fast shutdown: it waits for nobody
		command: func(port int) *exec.Cmd {
			args := []string{"-D", data, "-p", strconv.Itoa(port), "-k", dir}
			for _, setting := range all {
				args = append(args, "-c", setting)
			}
			return command("postgres", args...)
		},
		ready: func(addr string) bool {
			host, port, _ := strings.Cut(addr, ":")
			return exec.Command(filepath.Join(bin, "pg_isready"), "-q", "-h", host, "-p", port).Run() == nil
		},
	}
}

// Close ends the server and removes its folder.
func (c *Cluster) Close() error {
	c.end()
	return os.RemoveAll(c.dir)
}

// Dir is the folder of the server: its data stand in data.
func (c *Cluster) Dir() string { return c.dir }

// Database makes an empty database and returns its URL. It goes with the server.
func (c *Cluster) Database(tb testing.TB) string {
	tb.Helper()
	text, err := c.CreateDatabase()
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// CreateDatabase is [Cluster.Database] for a program that is no test.
func (c *Cluster) CreateDatabase() (string, error) {
	name := fmt.Sprintf("test%d", c.databases.Add(1))
	host, port, _ := strings.Cut(c.Addr, ":")
	cmd := exec.Command(filepath.Join(c.bin, "createdb"), "-h", host, "-p", port, "-U", "test", "-T", "template0", name)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("createdb: %w\n%s", err, out)
	}
	u := url.URL{Scheme: "postgres", User: url.User("test"), Host: c.Addr, Path: name, RawQuery: "sslmode=disable"}
	return u.String(), nil
}

// SQL runs statements in one transaction of a database of the server, and returns
// the rows of the last: a line each, columns separated by "|".
func (c *Cluster) SQL(tb testing.TB, database, text string) string {
	tb.Helper()
	cmd := exec.Command(filepath.Join(c.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", text, err, &stderr)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// postgresBin finds the folder of the newest server's programs, or returns "".
// What is on the PATH may be a link, and the programs look for their siblings
// beside what it leads to.
func postgresBin() string {
	if found, err := exec.LookPath("initdb"); err == nil {
		if found, err = filepath.EvalSymlinks(found); err == nil {
			return filepath.Dir(found)
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is well-formed
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return release(a) - release(b) }))
}

// release is the version in /usr/lib/postgresql/15/bin/initdb.
func release(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// unprivileged gives the folder to a user who may run PostgreSQL, which refuses
// root, and returns that user; nil is the user of this process.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nobody else
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user for it: %w", err)
	}
	uid, errUser := strconv.ParseUint(account.Uid, 10, 32)
	gid, errGroup := strconv.ParseUint(account.Gid, 10, 32)
	if errUser != nil || errGroup != nil {
		return nil, fmt.Errorf("user %s has the ids %q and %q", account.Username, account.Uid, account.Gid)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}
