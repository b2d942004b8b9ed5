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
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
	"github.com/asleep-sdk/asleep/webhook"
)

// A receiver that is measured runs in a process of its own, so that its memory is
// its own: this program again, with this variable set to the kind of storage.
const receiverVariable = "ASLEEP_BENCH_RECEIVER"

// Where a receiver stores.
const (
	storageSQLite = "sqlite"
	storageOff    = "off"      // nowhere: the same handler otherwise
	storageWorked = "pipeline" // as sqlite, and a processor works what is stored
	storageBare   = "bare"     // no receiver at all: see answerBare
)

// IsReceiver reports whether this process is to be a receiver. A program that
// runs rows asks first thing, and calls [Receive] if so.
func IsReceiver() bool { return os.Getenv(receiverVariable) != "" }

// benchVerifier knows two keys and two secrets, as while they are rotated.
func benchVerifier() (*webhook.Verifier, error) {
	return webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{benchSecret, "another secret of the bench"}, Keys: []string{"another-key", benchKey}})
}

// Receive serves deliveries until in ends. It tells the address on out, and for
// every line of in how many events its processor has done.
func Receive(in io.Reader, out io.Writer) error {
	if os.Getenv(receiverVariable) == storageBare {
		return answerBare(out)
	}
	ctx := context.Background()
	verifier, err := benchVerifier()
	if err != nil {
		return err
	}
	return inDir(func(dir string) (err error) {
		var inbox store.Inbox = nowhere{}
		done := func() uint64 { return 0 }
		if storage := os.Getenv(receiverVariable); storage != storageOff {
			db, err := sqlite.Open(ctx, filepath.Join(dir, "bench.db"), sqlite.Config{}, store.Options{})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			if inbox, err = db.Inbox(); err != nil {
				return err
			}
			if storage == storageWorked {
				var stop func() error
				if done, stop, err = startWork(ctx, inbox, db.Sessions()); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, stop()) }()
			}
		}
		receiver, err := webhook.NewReceiver(inbox, verifier, webhook.WithLimits(webhook.Limits{}))
		if err != nil {
			return err
		}
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: receiver, ReadHeaderTimeout: 10 * time.Second}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
			return err
		}
		lines := bufio.NewScanner(in)
		for lines.Scan() && err == nil {
			_, err = fmt.Fprintln(out, done())
		}
		err = errors.Join(err, lines.Err(), server.Close())
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	})
}

// startWork starts a processor with the standard pipeline.
func startWork(ctx context.Context, inbox store.Inbox, sessions store.Sessions) (done func() uint64, stop func() error, err error) {
	steps, err := webhook.Pipeline(webhook.PipelineConfig{Sessions: sessions})
	if err != nil {
		return nil, nil, err
	}
	processor, err := webhook.NewProcessor(inbox, steps)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- processor.Run(ctx) }()
	stop = func() error {
		cancel()
		return <-ended
	}
	return func() uint64 { return processor.Stats().Done }, stop, nil
}

// nowhere takes every event and keeps none.
type nowhere struct{ store.Inbox }

func (nowhere) Put(_ context.Context, events ...store.Event) ([]store.Receipt, error) {
	out := make([]store.Receipt, len(events))
	for i := range out {
		out[i] = store.Receipt{ID: "1", Result: store.Stored, Revision: 1}
	}
	return out, nil
}

func (nowhere) Depth(context.Context) (store.Depth, error) { return store.Depth{}, nil }

// process is a receiver that was started.
type process struct {
	address string
	begun   time.Time // when it was started
	in      io.Writer
	out     *bufio.Reader
}

// done is how many events its processor has done.
func (p *process) done() (n uint64, err error) {
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		return 0, err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(line), 10, 64)
}

// usage is what a receiver took.
type usage struct {
	MB  float64       // the most resident memory
	CPU time.Duration // of the system too
}

// withReceiver starts a receiver, calls do with it, and returns what it took.
func withReceiver(ctx context.Context, storage string, do func(*process) error) (took usage, err error) {
	self, err := os.Executable()
	if err != nil {
		return took, notMeasured(err.Error())
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), receiverVariable+"="+storage)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return took, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return took, err
	}
	p := &process{begun: time.Now(), in: in, out: bufio.NewReader(out)}
	if err := cmd.Start(); err != nil {
		return took, err
	}
	if p.address, err = p.out.ReadString('\n'); err == nil {
		p.address = strings.TrimSpace(p.address)
		err = do(p)
	}
	var memory error
	took.MB, memory = peakMB(cmd.Process.Pid)
	err = errors.Join(err, memory, in.Close(), cmd.Wait())
	took.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return took, err
}

// peakMB is the most resident memory that a process has held, as Linux tells it.
func peakMB(pid int) (float64, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, notMeasured("no resident memory on this system: " + err.Error())
	}
	_, rest, _ := strings.Cut(string(data), "VmHWM:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0, notMeasured("no peak of resident memory on this system")
	}
	return kb / 1000, nil
}
