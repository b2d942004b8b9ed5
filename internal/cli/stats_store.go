package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// periodWord is how a bucket of statistics is called on the command line.
type periodWord string

const (
	wordAll    periodWord = "all"
	wordDaily  periodWord = "daily"
	wordHourly periodWord = "hourly"
)

// statsStored sums up what is in the store.
func (o *statsOptions) statsStored(ctx context.Context) (err error) {
	o.app.checkStoredUser(o.user)
	o.period.resolve(o.app, time.Now())
	d := o.app.lastingDatabase()
	if err := o.app.refusal(); err != nil {
		return err
	}
	s, err := d.open(ctx, readStore)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.fail(s.Close())) }()
	buckets, err := o.buckets(ctx, s.Sessions())
	if err != nil {
		return d.fail(err)
	}
	return o.show(buckets)
}

// buckets are the statistics of the user, or of all.
func (o *statsOptions) buckets(ctx context.Context, s store.Sessions) ([]store.Bucket, error) {
	period, err := store.ParsePeriod(string(o.by))
	if err != nil {
		return nil, err
	}
	from, to := o.period.instants()
	if o.user != "" {
		return s.Stats(ctx, store.StatsQuery{UserID: o.user, From: from, To: to, Period: period})
	}
	tally := store.Tally{Period: period}
	for session, err := range store.All(ctx, s, store.Query{From: from, To: to, Brief: true, Limit: store.MaxLimit}) {
		if err != nil {
			return nil, err
		}
		tally.Add(session)
	}
	return tally.Buckets(), nil
}

// show writes buckets; a total without sessions is one of none.
func (o *statsOptions) show(buckets []store.Bucket) error {
	if len(buckets) == 0 && o.by == wordAll {
		buckets = []store.Bucket{{}}
	}
	if o.output == formatCSV || o.output == formatTable && o.by == wordAll {
		return figureView(o.output == formatTable).all(o.app.Out, o.output, o.figures(buckets))
	}
	if o.by == wordAll && o.output == formatJSON {
		return o.bucketView().one(o.app.Out, o.output, buckets[0])
	}
	return o.bucketView().all(o.app.Out, o.output, func(yield func(store.Bucket, error) bool) {
		for _, b := range buckets {
			if !yield(b, nil) {
				return
			}
		}
	})
}

// storedFigure is one figure of a bucket, a line of CSV.
type storedFigure struct {
	store.Bucket

	userID string
	period periodWord
	metric store.Metric
	figure store.Figure
}

// figures lists the figures of buckets. The number of sessions stands beside each.
func (o *statsOptions) figures(buckets []store.Bucket) func(yield func(storedFigure, error) bool) {
	return func(yield func(storedFigure, error) bool) {
		for _, b := range buckets {
			for m := range store.AllMetrics() {
				if !yield(storedFigure{b, o.user, o.by, m, b.Figure(m)}, nil) {
					return
				}
			}
		}
	}
}

// figureView shows figures, rounded in a table.
func figureView(rounded bool) view[storedFigure] {
	value := func(pick func(store.Figure) float64) func(storedFigure) string {
		return func(f storedFigure) string {
			switch {
			case f.figure.Count == 0:
				return ""
			case rounded:
				return readable(f.metric, pick(f.figure))
			}
			return strconv.FormatFloat(pick(f.figure), 'f', -1, 64)
		}
	}
	columns := func(c func(string) string) []column[storedFigure] {
		return []column[storedFigure]{
			{c("metric"), func(f storedFigure) string { return f.metric.String() }},
			{c("count"), func(f storedFigure) string { return strconv.Itoa(f.figure.Count) }},
			{c("mean"), value(func(f store.Figure) float64 { return f.Mean })},
			{c("min"), value(func(f store.Figure) float64 { return f.Min })},
			{c("max"), value(func(f store.Figure) float64 { return f.Max })},
			{c("latest"), value(func(f store.Figure) float64 { return f.Latest })},
		}
	}
	head := []column[storedFigure]{
		{"user_id", func(f storedFigure) string { return f.userID }},
		{"period", func(f storedFigure) string { return string(f.period) }},
		{"date", func(f storedFigure) string { return dateText(f.Date) }},
		{"hour", func(f storedFigure) string { return hourText(f.Hour) }},
		{"sessions", func(f storedFigure) string { return strconv.Itoa(f.Sessions) }},
	}
	return view[storedFigure]{
		csv:   append(head, columns(strings.ToLower)...),
		table: append([]column[storedFigure]{{"SESSIONS", head[4].text}}, columns(strings.ToUpper)...),
	}
}

// bucketView shows one bucket a line: in a table the means of the main figures.
func (o *statsOptions) bucketView() view[store.Bucket] {
	mean := func(name string, m store.Metric) column[store.Bucket] {
		return column[store.Bucket]{name, func(b store.Bucket) string {
			f := b.Figure(m)
			if f.Count == 0 {
				return ""
			}
			return readable(m, f.Mean)
		}}
	}
	v := view[store.Bucket]{
		json: func(b store.Bucket) (raw, userID string) { return bucketJSON(b, o.by), o.user },
		table: []column[store.Bucket]{
			{"DATE", func(b store.Bucket) string { return dateText(b.Date) }},
			{"SESSIONS", func(b store.Bucket) string { return strconv.Itoa(b.Sessions) }},
			mean("INDEX", store.SleepIndex), mean("EFFICIENCY", store.SleepEfficiency), mean("IN BED", store.TimeInBed),
			mean("ASLEEP", store.TimeInSleep), mean("DEEP", store.TimeInDeep), mean("REM", store.TimeInREM),
		},
	}
	if o.by == wordHourly {
		v.table[0] = column[store.Bucket]{"HOUR", func(b store.Bucket) string { return hourText(b.Hour) }}
	}
	return v
}

// bucketJSON is a bucket with the figures that there are.
func bucketJSON(b store.Bucket, by periodWord) string {
	type figure struct {
		Count  int     `json:"count"`
		Mean   float64 `json:"mean"`
		Min    float64 `json:"min"`
		Max    float64 `json:"max"`
		Latest float64 `json:"latest"`
	}
	figures := map[string]figure{}
	for m := range store.AllMetrics() {
		if f := b.Figure(m); f.Count > 0 {
			figures[m.String()] = figure(f)
		}
	}
	return encoded(struct {
		Period   periodWord        `json:"period"`
		Date     string            `json:"date,omitempty"`
		Hour     string            `json:"hour,omitempty"`
		Sessions int               `json:"sessions"`
		Figures  map[string]figure `json:"figures"`
	}{by, dateText(b.Date), hourText(b.Hour), b.Sessions, figures})
}

func dateText(d asleep.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// hourText is when an hour began, on the clock that recorded it.
func hourText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// readable is a figure for people: a ratio in percent, a time as one.
func readable(m store.Metric, v float64) string {
	switch m { //nolint:exhaustive // the rest are plain numbers
	case store.SleepEfficiency:
		return percent(&v)
	case store.TimeInBed, store.TimeInSleepPeriod, store.TimeInSleep, store.TimeInWake, store.TimeInLight, store.TimeInDeep,
		store.TimeInREM, store.SleepLatency, store.WakeupLatency, store.LongestWASO, store.TimeInSnoring:
		return span(new(asleep.Seconds(v)))
	}
	return number(&v)
}
