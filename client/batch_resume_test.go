package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

// However often and wherever a batch is stopped, and whatever fails meanwhile:
// all runs together are the truth, and no user comes twice.
func TestRunsThatAreResumedAddUpToTheTruth(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	for seed := range uint64(rounds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			resumedRuns(t, seed)
		})
	}
}

func resumedRuns(t *testing.T, seed uint64) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	users, sessions := 20+rnd.IntN(150), rnd.IntN(6)
	batchTest(t, users, sessions, func(b *bed) {
		b.server.Flaky(0.05 + rnd.Float64()*0.15)
		list := b.users()
		for range rnd.IntN(30) {
			list = append(list, list[rnd.IntN(len(list))])
		}
		rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		o := client.BatchOptions{Details: seed%2 == 0, Concurrency: 1 + rnd.IntN(20)}
		var all batchOutcome
		for run := 0; ; run++ {
			ctx, cancel := context.WithCancel(b.Context())
			stop := stopSomehow(b, rnd, &o, cancel)
			token := o.Resume
			err := error(nil)
			for r, stopped := range b.client.FetchSessions(ctx, ids(list), client.Query{}, o) {
				if err = stopped; err != nil {
					break
				}
				all.results = append(all.results, r)
				if token = r.Token; stop(len(all.results)) {
					err = errors.New("left")
					break
				}
			}
			cancel()
			if err == nil {
				break
			}
			if stopped, ok := errors.AsType[*client.BatchStopped](err); ok {
				token = stopped.Token
			}
			o.Resume = reread(t, token)
			b.server.EndOutage()
		}
		b.wantAll(all.byUser(t), b.users(), o.Details)
	})
}

// stopSomehow arranges for a run to end early, most of the time.
func stopSomehow(b *bed, rnd *rand.Rand, o *client.BatchOptions, cancel func()) (leave func(int) bool) {
	o.Stop, o.MaxDuration, o.MaxOutage = nil, 0, 0
	o.Window = rnd.IntN(200)
	after := time.Duration(rnd.IntN(8000)) * time.Millisecond
	at := -1
	switch rnd.IntN(6) {
	case 0:
		stop := make(chan struct{})
		o.Stop = stop
		time.AfterFunc(after, func() { close(stop) })
	case 1:
		o.MaxDuration = after + 1
	case 2:
		time.AfterFunc(after, cancel)
	case 3:
		at = rnd.IntN(100)
	case 4:
		o.MaxOutage = 3 * time.Second
		time.AfterFunc(after, func() { b.server.StartOutage(asleeptest.Unavailable()) })
	}
	return func(n int) bool { return n == at }
}

// reread is the token after it was written down and read again.
func reread(t *testing.T, token client.ResumeToken) client.ResumeToken {
	t.Helper()
	again, err := client.ParseResumeToken(token.String() + "\n")
	if err != nil || again != token {
		t.Fatalf("%s reads as %v, %v", token, again, err)
	}
	var inside struct{ Token client.ResumeToken }
	text, err := json.Marshal(map[string]any{"Token": token})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &inside); err != nil || inside.Token != token {
		t.Fatalf("%s inside JSON reads as %v, %v", text, inside.Token, err)
	}
	return again
}

// stoppedAfter returns the token of a batch that was left after n results.
func (b *bed) stoppedAfter(n int, list []string, q client.Query, o client.BatchOptions, opts ...client.CallOption) client.ResumeToken {
	b.Helper()
	for r, err := range b.client.FetchSessions(b.Context(), ids(list), q, o, opts...) {
		if err != nil {
			b.Fatal(err)
		}
		if n--; n == 0 {
			return r.Token
		}
	}
	b.Fatal("the batch ended")
	return client.ResumeToken{}
}

func TestATokenOfSomethingElseIsRefusedBeforeACall(t *testing.T) {
	t.Parallel()
	batchTest(t, 40, 1, func(b *bed) {
		b.server.Inject(asleeptest.Fault{User: "user-0004", Latency: 3 * time.Second})
		list := b.users()
		query := client.Query{From: asleep.Date{Year: 2025, Month: 1, Day: 1}}
		o := client.BatchOptions{Concurrency: 2}
		o.Resume = b.stoppedAfter(20, list, query, o) // all but user-0004 of the first 21
		changed := func(by func([]string)) []string {
			other := append([]string(nil), list...)
			by(other)
			return other
		}
		for name, test := range map[string]struct {
			users []string
			query client.Query
			opts  client.BatchOptions
			call  []client.CallOption
			want  error
			says  string
		}{
			"dates":    {list, client.Query{From: asleep.Date{Year: 2025, Month: 2, Day: 1}}, o, nil, client.ErrResumeQuery, `from was "2025-01-01" and is "2025-02-01"`},
			"limit":    {list, client.Query{From: query.From, Limit: 1}, o, nil, client.ErrResumeQuery, "limit"},
			"order":    {list, client.Query{From: query.From, Order: asleep.SortOrderAscending}, o, nil, client.ErrResumeQuery, "order"},
			"details":  {list, query, client.BatchOptions{Details: true, Resume: o.Resume}, nil, client.ErrResumeQuery, "details"},
			"timezone": {list, query, o, []client.CallOption{client.InTimezone("Asia/Seoul")}, client.ErrResumeQuery, `timezone was "UTC" and is "Asia/Seoul"`},
			"first":    {changed(func(l []string) { l[0] = "user-0099" }), query, o, nil, client.ErrResumeInput, "the first 21 users"},
			"open":     {changed(func(l []string) { l[3] = "user-0099" }), query, o, nil, client.ErrResumeInput, "the first 21 users"},
			"last":     {changed(func(l []string) { l[20] = "user-0099" }), query, o, nil, client.ErrResumeInput, "the first 21 users"},
			"swapped":  {changed(func(l []string) { l[9], l[10] = l[10], l[9] }), query, o, nil, client.ErrResumeInput, "the first 21 users"},
			"glued":    {append([]string{list[0] + list[1]}, list[2:]...), query, o, nil, client.ErrResumeInput, "the first 21 users"},
			"short":    {list[:20], query, o, nil, client.ErrResumeInput, "ends after 20 users"},
			"empty":    {nil, query, o, nil, client.ErrResumeInput, "ends after 0 users"},
		} {
			b.server.Reset()
			n := 0
			for _, err := range b.client.FetchSessions(b.Context(), ids(test.users), test.query, test.opts, test.call...) {
				n++
				if refused, ok := errors.AsType[*client.ResumeError](err); !ok || !errors.Is(err, test.want) || !strings.Contains(refused.Problem, test.says) {
					t.Errorf("%s: %v; want %v that says %q", name, err, test.want, test.says)
				}
			}
			if requests := b.server.Stats().Requests; n != 1 || requests != 0 {
				t.Errorf("%s: %d results, %d requests; want 1 and none", name, n, requests)
			}
		}
		// What does not matter: how, not what; and what comes later in the input.
		o.Concurrency, o.Window, query.PageSize = 3, 1, 7
		rest := 0
		for r, err := range b.client.FetchSessions(b.Context(), ids(append(list[:21:21], "user-0040")), query, o) {
			if rest++; err != nil || r.User != "user-0004" && r.User != "user-0040" {
				t.Errorf("%s came, %v", r.User, err)
			}
		}
		if rest != 2 {
			t.Errorf("%d users came; want the one that was open and the new one", rest)
		}
	})
}

func TestATokenOfAnotherKeyIsRefusedUnlessAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := asleeptest.New(asleeptest.Config{Users: 10})
		b := &bed{T: t, server: server, start: time.Now()}
		connect := func(key string) {
			var err error
			if b.client, err = client.New(key, client.WithHTTPClient(&http.Client{Transport: server.Transport()})); err != nil {
				t.Fatal(err)
			}
		}
		connect(secret)
		token := b.stoppedAfter(5, b.users(), client.Query{}, client.BatchOptions{})
		if strings.Contains(token.String(), secret) {
			t.Error("the token holds the key")
		}
		connect("another-key")
		o := client.BatchOptions{Resume: token}
		if out := b.fetch(b.Context(), ids(b.users()), o); !errors.Is(out.err, client.ErrResumeKey) || out.results != nil {
			t.Errorf("got %v and %d results; want ErrResumeKey", out.err, len(out.results))
		}
		o.NewKey = true
		out := b.fetch(b.Context(), ids(b.users()), o)
		if out.err != nil || len(out.results) != 5 {
			t.Fatalf("accepted: %d results, %v; want 5", len(out.results), out.err)
		}
		o = client.BatchOptions{Resume: out.results[4].Token} // of the new key
		if out := b.fetch(b.Context(), ids(b.users()), o); out.err != nil || out.results != nil {
			t.Errorf("%d results, %v; want a batch that is complete", len(out.results), out.err)
		}
	})
}

func TestTheTokenOfABatchThatDidNothingResumesAtTheBeginning(t *testing.T) {
	t.Parallel()
	batchTest(t, 3, 1, func(b *bed) {
		b.server.StartOutage(asleeptest.Unavailable())
		o := client.BatchOptions{MaxOutage: time.Second}
		o.Resume = reread(t, b.fetch(b.Context(), ids(b.users()), o).stopped(t, client.ErrOutage).Token)
		b.server.EndOutage()
		if out := b.fetch(b.Context(), ids(b.users()), o); out.err != nil || len(out.results) != 3 {
			t.Errorf("%d results, %v; want 3", len(out.results), out.err)
		}
	})
}

func TestAStopWhileTheInputIsVerifiedKeepsTheToken(t *testing.T) {
	t.Parallel()
	batchTest(t, 10, 1, func(b *bed) {
		token := b.stoppedAfter(8, b.users(), client.Query{}, client.BatchOptions{})
		stop := make(chan struct{})
		input := func(yield func(string, error) bool) {
			for i, id := range b.users() {
				if i == 5 {
					close(stop)
					time.Sleep(time.Second)
				}
				if !yield(id, nil) {
					return
				}
			}
		}
		stopped := b.fetch(b.Context(), input, client.BatchOptions{Resume: token, Stop: stop}).stopped(t, client.ErrStopRequested)
		if stopped.Token != token || stopped.Unfinished != 0 {
			t.Errorf("the token became %v; want %v", stopped.Token, token)
		}
	})
}

func TestProgressOfAResumedBatchTellsItsRunsApart(t *testing.T) {
	t.Parallel()
	batchTest(t, 12, 2, func(b *bed) {
		list := b.users()
		list[1] = ".." // fails
		o := client.BatchOptions{Concurrency: 1}
		o.Resume = b.stoppedAfter(5, list, client.Query{}, o)
		var last client.BatchProgress
		o.Progress = func(p client.BatchProgress) { last = p }
		out := b.fetch(b.Context(), ids(list), o)
		if out.err != nil || last.Done != 7 || last.Resumed != 5 || last.ResumedFailed != 1 || last.Failed != 0 {
			t.Errorf("%+v, %v; want 7 done after 5, one of which failed", last, out.err)
		}
		if token := out.results[6].Token; token.Done() != 12 || token.Failed() != 1 {
			t.Errorf("the last token says %d done, %d failed", token.Done(), token.Failed())
		}
	})
}

func TestTextThatIsNoTokenIsRefused(t *testing.T) {
	t.Parallel()
	good := `{"v":1,"query":"q","key":"0011223344556677","done":3,"beyond":"AQ","hash":"00112233445566778899aabbccddeeff"}`
	good = strings.Replace(good, `"AQ"`, `"Ag"`, 1) // bit 1: position 4
	token, err := client.ParseResumeToken(good)
	if err != nil || token.Done() != 4 || token.String() != good {
		t.Fatalf("%v, %v", token, err)
	}
	for name, text := range map[string]string{
		"not JSON": "done", "array": "[]", "number": "7", "no version": "{}", "half": good[:40],
		"version 0":      strings.Replace(good, `"v":1`, `"v":0`, 1),
		"unknown member": strings.Replace(good, `"v":1`, `"v":1,"x":2`, 1),
		"no query":       strings.Replace(good, `"q"`, `""`, 1),
		"short key":      strings.Replace(good, "0011223344556677\"", "00\"", 1),
		"bad hash":       strings.Replace(good, "aabb", "xxyy", 1),
		"short hash":     strings.Replace(good, "aabb", "", 1),
		"negative":       strings.Replace(good, `"done":3`, `"done":-3`, 1),
		"huge":           strings.Replace(good, `"done":3`, `"done":9007199254740993`, 1),
		"bad base64":     strings.Replace(good, `"Ag"`, `"*"`, 1),
		"low is done":    strings.Replace(good, `"Ag"`, `"Aw"`, 1),
		"no last bit":    strings.Replace(good, `"Ag"`, `"AgA"`, 1),
		"failed":         strings.Replace(good, `"done":3`, `"done":3,"failed":9`, 1),
		"long":           strings.Repeat(" {", 20000),
	} {
		if token, err := client.ParseResumeToken(text); !errors.Is(err, client.ErrResumeInvalid) || !token.IsZero() {
			t.Errorf("%s: %v, %v; want ErrResumeInvalid", name, token, err)
		}
	}
	newer := strings.Replace(good, `"v":1`, `"v":2,"future":true`, 1)
	if _, err := client.ParseResumeToken(newer); !errors.Is(err, client.ErrResumeNewer) {
		t.Errorf("newer: %v; want ErrResumeNewer", err)
	}
	for _, text := range []string{"", " \n", "null"} {
		if token, err := client.ParseResumeToken(text); err != nil || !token.IsZero() || token.String() != "" {
			t.Errorf("%q: %v, %v; want the zero token", text, token, err)
		}
	}
}

func FuzzParseResumeToken(f *testing.F) {
	f.Add(`{"v":1,"query":"q","key":"0011223344556677","done":3,"beyond":"Ag","hash":"00112233445566778899aabbccddeeff"}`)
	f.Add(`{"v":9}`)
	f.Add("null")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := client.ParseResumeToken(text)
		if err != nil {
			if !errors.Is(err, client.ErrResumeInvalid) && !errors.Is(err, client.ErrResumeNewer) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		again, err := client.ParseResumeToken(token.String())
		if err != nil || again != token {
			t.Fatalf("%q reads as %v, and that as %v, %v", text, token, again, err)
		}
		if token.Done() < token.Failed() || len(token.String()) > 16<<10+len(text) {
			t.Fatalf("%v makes no sense", token)
		}
	})
}

// A sequence that watches the context of the batch ends with it, perhaps before
// the end of what the token knows: that is no changed input.
func TestAnInputThatEndsWithTheBatchIsNotChanged(t *testing.T) {
	t.Parallel()
	batchTest(t, 10, 1, func(b *bed) {
		token := b.stoppedAfter(8, b.users(), client.Query{}, client.BatchOptions{})
		ctx, cancel := context.WithCancel(b.Context())
		input := func(yield func(string, error) bool) {
			_ = yield("user-0001", nil)
			cancel()
		}
		stopped := b.fetch(ctx, input, client.BatchOptions{Resume: token}).stopped(t, context.Canceled)
		if stopped.Token != token {
			t.Errorf("the token became %v; want %v", stopped.Token, token)
		}
	})
}
