package transport

import "time"

// answer is one answered request.
type answer struct {
	sent     time.Duration
	took     time.Duration
	epoch    uint32
	rejected bool
}

// history keeps the latest answers, enough for the wave of requests that were
// under way when the upstream first turned one away. Larger waves are judged
// by their last part.
type history struct {
	ring [128]answer
	n    uint64 // answers so far
}

func (h *history) add(e answer) {
	h.ring[h.n%uint64(len(h.ring))] = e
	h.n++
}

func (h *history) answers() []answer { return h.ring[:min(h.n, uint64(len(h.ring)))] }

// wave is what became of the requests of an epoch that met an empty allowance.
type wave struct {
	first, last time.Duration // when the first and the last rejected one left
	rejected    int
	inside      float64 // accepted ones that left between first and last,
	late        float64 // those of them in the last two thirds of that time,
	after       float64 // and those that left after last
}

// rate is the upstream's limit as far as the wave shows it: what it accepted
// while it was turning away. The first third does not count, as requests may have
// overtaken each other there.
func (w wave) rate() float64 {
	return (w.late + 0.5) / max((w.last-w.first).Seconds()*2/3, 1e-3)
}

func (h *history) wave(epoch uint32) wave {
	var w wave
	for _, e := range h.answers() {
		if !e.rejected || e.epoch != epoch {
			continue
		}
		if w.rejected == 0 || e.sent < w.first {
			w.first = e.sent
		}
		w.last = max(w.last, e.sent)
		w.rejected++
	}
	late := w.first + (w.last-w.first)/3
	for _, e := range h.answers() {
		switch {
		case e.rejected || e.epoch != epoch || e.sent < w.first:
		case e.sent > w.last:
			w.after++
		case e.sent >= late:
			w.late++
			w.inside++
		default:
			w.inside++
		}
	}
	return w
}

// pace is the rate, per second, at which the epoch's latest requests left.
func (h *history) pace(epoch uint32) float64 {
	var n float64
	var from, to time.Duration
	for _, e := range h.answers() {
		if e.epoch != epoch {
			continue
		}
		if n == 0 || e.sent < from {
			from = e.sent
		}
		to = max(to, e.sent)
		n++
	}
	return n / max((to-from).Seconds(), 1e-3)
}

// roundTrip is how long to wait until what is under way is answered.
func (h *history) roundTrip() time.Duration {
	var longest time.Duration
	for _, e := range h.answers() {
		longest = max(longest, e.took)
	}
	return min(max(longest, minHold), maxHold)
}
