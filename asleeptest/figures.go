package asleeptest

import (
	"math"
	"time"

	"github.com/asleep-sdk/asleep"
)

// figures are the stat of a session. They are measured from its arrays, so the
// two always agree. A NaN is null on the wire.
type figures struct {
	slept               bool
	staged, breathing   bool // whether light, deep and rem, and breath, are known
	sleepTime, wakeTime time.Time

	index                                                            float64
	sleepLatency, wakeupLatency, lightLatency, deepLatency           float64
	remLatency, inBed, inPeriod, inSleep, inWake                     float64
	inLight, inDeep, inREM, inStable, inUnstable, inSnoring, inQuiet float64
	efficiency, breathingIndex                                       float64
	wakes, longestWake, unstables, snorings, cycles                  float64
	cycle                                                            float64
	boundaries                                                       []time.Time
}

const (
	epochSeconds = float64(asleep.EpochLength / time.Second)
	lowestIndex  = 50
)

var null = math.NaN()

// measure computes the figures of a night that began at start and was in bed
// for length.
func measure(n night, r *recording) *figures {
	f := &figures{inBed: r.length.Seconds(), staged: r.scope != PlanTwoStage, breathing: n.breath != nil}
	f.sleepLatency, f.wakeupLatency, f.lightLatency, f.deepLatency, f.remLatency = null, null, null, null, null
	f.index, f.breathingIndex, f.cycle = null, null, null
	first, last := sleepPeriod(n.stages)
	if f.slept = first < last; !f.slept {
		return f
	}
	period := n.stages[first:last]
	f.sleepTime = r.start.Add(time.Duration(first) * asleep.EpochLength)
	f.wakeTime = r.start.Add(time.Duration(last) * asleep.EpochLength)
	f.sleepLatency = float64(first) * epochSeconds
	f.inPeriod = float64(len(period)) * epochSeconds
	f.wakeupLatency = f.inBed - f.sleepLatency - f.inPeriod
	f.lightLatency, f.deepLatency, f.remLatency = latency(period, light), latency(period, deep), latency(period, rem)

	f.inWake = time30(period, wake)
	f.inLight, f.inDeep, f.inREM = time30(period, light), time30(period, deep), time30(period, rem)
	f.inSleep = f.inLight + f.inDeep + f.inREM
	f.efficiency = f.inSleep / f.inBed
	f.wakes, f.longestWake = runs(period, wake)

	snoring := n.snoring[first:last]
	f.inSnoring, f.inQuiet = time30(snoring, 1), time30(snoring, 0)
	f.snorings, _ = runs(snoring, 1)
	if f.breathing {
		breath := n.breath[first:last]
		f.inUnstable, f.inStable = time30(breath, 1), time30(breath, 0)
		f.unstables, _ = runs(breath, 1)
		f.breathingIndex = f.inUnstable / epochSeconds / (f.inPeriod / time.Hour.Seconds())
	}
	if f.staged {
		f.measureCycles(period)
	}
	f.index = f.score()
	return f
}

// measureCycles takes the end of every stretch of REM sleep as the end of a
// cycle; the first begins with sleep.
func (f *figures) measureCycles(period []int8) {
	for i, s := range period {
		if s == rem && (i+1 == len(period) || period[i+1] != rem) {
			f.boundaries = append(f.boundaries, f.sleepTime.Add(time.Duration(i+1)*asleep.EpochLength))
		}
	}
	if f.cycles = float64(len(f.boundaries)); f.cycles == 0 {
		return
	}
	f.cycle = math.Round(f.boundaries[len(f.boundaries)-1].Sub(f.sleepTime).Seconds() / f.cycles)
	f.boundaries = append([]time.Time{f.sleepTime}, f.boundaries...)
}

// score is a number from 50 to 100 that likes long, unbroken sleep. How the
// service comes to its own is not known.
func (f *figures) score() float64 {
	const fullNight = 8 * 60 * 60
	v := lowestIndex + 30*f.efficiency + 20*min(f.inSleep/fullNight, 1) - f.wakes
	return max(math.Round(v), lowestIndex)
}

// latency is the time from falling asleep to the first epoch of a stage.
func latency(period []int8, stage int8) float64 {
	for i, s := range period {
		if s == stage {
			return float64(i) * epochSeconds
		}
	}
	return null
}

// time30 is the time of all epochs with a value.
func time30(values []int8, value int8) float64 {
	n := 0
	for _, v := range values {
		if v == value {
			n++
		}
	}
	return float64(n) * epochSeconds
}

// runs counts the stretches of a value and gives the time of the longest.
func runs(values []int8, value int8) (count, longest float64) {
	n := 0
	for i, v := range values {
		if v != value {
			n = 0
			continue
		}
		if n++; i == 0 || values[i-1] != value {
			count++
		}
		longest = max(longest, float64(n)*epochSeconds)
	}
	return count, longest
}

// missing is the share of unknown epochs, to two places.
func (n night) missing() float64 {
	if len(n.stages) == 0 {
		return 0
	}
	return round(time30(n.stages, unknown)/epochSeconds/float64(len(n.stages)), 2)
}

func round(v float64, places int) float64 {
	p := math.Pow10(places)
	return math.Round(v*p) / p
}
