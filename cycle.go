package asleep

import (
	"encoding/json"
	"strconv"
	"time"
)

// SleepCycle is the member sleep_cycle, which the wire has as the mean length
// of a cycle, as a list of cycles, or as null. It never fails a report: what
// is neither stays in Raw alone.
type SleepCycle struct {
	Mean   *Seconds // mean length of a cycle, in seconds
	Cycles []Cycle  // the cycles, in older bodies
	Raw    string   // the JSON as it came; empty when absent
}

// UnmarshalJSON keeps the JSON and reads the form it knows.
func (c *SleepCycle) UnmarshalJSON(b []byte) error {
	*c = SleepCycle{}
	if string(b) == "null" {
		return nil
	}
	c.Raw = string(b)
	if f, err := strconv.ParseFloat(c.Raw, 64); err == nil {
		c.Mean = new(Seconds(f))
		return nil
	}
	if json.Unmarshal(b, &c.Cycles) != nil {
		c.Cycles = nil
	}
	return nil
}

// MarshalJSON writes the list if there is one, else the mean, else Raw.
func (c SleepCycle) MarshalJSON() ([]byte, error) {
	switch {
	case c.Cycles != nil:
		return json.Marshal(c.Cycles)
	case c.Mean != nil:
		return json.Marshal(c.Mean)
	case c.Raw != "":
		return []byte(c.Raw), nil
	}
	return []byte("null"), nil
}

// Length is the mean length of a cycle, told or computed from the list. It is
// not known (ok is false) when neither is there or a time does not parse.
func (c SleepCycle) Length() (mean time.Duration, ok bool) {
	if c.Mean != nil {
		return c.Mean.Duration()
	}
	var sum time.Duration
	for _, cycle := range c.Cycles {
		start, err := cycle.StartTime.Time()
		if err != nil {
			return 0, false
		}
		end, err := cycle.EndTime.Time()
		if err != nil {
			return 0, false
		}
		sum += end.Sub(start)
	}
	if len(c.Cycles) == 0 {
		return 0, false
	}
	return sum / time.Duration(len(c.Cycles)), true
}

// SleepCycleTimes is the member sleep_cycle_time, the JSON as it came: a list
// of timestamps, and in some bodies of numbers. Empty means null or absent.
type SleepCycleTimes string

// UnmarshalJSON keeps the JSON.
func (c *SleepCycleTimes) UnmarshalJSON(b []byte) error {
	*c = ""
	if string(b) != "null" {
		*c = SleepCycleTimes(b)
	}
	return nil
}

// MarshalJSON writes the JSON as it came.
func (c SleepCycleTimes) MarshalJSON() ([]byte, error) {
	if c == "" {
		return []byte("null"), nil
	}
	return []byte(c), nil
}

// Times returns the boundaries of the cycles as instants. It is nil unless
// every element is a timestamp.
func (c SleepCycleTimes) Times() []time.Time {
	var list []Timestamp
	if json.Unmarshal([]byte(c), &list) != nil {
		return nil
	}
	times := make([]time.Time, len(list))
	for i, s := range list {
		t, err := s.Time()
		if err != nil {
			return nil
		}
		times[i] = t
	}
	return times
}

// Numbers returns the elements as numbers. It is nil unless every element is
// one.
func (c SleepCycleTimes) Numbers() []float64 {
	var list []float64
	if json.Unmarshal([]byte(c), &list) != nil {
		return nil
	}
	return list
}
