package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

// readKey opens the read API.
const readKey = "a-key-for-readers-of-the-bench"

// bareVariable names a file: this program, started with it, answers every request with
// what is in it, by net/http and nothing else.
const bareVariable = "ASLEEP_BENCH_BARE"

// build builds `asleep`: what is measured is the program that people run.
func build(ctx context.Context, path string) error {
	_, file, _, _ := runtime.Caller(0)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "./cmd/asleep") //nolint:gosec // our own command
	cmd.Dir = filepath.Join(filepath.Dir(file), "..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return notMeasured(fmt.Sprintf("the command cannot be built: %v: %s", err, out))
	}
	return nil
}

// library is what readers read: a fake of the service, a database with a user's night in
// it, and the command that serves both.
type library struct {
	command string
	env     []string

	stored string // the path of a night that is in the database
	cached string // and of one that the service has, and the cache once it was asked for
}

// withLibrary makes one and calls do with it.
func withLibrary(ctx context.Context, do func(*library) error) error {
	return inDir(func(dir string) (err error) {
		command := filepath.Join(dir, "asleep")
		if err := build(ctx, command); err != nil {
			return err
		}
		fake := asleeptest.New(asleeptest.Config{Users: 2, SessionsPerUser: 2, Ordinary: true})
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		upstream := &http.Server{Handler: fake, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = upstream.Serve(listener) }()
		defer func() { err = errors.Join(err, upstream.Close()) }()
		file := filepath.Join(dir, "bench.db")
		stored := fake.Sessions("user-0001")[0].ID
		report, _ := fake.Report(stored, "UTC")
		night, err := store.FromReport("user-0001", report, time.Now())
		if err != nil {
			return err
		}
		db, err := sqlite.Open(ctx, file, sqlite.Config{}, store.Options{})
		if err != nil {
			return err
		}
		_, err = db.Sessions().Put(ctx, night)
		if err = errors.Join(err, db.Close()); err != nil {
			return err
		}
		const many = "1000000000"
		return do(&library{
			command: command,
			env: []string{
				"ASLEEP_API_KEY=" + benchKey, "ASLEEP_WEBHOOK_SECRET=" + benchSecret, "ASLEEP_BASE_URL=http://" + listener.Addr().String(),
				"DATABASE_URL=sqlite:" + file, "ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "READ_API_KEYS=" + readKey,
				"RATE_LIMIT_SESSIONS=" + many, "RATE_LIMIT_REQUESTS=" + many, // counted, and never refused
			},
			stored: "/api/sessions/" + stored,
			cached: "/api/users/user-0002/sessions/" + fake.Sessions("user-0002")[0].ID,
		})
	})
}

// withServe starts `asleep serve` and calls do with it.
func (l *library) withServe(ctx context.Context, do func(*process) error) (took usage, err error) {
	cmd := exec.CommandContext(ctx, l.command, "serve") //nolint:gosec // built above
	cmd.Env = append(os.Environ(), l.env...)
	return withProcess(cmd, do)
}

// withBare starts a bare handler that answers with body.
func withBare(ctx context.Context, body []byte, do func(*process) error) (took usage, err error) {
	err = inDir(func(dir string) error {
		self, err := os.Executable()
		if err != nil {
			return notMeasured(err.Error())
		}
		file := filepath.Join(dir, "body")
		if err := os.WriteFile(file, body, 0o600); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, self) //nolint:gosec // this program
		cmd.Env = append(os.Environ(), receiverVariable+"="+storageBare, bareVariable+"="+file)
		took, err = withProcess(cmd, do)
		return err
	})
	return took, err
}

// withProcess starts a server that tells its address first, and ends it.
func withProcess(cmd *exec.Cmd, do func(*process) error) (took usage, err error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return took, err
	}
	p := &process{begun: time.Now(), out: bufio.NewReader(out)}
	if err := cmd.Start(); err != nil {
		return took, err
	}
	if p.address, err = p.out.ReadString('\n'); err == nil {
		p.address = strings.TrimPrefix(strings.TrimSpace(p.address), "http://")
		err = do(p)
	}
	var memory error
	took.MB, memory = peakMB(cmd.Process.Pid)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	took.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return took, errors.Join(err, memory)
}

// answerBare is the bare handler.
func answerBare(out io.Writer) error {
	body, err := os.ReadFile(os.Getenv(bareVariable)) //nolint:gosec // of withBare
	if err != nil {
		return err
	}
	length := strconv.Itoa(len(body))
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", length)
		_, _ = w.Write(body)
	})}
	return server.Serve(listener)
}

// reading is a request as bytes.
func reading(path string, header ...string) []byte {
	lines := append([]string{"GET " + path + " HTTP/1.1", "Host: bench", "x-api-key: " + readKey}, header...)
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// readings are so many of one request.
func readings(n int, request []byte) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = request
	}
	return list
}

// fetch reads one answer whole.
func fetch(ctx context.Context, address, path string) (body []byte, tag string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("X-Api-Key", readKey)
	r.Header.Set("Accept-Encoding", "identity")
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	body, err = io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", path, answer.StatusCode, body)
	}
	return body, answer.Header.Get("ETag"), err
}
