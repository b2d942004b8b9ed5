package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/memory"
)

func TestALoopbackAddressAnswersToTheNameLocalhostOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, configured())
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9090": 200, "LOCALHOST:1": 200, "127.0.0.1:9090": 200, "[::1]:9090": 200, "127.8.8.8": 200,
		"evil.example": 421, "evil.example:9090": 421, "localhost.evil.example": 421, "10.0.0.1:9090": 421, "": 421, "127.0.0.1.nip.io": 421,
	} {
		for _, path := range []string{"/health", "/inbox", "/metrics", "/live"} {
			if got := b.admin(http.MethodGet, path, "", "Host", host).Code; got != want {
				t.Errorf("%s by the name %q: %d, want %d", path, host, got, want)
			}
		}
	}
}

func TestAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, configured())
	const all = `{"all":true}`
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}} {
		if got := b.admin(http.MethodPost, "/inbox/purge", all, header...).Code; got != http.StatusForbidden {
			t.Errorf("%q: %d", header, got)
		}
	}
	if got := b.admin(http.MethodPost, "/inbox/purge", all).Code; got != http.StatusOK {
		t.Errorf("no browser: %d", got)
	}
}

func TestTheInboxWantsTheTokenIfThereIsOne(t *testing.T) {
	t.Parallel()
	cfg := configured()
	cfg.AdminToken = server.NewSecret("let-me-in")
	b := newBench(t, cfg)
	for header, want := range map[string]int{
		"Bearer let-me-in": 200, "": 401, "Bearer": 401, "Bearer ": 401, "let-me-in": 401, "Bearer let-me-i": 401,
		"Bearer let-me-in2": 401, "bearer let-me-in": 401, "Basic let-me-in": 401, "Bearer LET-ME-IN": 401,
	} {
		w := b.admin(http.MethodGet, "/inbox", "", "Authorization", header)
		if w.Code != want || want == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %d %v", header, w.Code, w.Header())
		}
	}
	for _, path := range []string{"/health", "/metrics", "/live", "/ready", "/circuit-breaker/status"} {
		if got := b.admin(http.MethodGet, path, "").Code; got == http.StatusUnauthorized {
			t.Errorf("%s wants a token", path)
		}
	}
	for _, path := range []string{"/inbox/1", "/inbox/replay", "/inbox/purge"} {
		method := http.MethodPost
		if path == "/inbox/1" {
			method = http.MethodGet
		}
		if got := b.admin(method, path, `{"all":true}`).Code; got != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, got)
		}
	}
}

func TestAnAddressThatOthersReachIsNoOnesWithoutAToken(t *testing.T) {
	t.Parallel()
	cfg := configured()
	cfg.AdminAddr = "0.0.0.0:9090" // Check refuses it; a program may not have asked
	b := newBench(t, cfg)
	if got := b.admin(http.MethodGet, "/inbox", "", "Host", "10.0.0.1:9090").Code; got != http.StatusUnauthorized {
		t.Errorf("answered %d", got)
	}
}

// died is an inbox with n dead events, and one that waits.
func died(t *testing.T, n int) (store.Store, store.Inbox) {
	t.Helper()
	db := memory.New()
	t.Cleanup(func() { _ = db.Close() })
	inbox, err := db.Inbox()
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		e := store.Event{Key: strconv.Itoa(i), Kind: "X", UserID: "user-0001", SessionID: "session-1", Body: `{"a":1}`}
		if _, err := inbox.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for left := n; left > 0; {
		claims, err := inbox.Claim(t.Context(), left, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims {
			if _, err := inbox.Settle(t.Context(), store.Settlement{Token: c.Token, Action: store.Bury, Reason: "why"}); err != nil {
				t.Fatal(err)
			}
		}
		left -= len(claims)
	}
	if _, err := inbox.Put(t.Context(), store.Event{Key: "waits", Kind: "Y", Body: "{}"}); err != nil {
		t.Fatal(err)
	}
	return db, inbox
}

// desks are the two ways to the same inbox.
func desks(t *testing.T) map[string]func() desk {
	t.Helper()
	return map[string]func() desk{
		"at hand": func() desk {
			_, inbox := died(t, 4)
			return server.Desk{Inbox: inbox}
		},
		"from afar": func() desk {
			db, _ := died(t, 4)
			cfg := configured()
			cfg.AdminToken = server.NewSecret("let-me-in")
			s, err := server.New(cfg, db)
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewServer(s.AdminHandler())
			t.Cleanup(srv.Close)
			return server.Remote{URL: srv.URL, Token: cfg.AdminToken}
		},
	}
}

type desk interface {
	List(ctx context.Context, q store.InboxQuery, v server.View) ([]server.Entry, error)
	Show(ctx context.Context, id string, v server.View) (server.Entry, error)
	Replay(ctx context.Context, c server.Choice) (int, error)
	Purge(ctx context.Context, c server.Choice) (int, error)
}

func TestTheDeskIsTheSameFromAfar(t *testing.T) {
	t.Parallel()
	for name, open := range desks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, ctx := open(), t.Context()
			list := func(q store.InboxQuery, v server.View) []server.Entry {
				entries, err := d.List(ctx, q, v)
				if err != nil {
					t.Fatal(err)
				}
				return entries
			}
			if got := list(store.InboxQuery{}, server.View{}); len(got) != 5 || got[4].State != "ready" || got[0].State != "dead" {
				t.Fatalf("the inbox has %+v", got)
			}
			dead := list(store.InboxQuery{State: store.Dead, UserID: "user-0001", Limit: 2}, server.View{})
			if len(dead) != 2 || dead[0].User == "user-0001" || !strings.HasPrefix(dead[0].User, "user:") || !strings.HasPrefix(dead[0].Session, "session:") || dead[0].Body != "" {
				t.Errorf("a page without ids is %+v", dead)
			}
			if rest := list(store.InboxQuery{State: store.Dead, After: dead[1].ID}, server.View{IDs: true}); len(rest) != 2 || rest[0].User != "user-0001" || rest[0].Session != "session-1" {
				t.Errorf("the rest with ids is %+v", rest)
			}
			one, err := d.Show(ctx, dead[0].ID, server.View{Body: true})
			if err != nil || one.Body != `{"a":1}` || len(one.History) == 0 || one.History[len(one.History)-1].Reason != "why" {
				t.Errorf("shown: %+v, %v", one, err)
			}
			if _, err := d.Show(ctx, "999", server.View{}); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("an event that is not there: %v", err)
			}
			if n, err := d.Purge(ctx, server.Choice{IDs: []string{dead[0].ID, "999"}}); n != 1 || err != nil {
				t.Errorf("purged %d, %v", n, err)
			}
			if n, err := d.Replay(ctx, server.Choice{All: true}); n != 3 || err != nil {
				t.Errorf("replayed %d, %v", n, err)
			}
			if n, err := d.Purge(ctx, server.Choice{All: true}); n != 0 || err != nil {
				t.Errorf("purged %d that are not dead, %v", n, err)
			}
			if _, err := d.Replay(ctx, server.Choice{}); err == nil {
				t.Error("nothing was chosen, and no error came")
			}
		})
	}
}

func TestAllMeansMoreThanAPage(t *testing.T) {
	t.Parallel()
	const n = 2*store.MaxLimit + 1
	_, inbox := died(t, n)
	if got, err := (server.Desk{Inbox: inbox}).Purge(t.Context(), server.Choice{All: true}); got != n || err != nil {
		t.Errorf("purged %d, %v", got, err)
	}
}

func TestARequestThatMakesNoSenseIsToldSo(t *testing.T) {
	t.Parallel()
	b := newBench(t, configured())
	for _, path := range []string{"/inbox?state=odd", "/inbox?limit=0", "/inbox?limit=1001", "/inbox?ids=perhaps", "/inbox?after=x", "/inbox?stat=dead"} {
		if w := b.admin(http.MethodGet, path, ""); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for _, body := range []string{"", "{}", `{"ids":[]}`, `{"all":true,"ids":["1"]}`, `{"id":"1"}`, `[]`, `{"all":true}{}`, strings.Repeat("[", 2<<20)} {
		if w := b.admin(http.MethodPost, "/inbox/purge", body); w.Code != http.StatusBadRequest {
			t.Errorf("%.20q: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestARequestAboutAnotherDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "asleep.db")
	b := newBench(t, configured(), server.WithFile(file))
	srv := httptest.NewServer(b.AdminHandler())
	t.Cleanup(srv.Close)
	if _, err := (server.Remote{URL: srv.URL, File: file}).List(t.Context(), store.InboxQuery{}, server.View{}); err != nil {
		t.Error(err)
	}
	_, err := server.Remote{URL: srv.URL, File: file + "2"}.Purge(t.Context(), server.Choice{All: true})
	if e, ok := errors.AsType[*server.RemoteError](err); !ok || e.Status != http.StatusConflict {
		t.Errorf("another file: %v", err)
	}
}

func TestTheErrorsOfARemoteSayWhatToDoAndNoIDs(t *testing.T) {
	t.Parallel()
	nobody := httptest.NewServer(http.NotFoundHandler())
	notOurs := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(notOurs.Close)
	nobody.Close()
	q := store.InboxQuery{UserID: "user-0001"}
	if _, err := (server.Remote{URL: nobody.URL}).List(t.Context(), q, server.View{}); !errors.Is(err, server.ErrNotReached) || strings.Contains(err.Error(), "user-0001") {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := (server.Remote{URL: notOurs.URL}).List(t.Context(), q, server.View{}); err == nil || !strings.Contains(err.Error(), "ADMIN_ADDR") {
		t.Errorf("somebody else there: %v", err)
	}
}
