package client

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// chains are the hashes of the first n of an endless input.
func chains(n int) []idChain {
	list := make([]idChain, n+1)
	for i := range n {
		list[i+1] = list[i].then(strconv.Itoa(i))
	}
	return list
}

// The ledger is compared with a set of all positions done.
func TestLedgerTokensSayExactlyWhatIsDone(t *testing.T) {
	t.Parallel()
	const n = 2000
	chain := chains(n)
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		window := 1 + rnd.IntN(300)
		l := newLedger(window, ResumeToken{})
		done := map[int64]bool{}
		var open []int64
		for read := int64(0); read < n || len(open) > 0; {
			if read < n && l.room(read) && rnd.IntN(3) > 0 {
				l.note(read, chain[read+1])
				open = append(open, read)
				read++
				continue
			}
			if len(open) == 0 {
				continue
			}
			i := rnd.IntN(len(open))
			l.finish(open[i], false)
			done[open[i]] = true
			open = append(open[:i], open[i+1:]...)
			if rnd.IntN(20) == 0 {
				token := l.token(ResumeToken{query: "q"})
				checkToken(t, token, done, chain, read)
				if rnd.IntN(5) == 0 { // go on in another run, with another window
					l, open = resumedLedger(1+rnd.IntN(300), token, chain, read)
				}
			}
		}
		if token := l.token(ResumeToken{}); token.low != n || token.beyond != "" || token.hash != chain[n] {
			t.Fatalf("seed %d: at the end %+v", seed, token)
		}
	}
}

func resumedLedger(window int, token ResumeToken, chain []idChain, read int64) (*ledger, []int64) {
	l := newLedger(window, token)
	var open []int64
	for i := range read {
		if i >= token.end() && !l.room(i) {
			// Beyond the window: a real run would read it later.
			l.window = read - l.low
			again := newLedger(int(l.window), token)
			for j := range i {
				again.note(j, chain[j+1])
			}
			l = again
		}
		l.note(i, chain[i+1])
		if !token.has(i) {
			open = append(open, i)
		}
	}
	return l, open
}

func checkToken(t *testing.T, token ResumeToken, done map[int64]bool, chain []idChain, read int64) {
	t.Helper()
	if token.Done() != int64(len(done)) || token.hash != chain[token.end()] {
		t.Fatalf("the token says %d done and ends at %d; want %d", token.Done(), token.end(), len(done))
	}
	for i := range read {
		if token.has(i) != done[i] {
			t.Fatalf("position %d: the token says %t, want %t", i, token.has(i), done[i])
		}
	}
	if again, err := ParseResumeToken(ResumeToken{
		query: "q", key: "0011223344556677", low: token.low, beyond: token.beyond, hash: token.hash,
	}.String()); err != nil || again.beyond != token.beyond {
		t.Fatalf("the token cannot be read again: %v", err)
	}
}

func BenchmarkLedgerToken(b *testing.B) {
	l := newLedger(512, ResumeToken{})
	chain := chains(512)
	for i := range int64(512) {
		l.note(i, chain[i+1])
	}
	for i := int64(1); i < 64; i += 2 {
		l.finish(i, false)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = l.token(ResumeToken{})
	}
}
