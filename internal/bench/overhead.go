package bench

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// Cost is what one call of a contender takes.
type Cost struct {
	Ratio  float64       // to the first contender, median over the rounds
	Added  time.Duration // to the first contender's time, median over the rounds
	Doubt  time.Duration // Added may as well be so much more or less, in 19 of 20 runs
	Time   time.Duration // median over the rounds
	Bytes  float64       // allocated in the whole process, the upstream's side included
	Allocs float64
}

// meter times functions in turn.
type meter struct {
	rounds int // at least 5
	slice  int // calls of one function in one round
}

// measure runs the functions in turn, a slice of calls each, round after round, in an
// order drawn anew for each round: nobody always comes after the one who leaves
// most garbage. Ratios are taken within a round. The first error ends it.
func (m meter) measure(fns []func() error) ([]Cost, error) {
	times := make([][]time.Duration, len(fns))
	costs := make([]Cost, len(fns))
	order := rand.New(rand.NewPCG(1, 2))
	for round := range m.rounds + 1 { // the first one warms up
		for _, at := range order.Perm(len(fns)) {
			took, bytes, allocs, err := m.once(fns[at])
			if err != nil {
				return nil, err
			}
			if round > 0 {
				times[at] = append(times[at], took)
				costs[at].Bytes += bytes / float64(m.rounds)
				costs[at].Allocs += allocs / float64(m.rounds)
			}
		}
	}
	for i := range fns {
		ratios, added := make([]float64, m.rounds), make([]time.Duration, m.rounds)
		for r := range ratios {
			ratios[r] = float64(times[i][r]) / float64(times[0][r])
			added[r] = times[i][r] - times[0][r]
		}
		costs[i].Ratio = median(ratios)
		costs[i].Added, costs[i].Doubt = median(added), doubt(added)
		costs[i].Time = median(times[i])
	}
	return costs, nil
}

// once is one slice: the time, bytes and allocations of a call.
func (m meter) once(fn func() error) (took time.Duration, bytes, allocs float64, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	for range m.slice {
		if err := fn(); err != nil {
			return 0, 0, 0, err
		}
	}
	took = time.Since(begun) / time.Duration(m.slice)
	runtime.ReadMemStats(&after)
	n := float64(m.slice)
	return took, float64(after.TotalAlloc-before.TotalAlloc) / n, float64(after.Mallocs-before.Mallocs) / n, nil
}

func median[T ~int64 | ~float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// doubt is half of the interval in which the median lies in 19 of 20 samples, which the
// order of the values tells without knowing how they are distributed.
func doubt(values []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	n := float64(len(sorted))
	low := max(0, int(n/2-0.98*math.Sqrt(n)))
	return (sorted[len(sorted)-1-low] - sorted[low]) / 2
}

// The overhead rows.
var (
	loopbackMeter = meter{rounds: 301, slice: 50}
	freeMeter     = meter{rounds: 301, slice: 200}
	decodeMeter   = meter{rounds: 101, slice: 50}
)

func overheadRows() []Row {
	return []Row{
		{
			ID:    "overhead",
			What:  "GET + full read of 4 KB over loopback, every policy on, against a bare tuned http.Client in the same run",
			Goal:  "<= 1.08x",
			Goals: []Goal{{Figure: "x bare", Limit: 1.08}},
			// Who does less is cheaper: those count who protect an upstream too.
			Counts: protected,
			Run: func(ctx context.Context) []Outcome {
				return overhead(ctx, loopbackMeter, Setup{}, func(c Cost) []Figure {
					return []Figure{
						{Name: "x bare", Format: "%.3f", Value: c.Ratio},
						{Name: "µs", Format: "%.1f", Value: c.Time.Seconds() * 1e6},
					}
				})
			},
		},
		{
			ID:     "free-wire",
			What:   "the same over a zero-cost transport, the peers given the same timeouts and body buffering",
			Goal:   "below the peers",
			Goals:  []Goal{{Figure: "µs", BelowPeers: true}},
			Counts: protected,
			Run: func(ctx context.Context) []Outcome {
				return overhead(ctx, freeMeter, Setup{Wire: FreeWire(), Whole: true}, func(c Cost) []Figure {
					return []Figure{
						{Name: "µs", Format: "%.2f", Value: c.Time.Seconds() * 1e6},
						{Name: "KB", Format: "%.1f", Value: c.Bytes / 1024},
						{Name: "allocs", Format: "%.0f", Value: c.Allocs},
					}
				})
			},
		},
	}
}

// overhead measures the whole field against the bare client. Over a wire of its own
// it needs no upstream.
func overhead(ctx context.Context, m meter, setup Setup, figures func(Cost) []Figure) []Outcome {
	field := append([]Contender{bare}, retriers()...)
	outcomes := make([]Outcome, len(field))
	fail := func(err error) []Outcome {
		for i, c := range field {
			outcomes[i] = Outcome{Contender: c.Name, Err: err}
		}
		return outcomes
	}
	setup.URL = "http://127.0.0.1:1"
	if setup.Wire == nil {
		up, err := NewUpstream(ctx, Healthy())
		if err != nil {
			return fail(err)
		}
		defer func() { _ = up.Close() }()
		setup.URL = up.URL
	}
	var runs []func() error
	var at []int
	for i, c := range field {
		outcomes[i].Contender = c.Name
		caller, err := c.New(setup)
		if err != nil {
			outcomes[i].Err = err
			continue
		}
		defer caller.Close() //nolint:revive // a handful of contenders, all of them open until the end
		runs, at = append(runs, func() error { return caller.Get(ctx, "/payload") }), append(at, i)
	}
	costs, err := m.measure(runs)
	if err != nil {
		return fail(err)
	}
	for n, cost := range costs {
		outcomes[at[n]].Figures = figures(cost)
	}
	return outcomes
}
