package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/sqlite"
)

const (
	batchSize     = 1000 // sessions a call
	templates     = 64   // different nights, whose ids, users and times are changed
	nightsPerUser = 100
	fewSessions   = 1000
	manySessions  = 1_000_000
	flat          = 2 // how much slower a read may be in the large store
)

func nightRows() []Row {
	return []Row{
		{
			ID:     "sessions",
			What:   "reports of a night (6 KB) stored, one a call by 64 callers, against a bare insert loop of 64 rows a commit, without compression",
			Goal:   ">= 1x the bare loop, <= 0.5x its bytes",
			Goals:  []Goal{{Figure: "x the bare loop", AtLeast: true, Limit: 1}, {Figure: "x its bytes", Limit: 0.5}},
			Counts: isStore,
			Run:    func(ctx context.Context) []Outcome { return sessionRounds(ctx, 1, putters, groupSize) },
		},
		{
			ID:     "sessions-batch",
			What:   "the same, 1,000 a call by one caller, against 1,000 rows a commit",
			Goal:   ">= 1x the bare loop, <= 0.5x its bytes",
			Goals:  []Goal{{Figure: "x the bare loop", AtLeast: true, Limit: 1}, {Figure: "x its bytes", Limit: 0.5}},
			Counts: isStore,
			Run:    func(ctx context.Context) []Outcome { return sessionRounds(ctx, batchSize, 1, batchSize) },
		},
		{
			ID:   "million",
			What: "reads of a user's nights in a store of 1,000,000 sessions, 100 a user: newest 10, a week, daily statistics of all; against a store of 1,000",
			Goal: fmt.Sprintf("<= 1 ms each; flat (<= %dx)", flat),
			Goals: []Goal{
				{Figure: "ms recent", Limit: 1},
				{Figure: "ms between", Limit: 1},
				{Figure: "ms stats", Limit: 1},
				{Figure: "x recent", Limit: flat},
				{Figure: "x between", Limit: flat},
				{Figure: "x stats", Limit: flat},
			},
			Run: func(ctx context.Context) []Outcome { return []Outcome{million(ctx)} },
		},
	}
}

// nights are sessions as the service would report them.
func nights() (list []store.Session, err error) {
	service := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: templates, Ordinary: true, LogSize: -1})
	defer func() { err = errors.Join(err, service.Close()) }()
	for user := range service.Users() {
		for _, s := range service.Sessions(user) {
			r, ok := service.Report(s.ID, "")
			if !ok {
				return nil, notMeasured("the fake service has no report of " + s.ID)
			}
			session, err := store.FromReport(user, r, firstNight)
			if err != nil {
				return nil, err
			}
			list = append(list, session)
		}
	}
	return list, nil
}

// firstNight is when the first night of every user begins.
var firstNight = time.Date(2025, 1, 1, 22, 30, 0, 0, time.UTC)

// night is number n of a store of so many users: night after night, each user's
// in turn, so that those of one user lie far apart in the file.
func night(list []store.Session, n, users int) store.Session {
	s := list[n%len(list)]
	start := firstNight.AddDate(0, 0, n/users)
	s.ID, s.UserID = fmt.Sprintf("s%09d", n), fmt.Sprintf("user-%06d", n%users)
	s.End, s.Start = start.Add(s.End.Sub(s.Start)), start
	s.Observed = s.End.Add(time.Minute)
	return s
}

func sessionRounds(ctx context.Context, perCall, callers, perCommit int) []Outcome {
	list, err := nights()
	if err != nil {
		return []Outcome{{Contender: ours.Name, Err: err}}
	}
	all := make([][]Outcome, rounds)
	for r := range all {
		if all[r], err = sessionRound(ctx, list, perCall, callers, perCommit); err != nil {
			return []Outcome{{Contender: ours.Name, Err: err}}
		}
	}
	return medians(all)
}

func sessionRound(ctx context.Context, list []store.Session, perCall, callers, perCommit int) ([]Outcome, error) {
	args := rawSessionArgs(list)
	bare, bareSize, err := insertRaw(ctx, slice, perCommit, rawSession, args)
	if err != nil {
		return nil, err
	}
	each, eachSize, err := insertRaw(ctx, slice/2, 1, rawSession, args)
	if err != nil {
		return nil, err
	}
	own, size, err := putNights(ctx, list, perCall, callers)
	if err != nil {
		return nil, err
	}
	figures := func(rate, size float64) []Figure {
		return []Figure{
			{Name: "x the bare loop", Format: "%.2f", Value: rate / bare},
			{Name: "x its bytes", Format: "%.2f", Value: size / bareSize},
			{Name: "sessions/s", Format: "%.0f", Value: rate},
			{Name: "KB a row", Format: "%.1f", Value: size / 1024},
		}
	}
	return []Outcome{
		{Contender: ours.Name, Figures: figures(own, size)},
		{Contender: oneCommit, Figures: figures(each, eachSize)},
		{Contender: bareLoop, Figures: figures(bare, bareSize)},
	}, nil
}

// putNights is ours: sessions a second, and bytes of file a session.
func putNights(ctx context.Context, list []store.Session, perCall, callers int) (rate, size float64, err error) {
	err = inStore(ctx, func(db *sqlite.DB, path string) error {
		begun := time.Now()
		took, err := closedLoop(ctx, callers, slice, func(call int64) error {
			batch := make([]store.Session, perCall)
			for i := range batch {
				batch[i] = night(list, int(call)*perCall+i, 100)
			}
			_, err := db.Sessions().Put(ctx, batch...)
			return err
		})
		n := float64(len(took) * perCall)
		rate = n / time.Since(begun).Seconds()
		if err = errors.Join(err, db.Close()); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err == nil {
			size = float64(info.Size()) / n
		}
		return err
	})
	return rate, size, err
}

const rawSession = `INSERT INTO sessions (session_id, user_id, state, settled, start_ms, end_ms, zone, offset_s, local_date, form,
observed_ms, rev, version, created_ms, updated_ms, metrics, epochs, raw) VALUES (?, ?, 'COMPLETE', 1, ?, ?, ?, 0, 20250101, 1, ?, ?, 1, 0, 0, ?, ?, ?)`

func rawSessionArgs(list []store.Session) func(n int64) []any {
	type body struct{ metrics, epochs, raw []byte }
	bodies := make([]body, len(list))
	for i, s := range list {
		bodies[i].metrics, _ = s.Metrics.AppendBinary(nil)
		bodies[i].epochs, _ = s.Epochs.AppendBinary(nil)
		bodies[i].raw = []byte(s.Raw)
	}
	return func(n int64) []any {
		s, b := night(list, int(n), 100), bodies[n%int64(len(bodies))]
		return []any{s.ID, s.UserID, s.Start.UnixMilli(), s.End.UnixMilli(), s.Zone, s.Observed.UnixMilli(), s.Rev(), b.metrics, b.epochs, b.raw}
	}
}

// reads are the three that a page about a user needs.
type read struct {
	name string
	do   func(ctx context.Context, s store.Sessions, user string) error
}

func reads() []read {
	return []read{
		{"recent", func(ctx context.Context, s store.Sessions, user string) error {
			list, err := store.Recent(ctx, s, user, 10)
			return counted(len(list), 10, err)
		}},
		{"between", func(ctx context.Context, s store.Sessions, user string) error {
			from := firstNight.AddDate(0, 0, nightsPerUser/2)
			return countAll(store.Between(ctx, s, user, from, from.AddDate(0, 0, 7)), 7)
		}},
		{"stats", func(ctx context.Context, s store.Sessions, user string) error {
			days, err := s.Stats(ctx, store.StatsQuery{UserID: user, Period: store.PeriodDaily})
			return counted(len(days), nightsPerUser, err)
		}},
	}
}

func counted(got, want int, err error) error {
	if err == nil && got != want {
		err = fmt.Errorf("%d of %d", got, want)
	}
	return err
}

func countAll(list iter.Seq2[store.Session, error], want int) error {
	n := 0
	for _, err := range list {
		if err != nil {
			return err
		}
		n++
	}
	return counted(n, want, nil)
}

// million reads the same of the small store and of the large one in turn.
func million(ctx context.Context) Outcome {
	out := Outcome{Contender: ours.Name}
	out.Err = inDir(func(dir string) (err error) {
		list, err := nights()
		if err != nil {
			return err
		}
		few, err := filled(ctx, filepath.Join(dir, "few.db"), list, fewSessions)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, few.Close()) }()
		many, err := filled(ctx, filepath.Join(dir, "many.db"), list, manySessions)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, many.Close()) }()
		out.Figures, err = readFigures(ctx, few, many)
		return err
	})
	return out
}

// readFigures are the times in the large store, then the ratios. Every read is of
// another user, so that nothing is warm that would not be otherwise.
func readFigures(ctx context.Context, few, many store.Store) (figures []Figure, err error) {
	var ratios []Figure
	for _, r := range reads() {
		of := func(db store.Store, sessions int) func() error {
			die := rand.New(rand.NewPCG(7, uint64(sessions))) //nolint:gosec // positive
			return func() error {
				return r.do(ctx, db.Sessions(), fmt.Sprintf("user-%06d", die.IntN(sessions/nightsPerUser)))
			}
		}
		costs, err := readMeter.measure([]func() error{of(few, fewSessions), of(many, manySessions)})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		figures = append(figures, Figure{Name: "ms " + r.name, Format: "%.3f", Value: ms(costs[1].Time)})
		ratios = append(ratios, Figure{Name: "x " + r.name, Format: "%.2f", Value: costs[1].Ratio})
	}
	return append(figures, ratios...), nil
}

var readMeter = meter{rounds: 101, slice: 10}

// filled makes a store of so many sessions.
func filled(ctx context.Context, path string, list []store.Session, sessions int) (*sqlite.DB, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Config{}, store.Options{})
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, db, list, sessions); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// fill puts so many sessions into an empty store.
func fill(ctx context.Context, db store.Store, list []store.Session, sessions int) error {
	batch := make([]store.Session, batchSize)
	for n := 0; n < sessions; n += len(batch) {
		for i := range batch {
			batch[i] = night(list, n+i, sessions/nightsPerUser)
		}
		if _, err := db.Sessions().Put(ctx, batch...); err != nil {
			return err
		}
	}
	return nil
}
