//go:build unix

package cli_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/standstill"
	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/postgres"
)

// fleet is several runs of `asleep serve` on one PostgreSQL, and the service whose
// webhooks they take. Signed deliveries are believed, those with a key alone are
// confirmed by the service.
type fleet struct {
	testing.TB

	site     *site
	services []*service
	sink     *sink
	upstream *asleeptest.Server
	nights   []hookNight
	cluster  *dbtest.Cluster
	url      string
}

// hookNight is a session that is delivered, and what should be stored of it.
type hookNight struct{ user, id, raw string }

// newFleet starts so many on an empty database.
func newFleet(tb testing.TB, c *dbtest.Cluster, receivers, users, sessions int) *fleet {
	tb.Helper()
	f := &fleet{TB: tb, sink: newSink(tb), cluster: c, url: c.Database(tb)}
	f.upstream = asleeptest.NewServer(tb, asleeptest.Config{Users: users, SessionsPerUser: sessions, APIKeys: []string{apiKey}, LogSize: -1})
	f.site = newSite(tb, append(f.sink.env(), "DATABASE_URL="+f.url, "WEBHOOK_AUTH=key", "ASLEEP_BASE_URL="+f.upstream.URL)...)
	for user := range f.upstream.Users() {
		for _, s := range f.upstream.Sessions(user) {
			r, _ := f.upstream.Report(s.ID, "")
			f.nights = append(f.nights, hookNight{user, s.ID, r.Raw})
		}
	}
	for range receivers {
		f.services = append(f.services, f.site.serve(tb, "--rate", "100000"))
	}
	// Every time that an event is finished, and every step that is marked, leaves
	// a line.
	f.exec(`CREATE TABLE public.marks (id bigint, what text);
CREATE FUNCTION public.mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF OLD.state <> 3 AND NEW.state = 3 THEN INSERT INTO public.marks VALUES (NEW.id, 'done'); END IF;
  IF NEW.steps <> OLD.steps THEN INSERT INTO public.marks SELECT NEW.id, step FROM unnest(string_to_array(substr(NEW.steps, 1 + length(OLD.steps)), ',')) AS step WHERE step <> ''; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER mark AFTER UPDATE ON asleep.inbox FOR EACH ROW EXECUTE FUNCTION public.mark()`)
	return f
}

func (f *fleet) exec(text string) {
	f.Helper()
	f.cluster.SQL(f, f.url, text)
}

func (f *fleet) number(text string) int {
	f.Helper()
	n, err := strconv.Atoi(f.cluster.SQL(f, f.url, text))
	if err != nil {
		f.Fatal(err)
	}
	return n
}

// senders deliver every night, each until it is acknowledged: by whoever is next
// after one that does not take it.
type senders struct {
	acked, refused, rude, unanswered atomic.Int64
	done                             sync.WaitGroup
}

func (f *fleet) send(count int) *senders {
	f.Helper()
	s := new(senders)
	var next atomic.Int64
	for w := range count {
		signed, bare := newHook(f, hookSecret), newHook(f, "")
		bare.sender.Scheme = "key"
		s.done.Go(func() {
			to := w
			for n := int(next.Add(1)) - 1; n < len(f.nights) && f.Context().Err() == nil; {
				h := signed
				if n%2 == 1 {
					h = bare
				}
				to++
				p := f.services[to%len(f.services)]
				status, header := h.post(p.url, fullReport(f.nights[n]))
				switch status {
				case http.StatusOK:
					s.acked.Add(1)
					n = int(next.Add(1)) - 1
				case http.StatusServiceUnavailable:
					s.refused.Add(1)
					if header.Get("Retry-After") == "" {
						s.rude.Add(1)
					}
				case 0, http.StatusRequestTimeout: // it stood still in the middle
					s.unanswered.Add(1)
				default:
					f.Errorf("a delivery was answered %d", status)
					return
				}
			}
		})
	}
	return s
}

// fullReport is the event of a night, whose report stands in data.
func fullReport(n hookNight) string {
	return `{"event":"SESSION_COMPLETE","version":"V3","data":{"user_id":"` + n.user + `",` + strings.TrimPrefix(n.raw, "{") + `}`
}

// settled waits until all is done, and judges by the database and by what was
// notified: everything was applied, and nothing twice.
func (f *fleet) settled() {
	f.Helper()
	eventually(f, "everything is done", func() bool { return f.number("SELECT count(*) FROM asleep.inbox WHERE state < 3") == 0 })
	for what, want := range map[string]int{
		"SELECT count(*) FROM asleep.inbox":                                                         len(f.nights),
		"SELECT count(*) FROM asleep.inbox WHERE state <> 3":                                        0,
		"SELECT count(*) FROM public.marks WHERE what = 'done'":                                     len(f.nights),
		"SELECT count(*) FROM public.marks WHERE what = 'store'":                                    len(f.nights),
		"SELECT count(*) FROM (SELECT 1 FROM public.marks GROUP BY id, what HAVING count(*) > 1) m": 0,
		"SELECT count(*) FROM asleep.sessions":                                                      len(f.nights),
		"SELECT count(*) FROM asleep.sessions WHERE version <> 1":                                   0,
	} {
		if n := f.number(what); n != want {
			f.Errorf("%s: %d, want %d", what, n, want)
		}
	}
	f.readBack()
	notified := f.sink.notified()
	twice := 0
	for _, n := range f.nights {
		if len(notified[n.id]) != 1 {
			f.Errorf("%s was notified with the ids %v", n.id, notified[n.id])
		}
		for _, count := range notified[n.id] {
			if count > 1 {
				twice++
			}
		}
	}
	f.Logf("%d events: each applied once; %d were notified more than once", len(f.nights), twice)
}

// readBack compares what is stored with what the service has, byte for byte where
// it was asked.
func (f *fleet) readBack() {
	f.Helper()
	db, err := postgres.Open(f.Context(), f.url, store.Options{ReadOnly: true})
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for n, night := range f.nights {
		got, err := db.Sessions().Get(f.Context(), night.id)
		if err != nil || got.UserID != night.user || !got.Settled || n%2 == 1 && got.Raw != night.raw {
			f.Fatalf("%s of %s is stored as %+v, %v", night.id, night.user, got, err)
		}
	}
}

// stop ends the receivers, except one that may be dead already.
func (f *fleet) stop(dead ...*service) {
	f.Helper()
	for _, p := range f.services {
		if !slices.Contains(dead, p) {
			p.signal(f, syscall.SIGTERM)
		}
	}
	out, stderr, code := f.site.run(f, "store", "check")
	if code != 0 {
		f.Errorf("asleep store check: %d %s %s", code, out, stderr)
	}
}

// How long the work of a killed process may lie: a lease and a poll of the others, which is
// to be seen once at least, and as much again on a machine that is busy with four of them.
// What the machine stands still is not counted.
const (
	takeover     = 15 * time.Second
	busyTakeover = 2 * takeover
)

// What a receiver had that is killed, or that stands still for longer than a lease,
// the others take over. One that wakes up again finds that it is too late: it
// finishes, fails and extends nothing. The test itself runs alone, as it puts the
// machine under load.
//
//nolint:tparallel // see above
func TestWhatALostReceiverHadIsTakenOverByTheOthers(t *testing.T) {
	c := dbtest.Postgres(t)
	var soonest atomic.Int64
	soonest.Store(int64(busyTakeover))
	t.Cleanup(func() { // when all are through
		if got := time.Duration(soonest.Load()); got > takeover {
			t.Errorf("what the lost ones held was taken over after %v at the soonest, want %v at most", got, takeover)
		}
	})
	for _, lost := range []struct {
		name      string
		receivers int
		by        syscall.Signal
	}{
		{"one of 2 is killed", 2, syscall.SIGKILL},
		{"one of 4 is killed", 4, syscall.SIGKILL},
		{"one of 2 stands still", 2, syscall.SIGSTOP},
	} {
		t.Run(lost.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, c, lost.receivers, 30, 40)
			s := f.send(4 * lost.receivers)
			eventually(t, "some are acknowledged", func() bool { return s.acked.Load() >= int64(len(f.nights)/4) })
			hold := make(chan struct{})
			f.sink.block(hold)
			victim := f.services[0]
			eventually(t, "it is in the middle of work", func() bool { return victim.figure(t, `asleep_pipeline_held{lane="notify"}`) > 0 })
			if err := victim.Process.Signal(lost.by); err != nil {
				t.Fatal(err)
			}
			watch, begun := standstill.For(t), time.Now()
			f.sink.block(nil)
			close(hold)
			f.exec("CREATE TABLE public.held AS SELECT id, claims FROM asleep.inbox WHERE state = 2")
			eventually(t, "its work is taken over", func() bool {
				return f.number("SELECT count(*) FROM public.held h JOIN asleep.inbox i ON i.id = h.id AND i.claims = h.claims AND i.state = 2") == 0
			})
			took := watch.Took(begun)
			t.Logf("taken over after %v", took)
			if took > busyTakeover {
				t.Errorf("what the lost one held was taken over after %v, want %v at most", took, busyTakeover)
			}
			for least := soonest.Load(); int64(took) < least && !soonest.CompareAndSwap(least, int64(took)); {
				least = soonest.Load()
			}
			if n := f.number("SELECT count(*) FROM public.held h JOIN asleep.inbox i ON i.id = h.id AND i.claims > h.claims"); n == 0 {
				t.Error("nothing was claimed again: this tests nothing")
			}
			_ = victim.Process.Signal(syscall.SIGCONT) // it may be dead
			s.done.Wait()
			f.settled()
			f.stop(victim)
		})
	}
}

// While the database is away deliveries are refused, in a way that has senders come
// again; nothing that was acknowledged before or after is lost.
func TestReceiversOutliveTheirDatabase(t *testing.T) {
	c := dbtest.Postgres(t)
	f := newFleet(t, c, 2, 30, 40)
	watch, begun := standstill.For(t), time.Now()
	s := f.send(8)
	eventually(t, "some are acknowledged", func() bool { return s.acked.Load() >= int64(len(f.nights)/4) })
	c.Kill()
	before := s.refused.Load()
	eventually(t, "both say so", func() bool {
		return s.refused.Load() > before+20 && f.services[0].health(t).Status == server.Unhealthy && f.services[1].health(t).Status == server.Unhealthy
	})
	c.Restart(t)
	back := time.Now()
	acked := s.acked.Load()
	eventually(t, "deliveries are taken again", func() bool { return s.acked.Load() > acked })
	t.Logf("taken again %v after the database was back, %d refused meanwhile", time.Since(back), s.refused.Load())
	s.done.Wait()
	if rude := s.rude.Load(); rude != 0 {
		t.Errorf("%d were refused without Retry-After", rude)
	}
	if silent := s.unanswered.Load(); silent != 0 && watch.Longest(begun) < time.Second {
		t.Errorf("%d were not answered", silent)
	}
	f.settled()
	eventually(t, "both are well", func() bool {
		return f.services[0].health(t).Checks["database"].Status == server.Healthy && f.services[1].health(t).Checks["database"].Status == server.Healthy
	})
	f.stop()
}
