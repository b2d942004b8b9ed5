package store

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"math/bits"

	"github.com/asleep-sdk/asleep"
)

// Metric is one of the main figures of a session.
type Metric uint8

// The figures, in the units of [asleep.Stat]: durations in seconds, and
// SleepEfficiency as a ratio whatever the service wrote. Their order is part of
// what is stored: new ones come last.
const (
	SleepIndex Metric = iota
	SleepEfficiency
	TimeInBed
	TimeInSleepPeriod
	TimeInSleep
	TimeInWake
	TimeInLight
	TimeInDeep
	TimeInREM
	SleepLatency
	WakeupLatency
	WASOCount
	LongestWASO
	SleepCycleCount
	SnoringCount
	TimeInSnoring
	BreathingIndex
	UnstableBreathCount

	metricCount
)

var metricNames = [metricCount]string{
	"sleep_index", "sleep_efficiency", "time_in_bed", "time_in_sleep_period", "time_in_sleep", "time_in_wake",
	"time_in_light", "time_in_deep", "time_in_rem", "sleep_latency", "wakeup_latency", "waso_count", "longest_waso",
	"sleep_cycle_count", "snoring_count", "time_in_snoring", "breathing_index", "unstable_breath_count",
}

// String is the service's own name, such as time_in_deep.
func (m Metric) String() string {
	if m < metricCount {
		return metricNames[m]
	}
	return fmt.Sprintf("metric %d", uint8(m))
}

// AllMetrics iterates over the figures in their order.
func AllMetrics() iter.Seq[Metric] {
	return func(yield func(Metric) bool) {
		for m := range metricCount {
			if !yield(m) {
				return
			}
		}
	}
}

// Metrics are the main figures of one session; those that the service left null
// are absent. Values compare with ==.
type Metrics struct {
	present uint32
	values  [metricCount]float64
}

// MetricsOf projects the figures of a report. A session over 24 hours has figures
// that the service itself calls unreliable: it has none here.
func MetricsOf(r *asleep.Report) (m Metrics) {
	if r == nil || r.Stat == nil || r.Has(asleep.PeculiarityTooLongForAnalysis) {
		return m
	}
	s := r.Stat
	if v, ok := s.Efficiency(); ok {
		m.Set(SleepEfficiency, v)
	}
	setIf(&m, SleepIndex, s.SleepIndex)
	setIf(&m, BreathingIndex, s.BreathingIndex)
	for metric, v := range map[Metric]*asleep.Seconds{
		TimeInBed: s.TimeInBed, TimeInSleepPeriod: s.TimeInSleepPeriod, TimeInSleep: s.TimeInSleep, TimeInWake: s.TimeInWake,
		TimeInLight: s.TimeInLight, TimeInDeep: s.TimeInDeep, TimeInREM: s.TimeInREM, SleepLatency: s.SleepLatency,
		WakeupLatency: s.WakeupLatency, LongestWASO: s.LongestWASO, TimeInSnoring: s.TimeInSnoring,
	} {
		setIf(&m, metric, v)
	}
	for metric, v := range map[Metric]*asleep.Count{
		WASOCount: s.WASOCount, SleepCycleCount: s.SleepCycleCount, SnoringCount: s.SnoringCount, UnstableBreathCount: s.UnstableBreathCount,
	} {
		setIf(&m, metric, v)
	}
	return m
}

func setIf[F ~float64](m *Metrics, metric Metric, v *F) {
	if v != nil {
		m.Set(metric, float64(*v))
	}
}

// Set sets a figure. A value that is no finite number makes it absent.
func (m *Metrics) Set(metric Metric, v float64) {
	if metric >= metricCount {
		return
	}
	m.present &^= 1 << metric
	m.values[metric] = 0
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		m.present |= 1 << metric
		m.values[metric] = v
	}
}

// Get returns a figure; ok is false when it is absent.
func (m Metrics) Get(metric Metric) (v float64, ok bool) {
	if metric >= metricCount || m.present&(1<<metric) == 0 {
		return 0, false
	}
	return m.values[metric], true
}

// AppendBinary appends the form in which backends store the figures: a mask of
// those that are present, four bytes, then eight bytes each, little-endian.
func (m Metrics) AppendBinary(b []byte) ([]byte, error) {
	b = binary.LittleEndian.AppendUint32(b, m.present)
	for i, v := range m.values {
		if m.present&(1<<i) != 0 {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary wrote. Figures of a newer version of
// this package are passed over. The error matches [ErrCorrupt].
func (m *Metrics) UnmarshalBinary(b []byte) error {
	*m = Metrics{}
	if len(b) == 0 {
		return nil
	}
	if len(b) < 4 {
		return fmt.Errorf("%w: figures of %d bytes", ErrCorrupt, len(b))
	}
	present, rest := binary.LittleEndian.Uint32(b), b[4:]
	if n := bits.OnesCount32(present); len(rest) != 8*n {
		return fmt.Errorf("%w: %d figures in %d bytes", ErrCorrupt, n, len(rest))
	}
	for i := range 32 {
		if present&(1<<i) == 0 {
			continue
		}
		m.Set(Metric(i), math.Float64frombits(binary.LittleEndian.Uint64(rest)))
		rest = rest[8:]
	}
	return nil
}
