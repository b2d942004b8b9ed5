package asleep

import "slices"

// Clone makes a deep copy that shares nothing which can be changed: only Raw,
// like all strings. Of nil it is nil.
func (r *Report) Clone() *Report {
	if r == nil {
		return nil
	}
	// One allocation for all but the slices: a report is copied at every hit of a
	// cache.
	box := &struct {
		report  Report
		missing Ratio
		stat    Stat
		figures figureBox
		cycle   Seconds
	}{report: *r}
	c := &box.report
	own(&c.MissingDataRatio, &box.missing)
	c.Peculiarities = slices.Clone(r.Peculiarities)
	c.Session.SleepStages = slices.Clone(r.Session.SleepStages)
	c.Session.BreathStages = slices.Clone(r.Session.BreathStages)
	c.Session.SnoringStages = slices.Clone(r.Session.SnoringStages)
	if r.Stat != nil {
		box.stat = *r.Stat
		c.Stat = &box.stat
		figures := c.Stat.figures()
		box.figures.own(&figures)
		own(&c.Stat.SleepCycle.Mean, &box.cycle)
		c.Stat.SleepCycle.Cycles = cloneCycles(r.Stat.SleepCycle.Cycles)
	}
	return c
}

// Clone makes a deep copy, as [Report.Clone] does.
func (s SessionSummary) Clone() SessionSummary {
	fresh(&s.LastReceivedSeqNum)
	fresh(&s.TimeInBed)
	return s
}

// Clone makes a deep copy, as [Report.Clone] does.
func (a *AverageStats) Clone() *AverageStats {
	if a == nil {
		return nil
	}
	c := *a
	c.Peculiarities = slices.Clone(a.Peculiarities)
	fresh(&c.Period.Days)
	c.SleptSessions = cloneEach(a.SleptSessions)
	c.NeverSleptSessions = cloneEach(a.NeverSleptSessions)
	if a.Averages != nil {
		box := &struct {
			averages Averages
			figures  figureBox
		}{averages: *a.Averages}
		c.Averages = &box.averages
		figures := c.Averages.figures()
		box.figures.own(&figures)
	}
	return &c
}

func cloneEach(list []SleptSession) []SleptSession {
	list = slices.Clone(list)
	for i := range list {
		s := &list[i]
		figures := s.figures()
		new(figureBox).own(&figures)
		fresh(&s.SleepCycle.Mean)
		s.SleepCycle.Cycles = cloneCycles(s.SleepCycle.Cycles)
	}
	return list
}

func cloneCycles(list []Cycle) []Cycle {
	list = slices.Clone(list)
	for i := range list {
		fresh(&list[i].Index)
		fresh(&list[i].Order)
	}
	return list
}

// figures are the members of a night's figures that are pointers.
type figures struct {
	floats  [3]**float64
	seconds [17]**Seconds
	ratios  [9]**Ratio
	counts  [4]**Count
}

// figureBox has room for what they point to.
type figureBox struct {
	floats  [3]float64
	seconds [17]Seconds
	ratios  [9]Ratio
	counts  [4]Count
}

// own moves the figures into the box.
func (b *figureBox) own(f *figures) {
	for i, p := range f.floats {
		own(p, &b.floats[i])
	}
	for i, p := range f.seconds {
		own(p, &b.seconds[i])
	}
	for i, p := range f.ratios {
		own(p, &b.ratios[i])
	}
	for i, p := range f.counts {
		own(p, &b.counts[i])
	}
}

// own has *p point to a copy of what it points to, made in room.
func own[T any](p **T, room *T) {
	if *p != nil {
		*room = **p
		*p = room
	}
}

// fresh has *p point to a copy of what it points to.
func fresh[T any](p **T) {
	if *p != nil {
		*p = new(**p)
	}
}

func (s *Stat) figures() figures {
	return figures{
		floats: [...]**float64{&s.BreathingIndex, &s.SleepEfficiency, &s.SleepIndex},
		seconds: [...]**Seconds{
			&s.DeepLatency, &s.LightLatency, &s.LongestWASO, &s.REMLatency, &s.SleepLatency,
			&s.TimeInBed, &s.TimeInDeep, &s.TimeInLight, &s.TimeInNoSnoring, &s.TimeInREM,
			&s.TimeInSleep, &s.TimeInSleepPeriod, &s.TimeInSnoring, &s.TimeInStableBreath, &s.TimeInUnstableBreath,
			&s.TimeInWake, &s.WakeupLatency,
		},
		ratios: [...]**Ratio{
			&s.DeepRatio, &s.LightRatio, &s.NoSnoringRatio, &s.REMRatio, &s.SleepRatio,
			&s.SnoringRatio, &s.StableBreathRatio, &s.UnstableBreathRatio, &s.WakeRatio,
		},
		counts: [...]**Count{&s.SleepCycleCount, &s.SnoringCount, &s.UnstableBreathCount, &s.WASOCount},
	}
}

func (s *SleptSession) figures() figures {
	return figures{
		floats: [...]**float64{&s.BreathingIndex, &s.SleepEfficiency, &s.SleepIndex},
		seconds: [...]**Seconds{
			&s.DeepLatency, &s.LightLatency, &s.LongestWASO, &s.REMLatency, &s.SleepLatency,
			&s.TimeInBed, &s.TimeInDeep, &s.TimeInLight, &s.TimeInNoSnoring, &s.TimeInREM,
			&s.TimeInSleep, &s.TimeInSleepPeriod, &s.TimeInSnoring, &s.TimeInStableBreath, &s.TimeInUnstableBreath,
			&s.TimeInWake, &s.WakeupLatency,
		},
		ratios: [...]**Ratio{
			&s.DeepRatio, &s.LightRatio, &s.NoSnoringRatio, &s.REMRatio, &s.SleepRatio,
			&s.SnoringRatio, &s.StableBreathRatio, &s.UnstableBreathRatio, &s.WakeRatio,
		},
		counts: [...]**Count{&s.SleepCycleCount, &s.SnoringCount, &s.UnstableBreathCount, &s.WASOCount},
	}
}

func (a *Averages) figures() figures {
	return figures{
		floats: [...]**float64{&a.BreathingIndex, &a.SleepEfficiency, &a.SleepIndex},
		seconds: [...]**Seconds{
			&a.DeepLatency, &a.LightLatency, &a.LongestWASO, &a.REMLatency, &a.SleepLatency,
			&a.TimeInBed, &a.TimeInDeep, &a.TimeInLight, &a.TimeInNoSnoring, &a.TimeInREM,
			&a.TimeInSleep, &a.TimeInSleepPeriod, &a.TimeInSnoring, &a.TimeInStableBreath, &a.TimeInUnstableBreath,
			&a.TimeInWake, &a.WakeupLatency,
		},
		ratios: [...]**Ratio{
			&a.DeepRatio, &a.LightRatio, &a.NoSnoringRatio, &a.REMRatio, &a.SleepRatio,
			&a.SnoringRatio, &a.StableBreathRatio, &a.UnstableBreathRatio, &a.WakeRatio,
		},
		counts: [...]**Count{&a.SleepCycleCount, &a.SnoringCount, &a.UnstableBreathCount, &a.WASOCount},
	}
}
