package client

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestIDSetKnowsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	s, known := newIDSet(), map[string]bool{}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		id := strconv.Itoa(rnd.IntN(200_000))
		if s.add(id) == known[id] {
			t.Fatalf("id %s: known %t, and the set says otherwise", id, known[id])
		}
		known[id] = true
	}
	if !s.add("") || s.add("") {
		t.Error("the empty id is not told")
	}
}

func TestIDSetTakesAtMost16BytesAnID(t *testing.T) {
	t.Parallel()
	s := newIDSet()
	var id []byte
	for n := 1; n <= 300_000; n++ {
		id = strconv.AppendInt(append(id[:0], "G-20260302081522-"...), int64(n), 10)
		s.add(string(id))
		if n < 20_000 || n%10_000 != 0 {
			continue
		}
		places := 0
		for i := range s.shards {
			places += cap(s.shards[i].high)*8 + cap(s.shards[i].low)*2
		}
		if per := float64(places) / float64(n); per > 16 {
			t.Fatalf("%.1f bytes an id at %d ids", per, n)
		}
	}
}

func TestIDSetTellsEntriesThatBeginAtOnePlace(t *testing.T) {
	t.Parallel()
	var shard idShard
	for i := range uint16(100) {
		if !shard.add(1<<63, i) || !shard.add(1<<63+uint64(i)+1, 0) {
			t.Fatalf("%d is taken for another one", i)
		}
	}
	for i := range uint16(100) {
		if shard.add(1<<63, i) || shard.add(1<<63+uint64(i)+1, 0) {
			t.Fatalf("%d is forgotten", i)
		}
	}
}

func BenchmarkIDSet(b *testing.B) {
	ids := make([]string, 1<<16)
	for i := range ids {
		ids[i] = fmt.Sprintf("G-20260302081522-%020d", i)
	}
	b.ReportAllocs()
	s := newIDSet()
	for i := range b.N {
		s.add(ids[i%len(ids)])
	}
}
