//go:build unix

package rediscache_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/rediscache"
	"github.com/asleep-sdk/asleep/internal/dbtest"
)

// slack is what a busy machine may add to a budget.
const slack = 250 * time.Millisecond

// shutBy makes three calls that meet trouble, and some that pass by: none fails, all are
// answered by the service, and none waits for more than its budget, but for one that may
// have waited for a core.
func (p *process) shutBy() {
	p.t.Helper()
	slow := 0
	for i := range 12 {
		k := k1
		k.ID = fmt.Sprint("in trouble ", i)
		got, from, took := p.ask(k, "mutable: said")
		if got != "mutable: said" || from.Tier != cache.TierNone {
			p.t.Errorf("call %d: %q from %q", i, got, from.Tier)
		}
		limit := slack
		if i < 3 {
			limit += 20 * time.Millisecond
		}
		if took > limit {
			p.t.Logf("call %d took %v, want at most %v", i, took, limit)
			slow++
		}
		if took > 8*slack { // as long as a client waits by itself
			p.t.Errorf("call %d took %v, want at most %v", i, took, limit)
		}
	}
	if slow > 1 {
		p.t.Errorf("%d of 12 calls waited for longer than their budget", slow)
	}
	eventually(p.t, func() bool { return p.Stats().FarShut }) // the third failure may be a fill's
}

// back waits until the tier serves again.
func (p *process) back() {
	p.t.Helper()
	eventually(p.t, func() bool { return !p.Stats().FarShut && p.Stats().Deferred == 0 })
}

func TestARedisThatComesAndGoesFailsNoCall(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	own := redis.NewClient(&redis.Options{Addr: s.Addr}) // as it comes: waits for 5 s, and repeats
	t.Cleanup(func() { _ = own.Close() })
	theirs, err := rediscache.New(own, rediscache.Options{Prefix: "theirs"})
	if err != nil {
		t.Fatal(err)
	}
	guard := cache.DefaultGuard()
	guard.Probe, guard.ProbeMax = 20*time.Millisecond, 50*time.Millisecond
	ours := newProcess(t, "redis://"+s.Addr, guard, rediscache.Options{})
	c, err := cache.New(nil, cache.WithFar(theirs), cache.WithGuard(guard))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	for _, p := range []*process{ours, {Cache: c, t: t, tier: theirs, near: ours.near, watch: ours.watch}} {
		for range 3 { // flapping
			p.shared(k1, "mutable: kept")
			s.Stall()
			p.shutBy()
			s.Resume()
			p.back()
			p.shared(k1, "mutable: kept")
			s.Kill()
			p.shutBy()
			s.Restart(t) // empty
			p.back()
			p.want(k1, "mutable: after", cache.TierNone)
			_ = p.Invalidate(t.Context(), k1.Owner())
		}
	}
}

func TestInvalidationsOfAnOutageAreMadeUpForBeforeRedisIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(s *dbtest.Server) (end func()){
		"stalled": func(s *dbtest.Server) func() { s.Stall(); return s.Resume },
		"no more": func(s *dbtest.Server) func() {
			c := raw(t, s.Addr)
			c.ConfigSet(t.Context(), "maxclients", "1")
			c.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes")
			return func() { c.ConfigSet(t.Context(), "maxclients", "1000") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := dbtest.Redis(t)
			p := newProcess(t, "redis://"+s.Addr, cache.DefaultGuard(), rediscache.Options{}).listening()
			k2 := k1
			k2.User = "user-0002"
			p.shared(k1, "mutable: old")
			p.shared(k2, "durable: old")
			end := trouble(s)
			if err := p.Invalidate(t.Context(), k1.Owner()); !errors.Is(err, cache.ErrDeferred) {
				t.Errorf("Invalidate: %v", err)
			}
			if err := p.Erase(t.Context(), k2.Owner()); !errors.Is(err, cache.ErrDeferred) {
				t.Errorf("Erase: %v", err)
			}
			end()
			for range 200 { // whether the tier is open yet or not
				for k, stale := range map[cache.Key]string{k1: "mutable: old", k2: "durable: old"} {
					if got, _, _ := p.ask(k, "mutable: new"); got == stale {
						t.Fatalf("%q was shown again", got)
					}
				}
			}
			p.back()
			p.shared(k1, "mutable: new")
		})
	}
}

func TestAFullRedisAnswersWhatItHasAndStillTakesBack(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t, "--maxmemory-policy", "noeviction")
	look := raw(t, s.Addr)
	p := newProcess(t, calm(s.Addr), patient(), rediscache.Options{Sealer: ring(t, 1)})
	p.shared(k1, "mutable: kept")
	before := p.Stats() // it may have met the lease of its own fill
	look.ConfigSet(t.Context(), "maxmemory", "1")
	if err := look.Set(t.Context(), "x", "y", 0).Err(); !redis.IsOOMError(err) {
		t.Fatalf("it is not full: %v", err)
	}
	other, another := k1, k1
	other.User = "user-0002"
	another.ID = "of an owner with marks"
	for range 10 {
		p.near.Flush(cache.Everything)
		p.want(k1, "mutable: kept", cache.TierFar)
		p.want(other, "mutable: other", cache.TierNone)
		p.want(another, "mutable: another", cache.TierNone)
	}
	if err := p.Invalidate(t.Context(), k1.Owner()); err != nil {
		t.Errorf("Invalidate: %v", err)
	}
	p.want(k1, "mutable: new", cache.TierNone)
	if err := p.Erase(t.Context(), k1.Owner()); err != nil {
		t.Errorf("Erase: %v", err)
	}
	if n := p.Stats(); n.FarErrors != 0 || n.FarShut || n.LeaseWaits != before.LeaseWaits {
		t.Errorf("being full counts as trouble: %+v", n)
	}
	look.ConfigSet(t.Context(), "maxmemory", "0")
	p.shared(other, "mutable: other")
}

func TestARedisThatEvictsForgetsAndShowsNothingOld(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t, "--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru")
	p := newProcess(t, calm(s.Addr), patient(), rediscache.Options{})
	version := make([]int, 40)
	for i := range 800 {
		k := k1
		u := i * 7 % len(version)
		k.User, k.ID = fmt.Sprint("user-", u), strconv.Itoa(i%3)
		if i%5 == 0 {
			version[u]++
			if err := p.Invalidate(t.Context(), k.Owner()); err != nil {
				t.Fatal(err)
			}
		}
		now := fmt.Sprintf("mutable: %d %s", version[u], strings.Repeat("z", 40_000))
		if got, _, _ := p.ask(k, now); got != now {
			t.Fatalf("%.20q, want %.20q", got, now)
		}
	}
	info, err := raw(t, s.Addr).InfoMap(t.Context(), "stats").Result()
	if err != nil || info["Stats"]["evicted_keys"] == "0" {
		t.Errorf("nothing was evicted: %v", err)
	}
	if n := p.Stats(); n.FarErrors != 0 {
		t.Errorf("%+v", n)
	}
}

// TestWhateverStandsInRedisNothingForeignIsShown plants under all keys.
func TestWhateverStandsInRedisNothingForeignIsShown(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	look := raw(t, s.Addr)
	for name, o := range sealing(t) {
		o.Prefix = name
		p := newProcess(t, calm(s.Addr), patient(), o)
		p.shared(k1, "durable: own")
		p.near.Flush(cache.Everything)
		var good string
		for _, key := range keys(t, look) {
			if strings.HasPrefix(key, name) && !strings.HasSuffix(key, ":m") {
				good = look.Get(t.Context(), key).Val()
			}
		}
		for what, plant := range map[string]func(key string){
			"garbage":         func(key string) { look.Set(t.Context(), key, "garbage", time.Hour) },
			"empty":           func(key string) { look.Set(t.Context(), key, "", time.Hour) },
			"cut off":         func(key string) { look.Set(t.Context(), key, good[:len(good)/2], time.Hour) },
			"a bit flipped":   func(key string) { look.SetRange(t.Context(), key, 30, "\xaa\x55") },
			"a list":          func(key string) { look.Del(t.Context(), key); look.RPush(t.Context(), key, "x") },
			"a hash":          func(key string) { look.Del(t.Context(), key); look.HSet(t.Context(), key, "a", "b") },
			"long as marks":   func(key string) { look.Set(t.Context(), key, strings.Repeat("x", 53), 0) },
			"marks of others": func(key string) { look.Set(t.Context(), key, strings.Repeat("A", 26)+"."+strings.Repeat("B", 26), 0) },
		} {
			for _, key := range keys(t, look) {
				if !strings.HasPrefix(key, name) {
					continue
				}
				plant(key)
				p.near.Flush(cache.Everything)
				if got, from, _ := p.ask(k1, "durable: own"); got != "durable: own" || from.Tier != cache.TierNone {
					t.Errorf("%s, %s under %s: %q from %q", name, what, key, got, from.Tier)
				}
				p.shared(k1, "durable: own") // it is put right
			}
		}
		if n := p.Stats(); n.FarErrors != 0 || n.FarForeign == 0 {
			t.Errorf("%s: %+v", name, n)
		}
	}
	for _, key := range keys(t, look) {
		if ttl := look.TTL(t.Context(), key).Val(); ttl <= 0 {
			t.Errorf("%s lives for ever", key)
		}
	}
}

func TestScriptsThatRedisForgetsAreSentAgain(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	look := raw(t, s.Addr)
	p := newProcess(t, calm(s.Addr), patient(), rediscache.Options{})
	for i := range 10 {
		look.ScriptFlush(t.Context())
		k := k1
		k.ID = strconv.Itoa(i)
		p.shared(k, "mutable: x")
		look.ScriptFlush(t.Context())
		if err := p.Invalidate(t.Context(), k1.Owner()); err != nil {
			t.Error(err)
		}
		look.ScriptFlush(t.Context())
		if err := p.tier.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := p.Stats().FarErrors; n != 0 {
		t.Errorf("%d operations failed", n)
	}
}

func TestARedisOfNoUseIsPassedBy(t *testing.T) {
	t.Parallel()
	master := dbtest.Redis(t)
	_, port, _ := strings.Cut(master.Addr, ":")
	locked := dbtest.Redis(t, "--requirepass", "sesame")
	users := dbtest.Redis(t)
	for name, rights := range map[string]string{
		"asleep": "~asleep:* &asleep:* +@read +@write +@scripting +@pubsub +@connection +time", // as errors advise
		"reader": "~* &* +@all -@scripting", "writer": "~* &* +@all -mget", "silent": "~* &* +@all -set", "stranger": "~other:* &* +@all",
	} {
		if err := raw(t, users.Addr).Do(t.Context(), append([]any{"ACL", "SETUSER", name, "on", ">guess-guess"}, words(rights)...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user string) string { return "redis://" + user + ":guess-guess@" + users.Addr }
	for name, c := range map[string]struct{ url, reason string }{
		"replica":           {"redis://" + dbtest.Redis(t, "--replicaof", "127.0.0.1 "+port).Addr, "name the primary"},
		"replica alone":     {"redis://" + dbtest.Redis(t, "--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "no").Addr, "replica"},
		"password wrong":    {"redis://:guess-guess@" + locked.Addr, "check user and password"},
		"password none":     {"redis://" + locked.Addr, "give a password"},
		"no right: scripts": {as("reader"), "allow its user"},
		"no right: MGET":    {as("writer"), "allow its user"},
		"no right: SET":     {as("silent"), "allow its user"},
		"no right: keys":    {as("stranger"), "allow its user"},
		"one of a cluster":  {"redis://" + dbtest.RedisCluster(t, 3)[0].Addr, "?cluster=true"},
		"nobody there":      {"redis://127.0.0.1:1", "refused"},
		"no TLS there":      {"rediss://" + master.Addr, ""},
		"loading":           {"redis://" + loading(t).Addr, "LOADING"},
		"full of clients":   {"redis://" + crowded(t).Addr, ""},
		"speaks HTTP":       {"redis://" + impostor(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), "check host and port"},
		"speaks nonsense":   {"redis://" + impostor(t, "\x00\xff\x17 hello\r\n*9999999999\r\n"), "check host and port"},
		"announces 60 GB":   {"redis://" + impostor(t, "$60000000000\r\n"), "check host and port"},
		"says nothing":      {"redis://" + impostor(t, ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProcess(t, c.url, cache.DefaultGuard(), rediscache.Options{})
			p.shutBy()
			if err := p.Invalidate(t.Context(), k1.Owner()); !errors.Is(err, cache.ErrDeferred) {
				t.Errorf("Invalidate: %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			reads := "1m"
			if c.reason == "" {
				reads = "2s" // nobody says anything
			}
			err, patient := error(nil), open(t, c.url+"?dial_timeout=2s&write_timeout=2s&read_timeout="+reads, rediscache.Options{})
			for i := 0; i < 30 && err == nil; i++ { // of a cluster, one node in three has the key
				err = patient.Ping(ctx)
			}
			t.Log(err)
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("the error is %v, want %q", err, c.reason)
			} else if strings.Contains(err.Error(), "guess") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
	for _, url := range []string{strings.Replace(calm(locked.Addr), "//", "//:sesame@", 1), strings.Replace(calm(users.Addr), "//", "//asleep:guess-guess@", 1)} {
		p := newProcess(t, url, patient(), rediscache.Options{}).listening()
		p.shared(k1, "mutable: x")
		if err := errors.Join(p.Invalidate(t.Context(), k1.Owner()), p.Erase(t.Context(), k1.Owner())); err != nil {
			t.Error(err)
		}
	}
}

// TestWithoutTheBusTheTierIsOfUseStill: of Redis 7 a user has no channels by default.
func TestWithoutTheBusTheTierIsOfUseStill(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	if err := raw(t, s.Addr).Do(t.Context(), "ACL", "SETUSER", "mute", "on", ">guess", "resetchannels", "~asleep:*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, strings.Replace(calm(s.Addr), "://", "://mute:guess@", 1), patient(), rediscache.Options{})
	if err := p.tier.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "&asleep:*") {
		t.Errorf("the error is %v, want what to allow", err)
	}
	p.shared(k1, "mutable: old")
	if err := p.Invalidate(t.Context(), k1.Owner()); !errors.Is(err, cache.ErrDeferred) {
		t.Errorf("Invalidate: %v", err)
	}
	p.want(k1, "mutable: new", cache.TierNone)
	s.Kill()
	p.shutBy()
	s.Restart(t)
	raw(t, s.Addr).Do(t.Context(), "ACL", "SETUSER", "mute", "on", ">guess", "resetchannels", "~asleep:*", "+@all")
	eventually(t, func() bool { return !p.Stats().FarShut })
	p.shared(k1, "mutable: after")
}

func words(text string) (all []any) {
	for word := range strings.FieldsSeq(text) {
		all = append(all, word)
	}
	return all
}

// loading is a Redis that reads what it has saved for a long time.
func loading(t *testing.T) *dbtest.Server {
	t.Helper()
	s := dbtest.Redis(t, "--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no")
	c := raw(t, s.Addr)
	many := c.Pipeline()
	for i := range 30_000 { // five minutes' worth
		many.Set(t.Context(), strconv.Itoa(i), strings.Repeat("x", 1000), 0)
	}
	if _, err := many.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	return s
}

// crowded is a Redis that takes no more clients.
func crowded(t *testing.T) *dbtest.Server {
	t.Helper()
	s := dbtest.Redis(t)
	raw(t, s.Addr).ConfigSet(t.Context(), "maxclients", "1")
	return s
}

// impostor answers whatever it is sent with one text, or not at all.
func impostor(t *testing.T, says string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				heard := make([]byte, 4096)
				for {
					if _, err := c.Read(heard); err != nil {
						return
					}
					_, _ = c.Write([]byte(says))
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestABusThatWasCutFlushesWhatMayBeOld(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	look := raw(t, s.Addr)
	a := newProcess(t, calm(s.Addr), patient(), rediscache.Options{}).listening()
	b := newProcess(t, calm(s.Addr), patient(), rediscache.Options{}).listening()
	b.shared(k1, "durable: old")
	b.want(k1, "durable: old", cache.TierNear)
	for range 3 {
		heard := b.Stats().BusListened
		if n, err := look.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result(); err != nil || n == 0 {
			t.Fatalf("%d killed, %v", n, err)
		}
		// Nobody may hear it; Redis may just be being told again what it was told lately.
		if err := a.Erase(t.Context(), k1.Owner()); err != nil && !errors.Is(err, cache.ErrDeferred) {
			t.Fatal(err)
		}
		a.back()
		eventually(t, func() bool { return b.Stats().BusListened > heard })
		eventually(t, func() bool { return b.Stats().NearUse.Entries == 0 })
		b.shared(k1, "durable: old")
	}
	a.back()
	if err := a.Erase(t.Context(), k1.Owner()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return b.Stats().NearUse.Entries == 0 })
	flushed := b.Stats().BusListened
	look.Publish(t.Context(), "asleep:notices", "of a version to come")
	eventually(t, func() bool { return b.Stats().BusListened > flushed })
}
