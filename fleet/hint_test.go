//go:build unix

package fleet_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/asleep-sdk/asleep/fleet"
	"github.com/asleep-sdk/asleep/internal/dbtest"
	"github.com/asleep-sdk/asleep/internal/standstill"
)

func hint(tb testing.TB, f *fleet.Fleet, o fleet.HintOptions) *fleet.Hint {
	tb.Helper()
	h, err := f.Hint(o)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func TestAFleetStopsWithinMillisecondsAndGoesOnTogether(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"single":  "redis://" + dbtest.Redis(t).Addr,
		"cluster": "redis://" + dbtest.RedisCluster(t, 3)[1].Addr + "?cluster=true",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := hint(t, process(t, url), fleet.HintOptions{})
			others := []*fleet.Hint{hint(t, process(t, url), fleet.HintOptions{}), hint(t, process(t, url), fleet.HintOptions{})}
			apart := hint(t, process(t, url), fleet.HintOptions{Name: "another service"})
			pause(t, 300*ms) // all listen
			watch := standstill.For(t)
			// Who has not heard it asks once a second, so one round in which all hear it
			// at once shows that they are told; a busy machine may take some more.
			told := slices.ContainsFunc(make([]int, 20), func(int) bool {
				begun := time.Now()
				until := begun.Add(time.Minute)
				a.Publish(until)
				for _, h := range others {
					await(t, "it hears", func() bool { return !h.Until().IsZero() })
				}
				heard, off := watch.Took(begun), others[1].Until().Sub(until).Abs()
				if !a.Until().IsZero() || !apart.Until().IsZero() {
					t.Error("who said it, or another service, is told")
				}
				same := others[0].Until()
				pause(t, 1500*ms) // asked again meanwhile
				moved := !others[0].Until().Equal(same)
				again := time.Now()
				a.Publish(time.Time{})
				for _, h := range others {
					await(t, "it hears the end", func() bool { return h.Until().IsZero() })
				}
				ended := watch.Took(again)
				t.Logf("heard after %v, %v off; the end after %v; moved when it was asked for again: %v", heard, off, ended, moved)
				return heard <= slack && ended <= slack && off <= slack && !moved
			})
			if !told {
				t.Error("no opening and no end was heard at once and kept its time when it was asked for again")
			}
		})
	}
}

func TestAHintEndsByItself(t *testing.T) {
	t.Parallel()
	url := "redis://" + dbtest.Redis(t).Addr
	a, b := hint(t, process(t, url), fleet.HintOptions{MaxOpen: 400 * ms}), hint(t, process(t, url), fleet.HintOptions{MaxOpen: 400 * ms})
	await(t, "it hears", func() bool { // a machine that stands still hears of it when it has ended
		a.Publish(time.Now().Add(time.Hour))
		pause(t, 20*ms)
		return !b.Until().IsZero()
	})
	if left := time.Until(b.Until()); left > 400*ms {
		t.Errorf("open for %v, at most 400ms may be", left)
	}
	await(t, "it ends", func() bool { return b.Until().IsZero() })
}

func TestAQuorumKeepsOneSickProcessFromStoppingTheOthers(t *testing.T) {
	t.Parallel()
	url := "redis://" + dbtest.Redis(t).Addr
	o := fleet.HintOptions{Quorum: 2}
	sick, second, third := hint(t, process(t, url), o), hint(t, process(t, url), o), hint(t, process(t, url), o)
	sick.Publish(time.Now().Add(time.Minute))
	pause(t, 300*ms)
	if !third.Until().IsZero() {
		t.Error("one process stopped another")
	}
	second.Publish(time.Now().Add(30 * time.Second))
	await(t, "two are heard", func() bool { return !third.Until().IsZero() })
	if left := time.Until(third.Until()); left > 30*time.Second {
		t.Errorf("open for %v, but only one says more than 30s", left)
	}
}

func TestWithoutRedisThereIsNoHint(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	url := "redis://" + s.Addr
	a, b := hint(t, hasty(t, url), fleet.HintOptions{MaxOpen: time.Hour}), hint(t, hasty(t, url), fleet.HintOptions{MaxOpen: time.Hour})
	a.Publish(time.Now().Add(time.Minute))
	await(t, "it hears", func() bool { return !b.Until().IsZero() })
	s.Stall()
	await(t, "nobody says so any more", func() bool { return b.Until().IsZero() })
	watch, start := standstill.For(t), time.Now()
	a.Publish(time.Now().Add(10 * time.Minute))
	if took := watch.Took(start); took > slack {
		t.Errorf("Publish waited %v for Redis", took)
	}
	s.Kill()
	s.Restart(t)
	await(t, "what was said meanwhile", func() bool { return time.Until(b.Until()) > 2*time.Minute })
}

func TestForeignValuesAreNoHint(t *testing.T) {
	t.Parallel()
	s := dbtest.Redis(t)
	url := "redis://" + s.Addr
	a, b := hint(t, process(t, url), fleet.HintOptions{}), hint(t, process(t, url), fleet.HintOptions{})
	a.Publish(time.Now().Add(time.Minute))
	await(t, "it hears", func() bool { return !b.Until().IsZero() })
	admin := open(t, url)
	key := admin.Keys(t.Context(), "asleep:hint:*").Val()[0]
	for _, harm := range []func(){
		func() { admin.Set(t.Context(), key, "open", 0) },
		func() { admin.Del(t.Context(), key); admin.ZAdd(t.Context(), key, redis.Z{Score: 1e300, Member: "x"}) },
		func() { admin.Del(t.Context(), key); admin.HSet(t.Context(), key, "a", "b") },
	} {
		harm()
		await(t, "it is no hint", func() bool { return b.Until().IsZero() })
		a.Publish(time.Now().Add(time.Minute))
		await(t, "it works again", func() bool { return !b.Until().IsZero() })
	}
	f := process(t, url)
	if _, err := f.Hint(fleet.HintOptions{Quorum: -1, MaxOpen: -1}); err == nil || strings.Count(err.Error(), "fleet: hint: ") != 2 {
		t.Errorf("wrong figures: %v", err)
	}
}
