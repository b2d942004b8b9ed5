package cli

import (
	"strconv"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/ndjson"
)

// statsAnswer is what stats shows: averages of a period, or a summary.
type statsAnswer struct {
	userID      string
	from, to    asleep.Date
	stats       *asleep.AverageStats
	combination client.Combination
	windows     []client.StatsWindow
	summary     *client.Summary // nil for averages of a period that was asked for
}

func statsView() view[statsAnswer] {
	v := view[statsAnswer]{
		json: func(s statsAnswer) (raw, userID string) { return s.json(), s.userID },
		csv: []column[statsAnswer]{
			{"user_id", func(s statsAnswer) string { return s.userID }},
			{"from", func(s statsAnswer) string { return s.from.String() }},
			{"to", func(s statsAnswer) string { return s.to.String() }},
			{"session_count", statsAnswer.sessionCount},
			{"last_session_id", statsAnswer.lastSession},
			{"combination", func(s statsAnswer) string { return string(s.combination) }},
			{"peculiarities", func(s statsAnswer) string { return join(s.stats.Peculiarities) }},
		},
		table: statsLines(),
	}
	for name, text := range members[asleep.Averages]() {
		v.csv = append(v.csv, column[statsAnswer]{name, func(s statsAnswer) string {
			if s.stats.Averages == nil {
				return ""
			}
			return text(s.stats.Averages)
		}})
	}
	return v
}

// json is the service's own object. Averages of several windows also say how
// they were combined; a summary is an object of ours around the service's.
func (s statsAnswer) json() string {
	own := s.stats.Raw
	if own == "" {
		own = encoded(s.stats)
	}
	switch {
	case s.summary != nil:
		return s.summaryJSON(own)
	case len(s.windows) > 1 && own != "":
		return own[:len(own)-1] + `,"combination":` + strconv.Quote(string(s.combination)) + `,"windows":` + s.windowsJSON() + "}"
	}
	return own
}

func (s statsAnswer) summaryJSON(averages string) string {
	last := "null"
	if s.summary.LastSession != nil {
		last = s.summary.LastSession.Raw
	}
	if object, err := ndjson.AppendObject(nil, averages, ""); err == nil {
		averages = string(object)
	}
	return `{"from":"` + s.from.String() + `","to":"` + s.to.String() +
		`","session_count":` + strconv.Itoa(s.summary.SessionCount) +
		`,"more_sessions":` + strconv.FormatBool(s.summary.MoreSessions) +
		`,"last_session":` + last + `,"averages":` + averages + "}"
}

func (s statsAnswer) windowsJSON() string {
	type window struct {
		From   asleep.Date `json:"from"`
		To     asleep.Date `json:"to"`
		Weight float64     `json:"weight"`
	}
	list := make([]window, len(s.windows))
	for i, w := range s.windows {
		list[i] = window{w.From, w.To, w.Weight}
	}
	return encoded(list)
}

// sessionCount is the number of sessions of a summary, with a plus if there may
// be more.
func (s statsAnswer) sessionCount() string {
	if s.summary == nil {
		return ""
	}
	text := strconv.Itoa(s.summary.SessionCount)
	if s.summary.MoreSessions {
		text += "+"
	}
	return text
}

func (s statsAnswer) lastSession() string {
	if s.summary == nil || s.summary.LastSession == nil {
		return ""
	}
	return s.summary.LastSession.SessionID
}

func (s statsAnswer) lastStart() string {
	if s.summary == nil || s.summary.LastSession == nil {
		return ""
	}
	return local(s.summary.LastSession.SessionStartTime, s.summary.LastSession.CreatedTimezone)
}

// statsLines are averages for people.
func statsLines() []column[statsAnswer] {
	mean := func(text func(*asleep.Averages) string) func(statsAnswer) string {
		return func(s statsAnswer) string {
			if s.stats.Averages == nil {
				return ""
			}
			return text(s.stats.Averages)
		}
	}
	return []column[statsAnswer]{
		{"user", func(s statsAnswer) string { return s.userID }},
		{"period", func(s statsAnswer) string { return s.from.String() + " to " + s.to.String() }},
		{"zone", func(s statsAnswer) string { return s.stats.Period.Timezone }},
		{"sessions", statsAnswer.sessionCount},
		{"last session", statsAnswer.lastSession},
		{"last start", statsAnswer.lastStart},
		{"parts", func(s statsAnswer) string {
			if len(s.windows) < 2 {
				return ""
			}
			return strconv.Itoa(len(s.windows)) + ", combined " + string(s.combination)
		}},
		{"peculiarities", func(s statsAnswer) string { return join(s.stats.Peculiarities) }},
		{"averages", func(s statsAnswer) string {
			if s.stats.Averages == nil {
				return "none: no sleep in the period"
			}
			return ""
		}},
		{"fell asleep", mean(func(a *asleep.Averages) string { return clock(a.SleepTime, "") })},
		{"woke up", mean(func(a *asleep.Averages) string { return clock(a.WakeTime, "") })},
		{"sleep index", mean(func(a *asleep.Averages) string { return number(a.SleepIndex) })},
		{"efficiency", mean(func(a *asleep.Averages) string { return efficiency(a.Efficiency()) })},
		{"in bed", mean(func(a *asleep.Averages) string { return span(a.TimeInBed) })},
		{"asleep", mean(func(a *asleep.Averages) string { return span(a.TimeInSleep) })},
		{"awake", mean(func(a *asleep.Averages) string { return share(a.TimeInWake, a.WakeRatio) })},
		{"light", mean(func(a *asleep.Averages) string { return share(a.TimeInLight, a.LightRatio) })},
		{"deep", mean(func(a *asleep.Averages) string { return share(a.TimeInDeep, a.DeepRatio) })},
		{"REM", mean(func(a *asleep.Averages) string { return share(a.TimeInREM, a.REMRatio) })},
		{"snoring", mean(func(a *asleep.Averages) string { return share(a.TimeInSnoring, a.SnoringRatio) })},
		{"time to sleep", mean(func(a *asleep.Averages) string { return span(a.SleepLatency) })},
		{"awakenings", mean(func(a *asleep.Averages) string { return number(a.WASOCount) })},
	}
}
