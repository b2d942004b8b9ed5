package client

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/asleep-sdk/asleep"
)

// combine makes the answer for a whole period of those of its windows, of which
// there is at least one. It sets the windows' weights.
func combine(windows []StatsWindow) *AverageStats {
	all := &AverageStats{Windows: windows, Combination: weigh(windows)}
	if len(windows) == 1 {
		all.AverageStats = *windows[0].Stats
		return all
	}
	first, last := windows[0], windows[len(windows)-1]
	days := asleep.Int(first.From.DaysUntil(last.To) + 1)
	all.Period = asleep.Period{
		Timezone: first.Stats.Period.Timezone, StartDate: first.From.String(), EndDate: last.To.String(), Days: &days,
	}
	all.Peculiarities = []asleep.Peculiarity{}
	for _, w := range windows {
		for _, p := range w.Stats.Peculiarities {
			if !all.Has(p) {
				all.Peculiarities = append(all.Peculiarities, p)
			}
		}
		all.SleptSessions = append(all.SleptSessions, w.Stats.SleptSessions...)
		all.NeverSleptSessions = append(all.NeverSleptSessions, w.Stats.NeverSleptSessions...)
	}
	all.Averages = mean(windows)
	return all
}

// weigh sets the weights of the windows and says which they are. Windows without
// averages count for nothing.
func weigh(windows []StatsWindow) Combination {
	bySessions := !slices.ContainsFunc(windows, func(w StatsWindow) bool {
		return w.Stats.Averages != nil && len(w.Stats.SleptSessions) == 0
	})
	for i := range windows {
		switch w := &windows[i]; {
		case w.Stats.Averages == nil:
		case bySessions:
			w.Weight = float64(len(w.Stats.SleptSessions))
		default:
			w.Weight = float64(w.From.DaysUntil(w.To) + 1)
		}
	}
	switch {
	case len(windows) == 1:
		return CombinationNone
	case bySessions:
		return CombinationBySessions
	}
	return CombinationByDays
}

// mean returns the weighted means of the windows' averages, nil if none has any.
// Of each member those windows count that have it.
func mean(windows []StatsWindow) *asleep.Averages {
	windows = slices.DeleteFunc(slices.Clone(windows), func(w StatsWindow) bool { return w.Weight == 0 })
	if len(windows) == 0 {
		return nil
	}
	all := new(asleep.Averages)
	out := reflect.ValueOf(all).Elem()
	for i := range out.NumField() {
		switch field := out.Field(i); field.Interface().(type) {
		case asleep.ClockTime:
			field.SetString(string(meanClock(windows, i)))
		default:
			meanNumber(field, windows, i)
		}
	}
	// One window may tell percent and another ratios: only ratios have a mean.
	all.SleepEfficiency = meanEfficiency(windows)
	return all
}

// meanNumber sets a member that is a pointer to a number.
func meanNumber(field reflect.Value, windows []StatsWindow, member int) {
	var sum, weight float64
	for _, w := range windows {
		if v := reflect.ValueOf(w.Stats.Averages).Elem().Field(member); !v.IsNil() {
			sum += w.Weight * v.Elem().Float()
			weight += w.Weight
		}
	}
	if weight > 0 {
		field.Set(reflect.New(field.Type().Elem()))
		field.Elem().SetFloat(sum / weight)
	}
}

func meanEfficiency(windows []StatsWindow) *float64 {
	var sum, weight float64
	for _, w := range windows {
		if ratio, ok := w.Stats.Averages.Efficiency(); ok {
			sum += w.Weight * ratio
			weight += w.Weight
		}
	}
	if weight == 0 {
		return nil
	}
	sum /= weight
	return &sum
}

const day = 24 * 60 * 60 // seconds

// meanClock is the circular mean of a clock time, on the circle of a day: the
// mean of 23:00 and 01:00 is midnight, not noon. Empty when no window has the
// member, or when the times lie opposite one another and have no mean.
func meanClock(windows []StatsWindow, member int) asleep.ClockTime {
	var x, y, weight float64
	for _, w := range windows {
		text := reflect.ValueOf(w.Stats.Averages).Elem().Field(member).String()
		h, m, s, ok := asleep.ClockTime(text).Clock()
		if !ok {
			continue
		}
		sin, cos := math.Sincos(2 * math.Pi * float64(h*3600+m*60+s) / day)
		x, y, weight = x+w.Weight*cos, y+w.Weight*sin, weight+w.Weight
	}
	const undecided = 1e-6 // of the radius
	if weight == 0 || math.Hypot(x, y) < undecided*weight {
		return ""
	}
	at := (int(math.Round(math.Atan2(y, x)/(2*math.Pi)*day)) + day) % day
	return asleep.ClockTime(fmt.Sprintf("%02d:%02d:%02d", at/3600, at/60%60, at%60))
}
