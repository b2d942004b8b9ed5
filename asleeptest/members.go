package asleeptest

// form is how a figure is written.
type form int

const (
	inSeconds form = iota // whole
	inNumber              // counts and the like: whole, but not their means
	inRatio               // to two places
	inTenths              // to one place
)

// member is one figure under its name on the wire.
type member struct {
	name  string
	value float64 // NaN: null
	form  form
}

// members lists all figures that are numbers, as the service names them. What
// the plan does not cover, and shares of nothing, are null.
func (f *figures) members() []member {
	share := func(v float64) float64 { return v / f.inPeriod } // 0/0 is NaN: shares of nothing are null
	staged := func(v float64) float64 { return only(f.staged || !f.slept, v) }
	breath := func(v float64) float64 { return only(f.breathing, v) }
	return []member{
		{"sleep_index", f.index, inNumber},
		{"sleep_latency", f.sleepLatency, inSeconds},
		{"wakeup_latency", f.wakeupLatency, inSeconds},
		{"light_latency", only(f.staged, f.lightLatency), inSeconds},
		{"deep_latency", only(f.staged, f.deepLatency), inSeconds},
		{"rem_latency", only(f.staged, f.remLatency), inSeconds},
		{"time_in_bed", f.inBed, inSeconds},
		{"time_in_sleep_period", f.inPeriod, inSeconds},
		{"time_in_sleep", f.inSleep, inSeconds},
		{"time_in_wake", f.inWake, inSeconds},
		{"time_in_light", staged(f.inLight), inSeconds},
		{"time_in_deep", staged(f.inDeep), inSeconds},
		{"time_in_rem", staged(f.inREM), inSeconds},
		{"time_in_stable_breath", breath(f.inStable), inSeconds},
		{"time_in_unstable_breath", breath(f.inUnstable), inSeconds},
		{"time_in_snoring", f.inSnoring, inSeconds},
		{"time_in_no_snoring", f.inQuiet, inSeconds},
		{"sleep_efficiency", f.efficiency, inRatio},
		{"sleep_ratio", share(f.inSleep), inRatio},
		{"wake_ratio", share(f.inWake), inRatio},
		{"light_ratio", share(staged(f.inLight)), inRatio},
		{"deep_ratio", share(staged(f.inDeep)), inRatio},
		{"rem_ratio", share(staged(f.inREM)), inRatio},
		{"stable_breath_ratio", share(breath(f.inStable)), inRatio},
		{"unstable_breath_ratio", share(breath(f.inUnstable)), inRatio},
		{"snoring_ratio", share(f.inSnoring), inRatio},
		{"no_snoring_ratio", share(f.inQuiet), inRatio},
		{"breathing_index", f.breathingIndex, inTenths},
		{"waso_count", f.wakes, inNumber},
		{"longest_waso", f.longestWake, inSeconds},
		{"sleep_cycle_count", f.cycles, inNumber},
		{"sleep_cycle", f.cycle, inSeconds},
		{"unstable_breath_count", breath(f.unstables), inNumber},
		{"snoring_count", f.snorings, inNumber},
	}
}

func only(known bool, v float64) float64 {
	if !known {
		return null
	}
	return v
}
