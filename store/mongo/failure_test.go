//go:build unix

package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/mongo"
)

// TestTheServerComesAndGoes: what was acknowledged is there after a kill, and the
// store works again by itself.
func TestTheServerComesAndGoes(t *testing.T) {
	t.Parallel()
	s := dbtest.Ferret(t)
	u := database(t, &url.URL{Scheme: "mongodb", Host: s.Addr})
	db := open(t, u, mongo.Config{Timeout: 8 * time.Second}, store.Options{})
	writing, acknowledged := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { acknowledged <- n }()
		for ; ; n++ {
			if _, err := db.Sessions().Put(context.WithoutCancel(t.Context()), session(fmt.Sprint("s", n), "u", 0)); err != nil {
				if !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("put %d: %v, want ErrUnavailable", n, err)
				}
				return
			}
			if n == 20 {
				close(writing)
			}
		}
	}()
	select {
	case <-writing:
	case n := <-acknowledged:
		t.Fatalf("put %d failed while the server was up", n)
	}
	s.Kill()
	n := <-acknowledged
	for name, err := range map[string]error{
		"Ping": db.Ping(t.Context()),
		"Get":  func() error { _, err := db.Sessions().Get(t.Context(), "s0"); return err }(),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s of a killed server: %v, want ErrUnavailable", name, err)
		}
	}
	s.Restart(t)
	for i := range n {
		if _, err := db.Sessions().Get(t.Context(), fmt.Sprint("s", i)); err != nil {
			t.Fatalf("session %d of the %d that were acknowledged: %v", i, n, err)
		}
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

func TestASilentServerCostsTheTimeoutAlone(t *testing.T) {
	t.Parallel()
	s := dbtest.Ferret(t)
	db := open(t, database(t, &url.URL{Scheme: "mongodb", Host: s.Addr}), mongo.Config{Timeout: 3 * time.Second}, store.Options{})
	put(t, db.Sessions(), store.Created, session("s", "u", 0))
	s.Stall()
	// The driver takes the caller's deadline for its own, however late that is.
	late, end := context.WithTimeout(t.Context(), 40*time.Second)
	defer end()
	began := time.Now()
	_, err := db.Sessions().Put(late, session("s", "u", 1))
	if took := time.Since(began); !errors.Is(err, store.ErrUnavailable) || took > 20*time.Second {
		t.Errorf("%v after %v, want ErrUnavailable soon", err, took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.Sessions().Get(ctx, "s"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline: %v", err)
	}
	s.Resume()
}

func TestNoErrorTellsThePassword(t *testing.T) {
	t.Parallel()
	const secret = "hun%24ter+2"
	for _, text := range []string{
		"mongodb://me:" + secret + "@127.0.0.1:1/asleep",
		"mongodb://me:" + secret + "@127.0.0.1:1,127.0.0.1:2/asleep?replicaSet=rs",
		"mongodb://me:" + secret + "@127.0.0.1:1/asleep?authMechanism=" + secret,
		"mongodb://me:" + secret + "@127.0.0.1:port/asleep",
		"mongodb://me:" + secret + "@127.0.0.1:1,127.0.0.1:port/asleep",
		"mongodb://me:" + secret + "@/asleep",
		"mongodb://me:" + secret + "@127.0.0.1:1/as$leep",
		"mongodb://me:" + secret + "@127.0.0.1:1/asleep?batch=0",
		"mongodb://me:" + secret + "@127.0.0.1:1/asleep?batch=5000",
		"mongodb://me:" + secret + "@127.0.0.1:1/asleep?lean=perhaps",
		"mongodb:me:" + secret,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := store.Open(ctx, text, store.Options{}, mongo.Backend())
		cancel()
		if err == nil || strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter+2") {
			t.Errorf("%s: %v", text, err)
		}
		if !errors.Is(err, store.ErrInvalid) && !errors.Is(err, context.DeadlineExceeded) { // some are right, and nobody is there
			t.Errorf("%s: %v", text, err)
		}
	}
	u := &url.URL{Scheme: "mongodb", User: url.UserPassword("me", "hun$ter+2"), Host: "127.0.0.1:1", Path: "/asleep"}
	_, err := mongo.Open(t.Context(), u, mongo.Config{Timeout: 100 * time.Millisecond}, store.Options{})
	if !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), "hun") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestASchemaOfTheFutureIsRefused(t *testing.T) {
	t.Parallel()
	at := server(t)
	u := database(t, at)
	if _, _, err := mongo.Schema(t.Context(), u, mongo.Config{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("schema of nothing: %v", err)
	}
	put(t, open(t, u, mongo.Config{}, store.Options{}).Sessions(), store.Created, session("s", "u", 0))
	if have, want, err := mongo.Schema(t.Context(), u, mongo.Config{}); err != nil || have != 1 || want != 1 {
		t.Errorf("schema %d of %d, %v", have, want, err)
	}
	meta := raw(t, u).Collection("sleep_meta")
	if _, err := meta.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "schema"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: 99}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := mongo.Open(t.Context(), u, mongo.Config{}, store.Options{}); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("opened: %v", err)
	}
	others := database(t, at)
	if _, err := raw(t, others).Collection("sleep_sessions").InsertMany(t.Context(), theirs()); err != nil {
		t.Fatal(err)
	}
	if have, _, err := mongo.Schema(t.Context(), others, mongo.Config{}); err != nil || have != 0 {
		t.Errorf("schema of another program's collection: %d, %v", have, err)
	}
}

func TestWhatCannotBeDoneIsRefused(t *testing.T) {
	t.Parallel()
	u := database(t, server(t))
	db := open(t, u, mongo.Config{}, store.Options{})
	put(t, db.Sessions(), store.Created, session("s", "u", 0))
	if _, err := db.Inbox(); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "SQLite") {
		t.Errorf("inbox: %v", err)
	}
	if err := db.Backup(t.Context(), "x"); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "mongodump --db="+u.Path[1:]) {
		t.Errorf("backup: %v", err)
	}
	large := session("large", "u", 0)
	large.Raw = strings.Repeat("x", 17<<20)
	if _, err := db.Sessions().Put(t.Context(), large); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("17 MiB: %v", err)
	}
	ro := open(t, u, mongo.Config{}, store.Options{ReadOnly: true})
	if _, err := ro.Sessions().Get(t.Context(), "s"); err != nil {
		t.Errorf("read only: %v", err)
	}
	_, put := ro.Sessions().Put(t.Context(), session("s", "u", 1))
	_, erase := ro.Sessions().EraseUser(t.Context(), "u", noon)
	_, reseal := ro.Reseal(t.Context())
	for name, err := range map[string]error{"Put": put, "EraseUser": erase, "Reseal": reseal} {
		if !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
	}
	if err := ro.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	for _, cfg := range []mongo.Config{{Batch: -1}, {Batch: 1001}, {Timeout: -1}} {
		if _, err := mongo.Open(t.Context(), u, cfg, store.Options{}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// TestTwoDocumentsOfOneSessionAreTold: the unique index cannot be made.
func TestTwoDocumentsOfOneSessionAreTold(t *testing.T) {
	t.Parallel()
	u := database(t, server(t))
	twice := []any{bson.D{{Key: "session_id", Value: "s"}}, bson.D{{Key: "session_id", Value: "s"}}}
	if _, err := raw(t, u).Collection("sleep_sessions").InsertMany(t.Context(), twice); err != nil {
		t.Fatal(err)
	}
	_, err := mongo.Open(t.Context(), u, mongo.Config{}, store.Options{})
	if err == nil || os.Getenv("MONGO_URI") != "" && !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("opened: %v", err)
	}
}

// TestCheckTellsDamage: what cannot be opened is told by its id, and all of it.
func TestCheckTellsDamage(t *testing.T) {
	t.Parallel()
	u := database(t, server(t))
	db := open(t, u, mongo.Config{}, store.Options{Sealer: keys(t, 1)})
	put(t, db.Sessions(), store.Created, session("whole", "u", 0))
	put(t, db.Sessions(), store.Created, session("torn", "u", 0))
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	sleep := raw(t, u).Collection("sleep_sessions")
	damage := bson.D{{Key: "$set", Value: bson.D{{Key: "asleep.raw", Value: []byte("\x01damaged")}}}}
	if _, err := sleep.UpdateOne(t.Context(), bson.D{{Key: "session_id", Value: "torn"}}, damage); err != nil {
		t.Fatal(err)
	}
	if err := db.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "torn") || strings.Contains(err.Error(), "whole") {
		t.Errorf("%v, want the session that is damaged", err)
	}
}
