package client

import (
	"hash/maphash"
	"math/bits"
)

// idSet remembers ids by 80 bits of a hash that is seeded anew for every set:
// among n ids the probability that one is taken for another is below n²/2⁸¹. It
// takes 10 bytes a place and keeps 68 % to 85 % of the places filled, so that an
// id costs 12 to 15 bytes. The table is cut into shards that grow one by one, so that
// growing never holds two copies of all of it.
type idSet struct {
	seeds  [2]maphash.Seed
	shards [idShards]idShard
}

const idShards = 256

// idShard is a hash table with linear probing. The parts of an entry live in
// two slices, as a struct of them would be padded to 16 bytes.
type idShard struct {
	high []uint64 // 0 is a free place
	low  []uint16
	used int
}

func newIDSet() *idSet {
	return &idSet{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// add reports whether id is new, and remembers it.
func (s *idSet) add(id string) bool {
	high := max(maphash.String(s.seeds[0], id), 1)
	low := maphash.String(s.seeds[1], id)
	return s.shards[low>>32%idShards].add(high, uint16(low)) //nolint:gosec // a part of its bits
}

func (t *idShard) add(high uint64, low uint16) bool {
	if t.used*100 >= len(t.high)*85 {
		t.grow()
	}
	i := t.place(high)
	for t.high[i] != 0 {
		if t.high[i] == high && t.low[i] == low {
			return false
		}
		if i++; i == len(t.high) {
			i = 0
		}
	}
	t.high[i], t.low[i] = high, low
	t.used++
	return true
}

// place is where the search for an entry begins: its hash scaled to the size of
// the table, which need not be a power of two.
func (t *idShard) place(high uint64) int {
	i, _ := bits.Mul64(high, uint64(len(t.high)))
	return int(i) //nolint:gosec // below the length of a slice
}

func (t *idShard) grow() {
	old := *t
	size := max(32, len(old.high)+len(old.high)/4)
	*t = idShard{high: make([]uint64, size), low: make([]uint16, size)}
	for i, high := range old.high {
		if high != 0 {
			t.add(high, old.low[i])
		}
	}
}
