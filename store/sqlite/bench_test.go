package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
	"github.com/asleep-sdk/asleep/store/storetest"
)

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store {
		b.Helper()
		db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "a.db"), sqlite.Config{}, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return db
	})
}

// BenchmarkOneCommitPerEvent is what the group commit is measured against: the
// same insert with a commit of its own, from 64 callers.
func BenchmarkOneCommitPerEvent(b *testing.B) {
	path := filepath.Join(b.TempDir(), "a.db")
	db := open(b, path, store.Options{})
	inboxOf(b, db)
	pool := raw(b, path)
	pool.SetMaxOpenConns(1)
	sqlExec(b, pool, "PRAGMA synchronous = FULL")
	st, err := pool.PrepareContext(b.Context(), `INSERT INTO inbox (dedupe, key, kind, user_id, session_id, received_ms, state, due_ms, revision, attempts, claims, steps, body)
VALUES (?1, ?1, 'SESSION_COMPLETE', ?2, ?4, 0, 1, 0, 1, 0, 0, '', ?3) ON CONFLICT DO NOTHING`)
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	body := make([]byte, 1024)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				key := fmt.Appendf(nil, "SESSION_COMPLETE|user|%08d", n)
				if _, err := st.ExecContext(b.Context(), key, "user", body, string(key)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acked/s")
}

// BenchmarkSync is what the disk itself does.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "a"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for n := int64(0); b.Loop(); n++ {
		if _, err := f.WriteAt(block, n%1024*4096); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "syncs/s")
}

// BenchmarkMillion reads and erases in a store of ASLEEP_BENCH_SESSIONS sessions
// (100,000 unless it is set), 100 a user.
func BenchmarkMillion(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("ASLEEP_BENCH_SESSIONS"))
	if err != nil {
		n = 100_000
	}
	db := open(b, filepath.Join(b.TempDir(), "a.db"), store.Options{})
	user := func(i int) string { return fmt.Sprintf("user-%08d", i%(n/100)) }
	for i := 0; i < n; i += 1000 {
		list := make([]store.Session, 1000)
		for j := range list {
			k := i + j
			list[j] = session(fmt.Sprintf("s%08d", k), user(k), "{}")
			list[j].Start = noon.AddDate(0, 0, k/(n/100))
			list[j].Raw = string(make([]byte, 1000))
		}
		if _, err := db.Sessions().Put(b.Context(), list...); err != nil {
			b.Fatal(err)
		}
	}
	run := func(name string, do func(i int) error) {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if err := do(i * 7919); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("recent 10", func(i int) error {
		list, err := store.Recent(b.Context(), db.Sessions(), user(i), 10)
		if err == nil && len(list) != 10 {
			err = fmt.Errorf("%d sessions", len(list))
		}
		return err
	})
	run("between, a week", func(i int) error {
		for _, err := range store.Between(b.Context(), db.Sessions(), user(i), noon.AddDate(0, 0, 50), noon.AddDate(0, 0, 57)) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	run("stats", func(i int) error {
		_, err := db.Sessions().Stats(b.Context(), store.StatsQuery{UserID: user(i), Period: store.PeriodDaily})
		return err
	})
	run("erase user", func(i int) error {
		_, err := db.Sessions().EraseUser(b.Context(), user(i), time.Now())
		return err
	})
}
