package asleeptest

import (
	"math/rand/v2"
	"time"

	"github.com/asleep-sdk/asleep"
)

// night is what the analysis makes of a recording: one value an epoch. Nil is
// null on the wire.
type night struct {
	stages  []int8
	breath  []int8
	snoring []int8
}

const (
	wake    = int8(asleep.StageWake)
	light   = int8(asleep.StageLight)
	deep    = int8(asleep.StageDeep)
	rem     = int8(asleep.StageREM)
	unknown = int8(asleep.StageUnknown)
)

// epochs turns minutes into epochs.
func epochs(minutes int) int { return minutes * int(time.Minute/asleep.EpochLength) }

// between draws a number of epochs from a range of minutes, to the epoch.
func between(rnd *rand.Rand, low, high int) int {
	return epochs(low) + rnd.IntN(epochs(high-low)+1)
}

// newNight makes the stages of a recording. It depends on the recording's plan
// and seed, not on where it was cut off: what was seen while it was OPEN stays.
func newNight(r *recording) night {
	rnd := random(r.seed, saltStages)
	n := int(r.plan / asleep.EpochLength)
	if r.kind == TooShort {
		return night{stages: []int8{}, snoring: []int8{}}
	}
	out := night{stages: make([]int8, n), snoring: make([]int8, n)}
	breathing := r.scope == PlanFull && r.kind != NeverSleptNull
	if breathing {
		out.breath = make([]int8, n)
	}
	if r.kind == NeverSlept || r.kind == NeverSleptNull {
		return out
	}
	hypnogram(rnd, out.stages, r.kind)
	first, last := sleepPeriod(out.stages)
	spans(rnd, out.snoring[first:last], 60, 2, 12)
	if breathing {
		spans(rnd, out.breath[first:last], 150, 1, 2)
	}
	if r.kind == Defects {
		lose(rnd, out.stages)
	}
	if r.scope == PlanTwoStage {
		for i, s := range out.stages {
			if s > light {
				out.stages[i] = light
			}
		}
	}
	return out
}

// hypnogram writes cycles of light, deep, light and REM sleep: deep sleep
// wanes and REM sleep grows from cycle to cycle, and now and then an awakening
// lies between two of them.
func hypnogram(rnd *rand.Rand, stages []int8, kind NightKind) {
	asleepUntil := len(stages) - between(rnd, 2, 18)
	if kind == TooLong {
		// A phone left lying: a night, and then hours of nothing.
		asleepUntil = between(rnd, 6*60, 8*60)
	}
	i := between(rnd, 4, 25)
	if i >= asleepUntil {
		i, asleepUntil = len(stages)/4, len(stages)-len(stages)/4
	}
	put := func(stage int8, n int) {
		for end := min(i+n, asleepUntil); i < end; i++ {
			stages[i] = stage
		}
	}
	for cycle := 0; i < asleepUntil; cycle++ {
		put(light, between(rnd, 14, 28))
		put(deep, between(rnd, max(0, 24-8*cycle), max(4, 42-9*cycle)))
		put(light, between(rnd, 16, 34))
		put(rem, between(rnd, min(5+3*cycle, 15), min(12+6*cycle, 32)))
		// The last minutes of sleep are left to it.
		if rnd.IntN(2) == 0 && i+epochs(10) < asleepUntil {
			put(wake, 1+rnd.IntN(epochs(5)))
		}
	}
}

// sleepPeriod returns the epochs from falling asleep to waking for good: the
// first one asleep, and the one after the last. Equal ones mean no sleep.
func sleepPeriod(stages []int8) (first, last int) {
	for first < len(stages) && stages[first] <= wake {
		first++
	}
	for last = len(stages); last > first && stages[last-1] <= wake; last-- {
	}
	return first, last
}

// spans sets stretches of epochs to 1: one every so many minutes on average,
// each of low to high minutes.
func spans(rnd *rand.Rand, values []int8, every, low, high int) {
	for i := rnd.IntN(epochs(every)*2 + 1); i < len(values); i += 1 + rnd.IntN(epochs(every)*2) {
		for end := min(i+between(rnd, low, high), len(values)); i < end; i++ {
			values[i] = 1
		}
	}
}

// lose makes four tenths of the night unknown, in stretches.
func lose(rnd *rand.Rand, stages []int8) {
	const stretch, lost = 70, 28
	for start := rnd.IntN(stretch - lost); start < len(stages); start += stretch {
		for i := start; i < min(start+lost, len(stages)); i++ {
			stages[i] = unknown
		}
	}
}

// cut keeps the first n epochs.
func (n night) cut(epochs int) night {
	head := func(values []int8) []int8 { return values[:min(epochs, len(values))] }
	n.stages, n.snoring = head(n.stages), head(n.snoring)
	if n.breath != nil {
		n.breath = head(n.breath)
	}
	return n
}
