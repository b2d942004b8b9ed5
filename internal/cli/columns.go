package cli

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/asleep-sdk/asleep"
)

// owned is a value that belongs to a user.
type owned[T any] struct {
	userID string
	value  T
}

// summaryView shows the items of session lists.
func summaryView() view[owned[asleep.SessionSummary]] {
	type item = owned[asleep.SessionSummary]
	return view[item]{
		json: func(i item) (raw, userID string) { return i.value.Raw, i.userID },
		csv: []column[item]{
			{"user_id", func(i item) string { return i.userID }},
			{"session_id", func(i item) string { return i.value.SessionID }},
			{"state", func(i item) string { return string(i.value.State) }},
			{"session_start_time", func(i item) string { return string(i.value.SessionStartTime) }},
			{"session_end_time", func(i item) string { return string(i.value.SessionEndTime) }},
			{"unexpected_end_time", func(i item) string { return string(i.value.UnexpectedEndTime) }},
			{"created_timezone", func(i item) string { return i.value.CreatedTimezone }},
			{"time_in_bed", func(i item) string { return exact(i.value.TimeInBed) }},
			{"last_received_seq_num", func(i item) string { return whole(i.value.LastReceivedSeqNum) }},
		},
		table: []column[item]{
			{"SESSION", func(i item) string { return i.value.SessionID }},
			{"STATE", func(i item) string { return string(i.value.State) }},
			{"START", func(i item) string { return local(i.value.SessionStartTime, i.value.CreatedTimezone) }},
			{"END", func(i item) string { return local(i.value.SessionEndTime, i.value.CreatedTimezone) }},
			{"IN BED", func(i item) string { return span(i.value.TimeInBed) }},
			{"ZONE", func(i item) string { return i.value.CreatedTimezone }},
		},
	}
}

// reportView shows reports. The columns of a report's CSV are those of the
// session, then the members of stat by name. The stages are in JSON only.
func reportView() view[owned[*asleep.Report]] {
	type night = owned[*asleep.Report]
	session := func(text func(*asleep.Session) string) func(night) string {
		return func(n night) string { return text(&n.value.Session) }
	}
	v := view[night]{
		json: func(n night) (raw, userID string) { return n.value.Raw, n.userID },
		csv: []column[night]{
			{"user_id", func(n night) string { return n.userID }},
			{"session_id", session(func(s *asleep.Session) string { return s.ID })},
			{"state", session(func(s *asleep.Session) string { return string(s.State) })},
			{"start_time", session(func(s *asleep.Session) string { return string(s.StartTime) })},
			{"end_time", session(func(s *asleep.Session) string { return string(s.EndTime) })},
			{"unexpected_end_time", session(func(s *asleep.Session) string { return string(s.UnexpectedEndTime) })},
			{"created_timezone", session(func(s *asleep.Session) string { return s.CreatedTimezone })},
			{"timezone", func(n night) string { return n.value.Timezone }},
			{"peculiarities", func(n night) string { return join(n.value.Peculiarities) }},
			{"missing_data_ratio", func(n night) string { return exact(n.value.MissingDataRatio) }},
		},
		table: reportLines(),
	}
	for name, text := range members[asleep.Stat]() {
		v.csv = append(v.csv, column[night]{name, func(n night) string {
			if n.value.Stat == nil {
				return ""
			}
			return text(n.value.Stat)
		}})
	}
	return v
}

// reportLines is a night for people.
func reportLines() []column[owned[*asleep.Report]] {
	type night = owned[*asleep.Report]
	stat := func(text func(s *asleep.Stat, zone string) string) func(night) string {
		return func(n night) string {
			if n.value.Stat == nil {
				return ""
			}
			return text(n.value.Stat, n.value.Session.CreatedTimezone)
		}
	}
	return []column[night]{
		{"session", func(n night) string { return n.value.Session.ID }},
		{"user", func(n night) string { return n.userID }},
		{"state", func(n night) string { return string(n.value.Session.State) }},
		{"peculiarities", func(n night) string { return join(n.value.Peculiarities) }},
		{"zone", func(n night) string { return n.value.Session.CreatedTimezone }},
		{"recorded from", func(n night) string {
			return local(n.value.Session.StartTime, n.value.Session.CreatedTimezone)
		}},
		{"recorded to", func(n night) string {
			return local(n.value.Session.EndTime, n.value.Session.CreatedTimezone)
		}},
		{"fell asleep", stat(func(s *asleep.Stat, zone string) string { return clock(s.SleepTime, zone) })},
		{"woke up", stat(func(s *asleep.Stat, zone string) string { return clock(s.WakeTime, zone) })},
		{"sleep index", stat(func(s *asleep.Stat, _ string) string { return number(s.SleepIndex) })},
		{"efficiency", stat(func(s *asleep.Stat, _ string) string { return efficiency(s.Efficiency()) })},
		{"in bed", stat(func(s *asleep.Stat, _ string) string { return span(s.TimeInBed) })},
		{"asleep", stat(func(s *asleep.Stat, _ string) string { return span(s.TimeInSleep) })},
		{"awake", stat(func(s *asleep.Stat, _ string) string { return share(s.TimeInWake, s.WakeRatio) })},
		{"light", stat(func(s *asleep.Stat, _ string) string { return share(s.TimeInLight, s.LightRatio) })},
		{"deep", stat(func(s *asleep.Stat, _ string) string { return share(s.TimeInDeep, s.DeepRatio) })},
		{"REM", stat(func(s *asleep.Stat, _ string) string { return share(s.TimeInREM, s.REMRatio) })},
		{"snoring", stat(func(s *asleep.Stat, _ string) string { return share(s.TimeInSnoring, s.SnoringRatio) })},
		{"unstable breath", stat(func(s *asleep.Stat, _ string) string {
			return share(s.TimeInUnstableBreath, s.UnstableBreathRatio)
		})},
		{"time to sleep", stat(func(s *asleep.Stat, _ string) string { return span(s.SleepLatency) })},
		{"awakenings", stat(func(s *asleep.Stat, _ string) string { return number(s.WASOCount) })},
	}
}

// share is a time and its part of the whole, such as "1h20m (18%)".
func share(s *asleep.Seconds, r *asleep.Ratio) string {
	text := span(s)
	if text != "" && r != nil {
		text += " (" + percent(r) + ")"
	}
	return text
}

func efficiency(ratio float64, ok bool) string {
	if !ok {
		return ""
	}
	return percent(&ratio)
}

// members lists the members of a struct by their JSON names, in the struct's
// order, with how to write each exactly: a number as it is, null as nothing,
// what has no text form as JSON.
func members[T any]() func(yield func(string, func(*T) string) bool) {
	return func(yield func(string, func(*T) string) bool) {
		t := reflect.TypeFor[T]()
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			if !yield(name, func(v *T) string { return field(reflect.ValueOf(v).Elem().Field(i)) }) {
				return
			}
		}
	}
}

func field(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch v.Kind() { //nolint:exhaustive // the rest is written as JSON
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	}
	text := encoded(v.Interface())
	var plain string
	if json.Unmarshal([]byte(text), &plain) == nil { // a text, or null
		return plain
	}
	return text
}
