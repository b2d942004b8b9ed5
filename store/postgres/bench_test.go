package postgres_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/storetest"
)

// server is one that syncs its disk, as one in use does.
func server(b *testing.B) *dbtest.Cluster {
	b.Helper()
	return dbtest.Postgres(b, "fsync=on", "full_page_writes=on", "shared_buffers=256MB", "max_wal_size=4GB")
}

func BenchmarkStore(b *testing.B) {
	c := server(b)
	storetest.Bench(b, func(b *testing.B) store.Store {
		b.Helper()
		return open(b, c.Database(b), store.Options{})
	})
}

// BenchmarkInboxPut puts events of 1 KiB one by one, one after the other, and in
// batches.
func BenchmarkInboxPut(b *testing.B) {
	c := server(b)
	for _, size := range []int{1, 10, 100, 500} {
		b.Run(fmt.Sprint("batches of ", size), func(b *testing.B) {
			i := inboxOf(b, open(b, c.Database(b), store.Options{}))
			body := string(make([]byte, 1024))
			for n := 0; b.Loop(); n++ {
				list := make([]store.Event, size)
				for k := range list {
					key := fmt.Sprint(n, "-", k)
					list[k] = store.Event{Key: key, Kind: "SESSION_COMPLETE", UserID: key, SessionID: key, Body: key + body}
				}
				if _, err := i.Put(b.Context(), list...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkMillion reads in stores of 10,000 sessions and of ASLEEP_BENCH_SESSIONS
// (100,000 unless it is set), 100 a user.
func BenchmarkMillion(b *testing.B) {
	most, err := strconv.Atoi(os.Getenv("ASLEEP_BENCH_SESSIONS"))
	if err != nil {
		most = 100_000
	}
	c := server(b)
	for _, n := range []int{10_000, most} {
		db := open(b, c.Database(b), store.Options{})
		user := func(i int) string { return fmt.Sprintf("user-%08d", i%(n/100)) }
		begun := time.Now()
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
		b.Logf("%d sessions put in batches of 1000: %.0f/s", n, float64(n)/time.Since(begun).Seconds())
		b.Run(fmt.Sprint("recent 10 of ", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if list, err := store.Recent(b.Context(), db.Sessions(), user(i*7919), 10); err != nil || len(list) != 10 {
					b.Fatal(len(list), err)
				}
			}
		})
		b.Run(fmt.Sprint("a week of ", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				for _, err := range store.Between(b.Context(), db.Sessions(), user(i*7919), noon.AddDate(0, 0, 50), noon.AddDate(0, 0, 57)) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
