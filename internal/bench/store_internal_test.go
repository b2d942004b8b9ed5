package bench

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

// The test binary is the receiver too.
func TestMain(m *testing.M) {
	if IsReceiver() {
		if err := Receive(os.Stdin, os.Stdout); err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestSlowSyncsSlowDownOursAndTheRawOnesAlike: a commit takes at least the delay
// and one that is not durable does not exist. Not parallel: the delay is the
// process's.
func TestSlowSyncsSlowDownOursAndTheRawOnesAlike(t *testing.T) {
	const by = 30 * time.Millisecond
	restore, err := slowSyncs(by)
	if err != nil {
		t.Fatal(err)
	}
	defer restore()
	err = inStore(t.Context(), func(db *sqlite.DB, _ string) error {
		begun := time.Now()
		for n := range 3 {
			s := store.Session{ID: "s", UserID: "u", Observed: time.UnixMilli(int64(n + 1))}
			if _, err := db.Sessions().Put(t.Context(), s); err != nil {
				return err
			}
		}
		if took := time.Since(begun); took < 3*by {
			t.Errorf("three commits took %v, want at least %v", took, 3*by)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if rate, err := syncRate(5 * by); err != nil || rate > float64(time.Second/by) {
		t.Errorf("%v raw syncs a second, %v; want at most %v", rate, err, time.Second/by)
	}
	restore()
	if syncDelay.Load() != 0 {
		t.Error("syncs stay slow")
	}
}

// TestAReceiverStoresWhatIsDelivered over real connections, in a process of its
// own; with the storage off it acknowledges the same.
func TestAReceiverStoresWhatIsDelivered(t *testing.T) {
	t.Parallel()
	requests, err := deliveries(300)
	if err != nil {
		t.Fatal(err)
	}
	for _, storage := range []string{storageSQLite, storageOff, storageWorked} {
		var sum tally
		took, err := withReceiver(t.Context(), storage, func(p *process) (err error) {
			if sum, err = deliver(t.Context(), p.address, 16, requests); err != nil {
				return err
			}
			var done uint64
			for storage == storageWorked && done < uint64(len(requests)) && err == nil && t.Context().Err() == nil {
				done, err = p.done()
			}
			return err
		})
		if err != nil || sum.acked != len(requests) || sum.refused != 0 || len(sum.took) != len(requests) || took.MB < 1 || took.CPU <= 0 {
			t.Errorf("%s: %d acknowledged, %d refused, %+v, %v", storage, sum.acked, sum.refused, took, err)
		}
	}
}

func TestAPipelineIsMeasured(t *testing.T) {
	t.Parallel()
	requests, err := deliveries(100)
	if err != nil {
		t.Fatal(err)
	}
	o, err := pipelineRound(t.Context(), requests)
	if err != nil || !o.measured() {
		t.Errorf("%v, %v", o, err)
	}
}

func TestDeliveriesAreCountedByTheirStatus(t *testing.T) {
	t.Parallel()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if n++; len(body) != eventSize {
			t.Errorf("a body of %d bytes, want %d", len(body), eventSize)
		}
		if n%4 == 0 {
			http.Error(w, "later", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	requests, err := deliveries(100)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := deliver(t.Context(), server.Listener.Addr().String(), 1, requests)
	if err != nil || sum.acked != 75 || sum.refused != 25 {
		t.Errorf("%d acknowledged and %d refused, %v; want 75 and 25", sum.acked, sum.refused, err)
	}
}

func TestABrokenConnectionIsAnError(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_, _ = io.WriteString(c, "no HTTP at all\n")
			_ = c.Close()
		}
	}()
	requests, err := deliveries(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := deliver(t.Context(), l.Addr().String(), 1, requests); err == nil {
		t.Error("no error")
	}
}

// TestBaselinesAndOursWriteTheSameRows: what is compared is the same work.
func TestBaselinesAndOursWriteTheSameRows(t *testing.T) {
	t.Parallel()
	list, err := nights()
	if err != nil || len(list) < templates {
		t.Fatalf("%d nights, %v", len(list), err)
	}
	if n := len(list[0].Raw); n < 4<<10 || len(list[0].Epochs.Sleep) < 100 || list[0].Raw == list[1].Raw {
		t.Errorf("a night of %d bytes and %d epochs", n, len(list[0].Epochs.Sleep))
	}
	for text, args := range map[string]func(int64) []any{rawEvent: rawEventArgs, rawSession: rawSessionArgs(list)} {
		if rate, size, err := insertRaw(t.Context(), time.Millisecond, 10, text, args); err != nil || rate <= 0 || size < eventSize {
			t.Errorf("%.20q: %v rows/s of %v bytes, %v", text, rate, size, err)
		}
	}
	if rate, _, err := putEvents(t.Context(), time.Millisecond); err != nil || rate <= 0 {
		t.Errorf("%v events/s, %v", rate, err)
	}
	if o, err := processRound(t.Context(), 20*time.Millisecond); err != nil || len(o.Figures) != 3 {
		t.Errorf("%v, %v", o, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := putEvents(ended, time.Hour); err == nil {
		t.Error("it goes on although its context has ended")
	}
}

// TestReadsFindWhatTheyShould in a store as it is filled for the row.
func TestReadsFindWhatTheyShould(t *testing.T) {
	t.Parallel()
	list, err := nights()
	if err != nil {
		t.Fatal(err)
	}
	db, err := filled(t.Context(), t.TempDir()+"/a.db", list, fewSessions)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, r := range reads() {
		if err := r.do(t.Context(), db.Sessions(), "user-000007"); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		if err := r.do(t.Context(), db.Sessions(), "nobody"); err == nil || !strings.Contains(err.Error(), "0 of") {
			t.Errorf("%s of nobody: %v", r.name, err)
		}
	}
}

func TestVerificationIsMeasured(t *testing.T) {
	t.Parallel()
	if o := verification(); !o.measured() {
		t.Error(o)
	}
}
