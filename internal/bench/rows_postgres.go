package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/postgres"
)

// postgresURL names a database in which the rows may make schemas of their own:
// they drop them in the end. Without it a row starts a server of its own.
const postgresURL = "POSTGRES_URL"

const (
	eventBatch    = 100 // events a call
	upsertBatch   = 500 // sessions a call
	upsertCallers = 4

	updatedSessions = 100_000
	farApart        = 7919 // shares no factor with updatedSessions, so that no call names one twice
)

// PostgresRows are the rows about the store on PostgreSQL.
func PostgresRows() []Row {
	return []Row{
		{
			ID:    "postgres-inbox",
			What:  "events of 1 KiB put by one caller, 100 a call, against one a call; and one a call by 64 callers, who share commits",
			Goal:  ">= 8x one by one",
			Goals: []Goal{{Figure: "x one by one", AtLeast: true, Limit: 8}},
			Run:   onPostgres(postgresInbox),
		},
		{
			ID:    "postgres-sessions",
			What:  "reports of a night (6 KB) stored, 500 a call by 4 callers",
			Goal:  ">= 10,000/s",
			Goals: []Goal{{Figure: "sessions/s", AtLeast: true, Limit: 10_000}},
			Run:   onPostgres(postgresSessions),
		},
		{
			ID:    "postgres-updates",
			What:  "newer news of 100,000 stored reports, far apart, 500 a call by 4 callers; against new reports put into the same table before and after",
			Goal:  ">= 10,000/s",
			Goals: []Goal{{Figure: "updates/s", AtLeast: true, Limit: 10_000}},
			Run:   onPostgres(postgresUpdates),
		},
		{
			ID:   "postgres-million",
			What: "reads of a user's nights among 1,000,000 sessions, against among 1,000",
			Goal: fmt.Sprintf("flat (<= %dx)", flat),
			Goals: []Goal{
				{Figure: "x recent", Limit: flat},
				{Figure: "x between", Limit: flat},
				{Figure: "x stats", Limit: flat},
			},
			Run: onPostgres(postgresMillion),
		},
	}
}

// asInUse are the settings of a row's own server: what was committed is on the
// disk, and there is room for a working set.
var asInUse = []string{"fsync=on", "full_page_writes=on", "synchronous_commit=on", "shared_buffers=512MB", "max_wal_size=8GB"}

// onPostgres runs a row on the server of POSTGRES_URL, or on one of its own.
func onPostgres(figures func(context.Context, database) ([]Figure, error)) func(context.Context) []Outcome {
	return func(ctx context.Context) []Outcome {
		out := Outcome{Contender: ours.Name}
		out.Err = withServer(func(url database) (err error) {
			out.Figures, err = figures(ctx, url)
			return err
		})
		return []Outcome{out}
	}
}

func withServer(do func(database) error) (err error) {
	if url := os.Getenv(postgresURL); url != "" {
		return do(database(url))
	}
	server, err := dbtest.StartPostgres(asInUse...)
	if errors.Is(err, dbtest.ErrMissing) {
		return notMeasured(err.Error() + ": install it, or name a database in " + postgresURL)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	url, err := server.CreateDatabase()
	if err != nil {
		return err
	}
	return do(database(url))
}

// database is the URL of one.
type database string

var benchSchemas atomic.Int64

// open calls do with a store that is empty, in a schema that goes afterwards.
func (d database) open(ctx context.Context, do func(*postgres.DB) error) (err error) {
	schema := fmt.Sprintf("bench_%d_%d", os.Getpid(), benchSchemas.Add(1))
	sign := "?"
	if strings.Contains(string(d), "?") {
		sign = "&"
	}
	db, err := postgres.Open(ctx, string(d)+sign+"timeout=60s&schema="+schema, store.Options{})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, db.Close(), dropSchema(context.WithoutCancel(ctx), string(d), schema))
	}()
	return do(db)
}

func dropSchema(ctx context.Context, base, schema string) error {
	c, err := pgx.Connect(ctx, base)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE")
	return errors.Join(err, c.Close(ctx))
}

// eventRate is events a second, of so many a call by so many callers.
func eventRate(ctx context.Context, d database, perCall, callers int) (rate float64, err error) {
	err = d.open(ctx, func(db *postgres.DB) error {
		inbox, err := db.Inbox()
		if err != nil {
			return err
		}
		begun := time.Now()
		took, err := closedLoop(ctx, callers, slice, func(call int64) error {
			list := make([]store.Event, perCall)
			for i := range list {
				list[i] = benchEvent(call*int64(perCall) + int64(i))
			}
			_, err := inbox.Put(ctx, list...)
			return err
		})
		rate = float64(len(took)*perCall) / time.Since(begun).Seconds()
		return err
	})
	return rate, err
}

func postgresInbox(ctx context.Context, d database) ([]Figure, error) {
	all := make([][]Outcome, rounds)
	for r := range all {
		single, err := eventRate(ctx, d, 1, 1)
		batched, errBatched := eventRate(ctx, d, eventBatch, 1)
		shared, errShared := eventRate(ctx, d, 1, putters)
		if err := cmp.Or(err, errBatched, errShared); err != nil {
			return nil, err
		}
		all[r] = []Outcome{{Contender: ours.Name, Figures: []Figure{
			{Name: "x one by one", Format: "%.1f", Value: batched / single},
			{Name: "x one by one, shared", Format: "%.1f", Value: shared / single},
			{Name: "events/s", Format: "%.0f", Value: batched},
			{Name: "events/s, shared", Format: "%.0f", Value: shared},
		}}}
	}
	return medians(all)[0].Figures, nil
}

// upsertRate is sessions a second, of upsertBatch a call by upsertCallers, number n of
// which session makes. Calls are counted on from one rate to the next. Whatever else
// than want becomes of one is an error.
func upsertRate(ctx context.Context, db *postgres.DB, calls *atomic.Int64, want store.Outcome, session func(n int) store.Session) (rate float64, err error) {
	begun := time.Now()
	took, err := closedLoop(ctx, upsertCallers, slice, func(int64) error {
		first := int(calls.Add(1)-1) * upsertBatch
		batch := make([]store.Session, upsertBatch)
		for i := range batch {
			batch[i] = session(first + i)
		}
		out, err := db.Sessions().Put(ctx, batch...)
		if i := slices.IndexFunc(out, func(o store.Outcome) bool { return o != want }); i >= 0 {
			return fmt.Errorf("session %s is %v, want %v", batch[i].ID, out[i], want)
		}
		return err
	})
	return float64(len(took)*upsertBatch) / time.Since(begun).Seconds(), err
}

func postgresSessions(ctx context.Context, d database) ([]Figure, error) {
	list, err := nights()
	if err != nil {
		return nil, err
	}
	all := make([][]Outcome, rounds)
	for r := range all {
		err := d.open(ctx, func(db *postgres.DB) error {
			var calls atomic.Int64
			rate, err := upsertRate(ctx, db, &calls, store.Created, func(n int) store.Session { return night(list, n, nightsPerUser) })
			all[r] = []Outcome{{Contender: ours.Name, Figures: []Figure{{Name: "sessions/s", Format: "%.0f", Value: rate}}}}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return medians(all)[0].Figures, nil
}

// postgresUpdates puts newer news of all stored sessions in turn, one update after the
// other, and has new sessions stored between, so that both rates are of one table.
func postgresUpdates(ctx context.Context, d database) (figures []Figure, err error) {
	list, err := nights()
	if err != nil {
		return nil, err
	}
	users := updatedSessions / nightsPerUser
	err = d.open(ctx, func(db *postgres.DB) error {
		if err := fill(ctx, db, list, updatedSessions); err != nil {
			return err
		}
		var made, told atomic.Int64
		all := make([][]Outcome, rounds)
		for r := range all {
			created, err := upsertRate(ctx, db, &made, store.Created, func(n int) store.Session { return night(list, updatedSessions+n, users) })
			if err != nil {
				return err
			}
			updated, err := upsertRate(ctx, db, &told, store.Updated, func(n int) store.Session {
				s := night(list, n*farApart%updatedSessions, users)
				s.Observed = s.Observed.Add(time.Duration(1+n/updatedSessions) * time.Second)
				return s
			})
			if err != nil {
				return err
			}
			all[r] = []Outcome{{Contender: ours.Name, Figures: []Figure{
				{Name: "updates/s", Format: "%.0f", Value: updated},
				{Name: "x new sessions", Format: "%.2f", Value: updated / created},
			}}}
		}
		figures = medians(all)[0].Figures
		return nil
	})
	return figures, err
}

func postgresMillion(ctx context.Context, d database) (figures []Figure, err error) {
	list, err := nights()
	if err != nil {
		return nil, err
	}
	err = d.open(ctx, func(few *postgres.DB) error {
		if err := fill(ctx, few, list, fewSessions); err != nil {
			return err
		}
		return d.open(ctx, func(many *postgres.DB) (err error) {
			begun := time.Now()
			if err := fill(ctx, many, list, manySessions); err != nil {
				return err
			}
			rate := manySessions / time.Since(begun).Seconds()
			figures, err = readFigures(ctx, few, many)
			figures = append(figures, Figure{Name: "sessions/s by one caller meanwhile", Format: "%.0f", Value: rate})
			return err
		})
	})
	return figures, err
}
