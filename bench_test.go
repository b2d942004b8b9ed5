package asleep_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep"
)

// thousand is a report of 1,000 epochs: stages that change in runs, breathing
// and snoring, and the twelve figures that every plan has.
func thousand() string {
	var stages, flags strings.Builder
	for i := range 1000 {
		if i > 0 {
			stages.WriteByte(',')
			flags.WriteByte(',')
		}
		fmt.Fprint(&stages, (i/40)%4)
		fmt.Fprint(&flags, (i/90)%2)
	}
	return `{"timezone":"Asia/Seoul","peculiarities":[],"missing_data_ratio":0.0,"session":{"id":"20240120220000_k7q2m","state":"COMPLETE",` +
		`"start_time":"2024-01-20T22:00:00+09:00","end_time":"2024-01-21T06:20:00+09:00","sleep_stages":[` + stages.String() +
		`],"snoring_stages":[` + flags.String() + `],"breath_stages":[` + flags.String() + `]},"stat":{"sleep_time":"06:30:00","sleep_index":85.5,` +
		`"sleep_latency":900,"time_in_bed":30600,"time_in_sleep":27000,"time_in_light":13500,"time_in_deep":6750,"time_in_rem":6750,` +
		`"sleep_efficiency":88.24,"waso_count":2,"longest_waso":300,"sleep_cycle":5400}}`
}

// The same report as a struct that anyone would write: the peer to beat.
type usualReport struct {
	Timezone         string   `json:"timezone"`
	Peculiarities    []string `json:"peculiarities"`
	MissingDataRatio float64  `json:"missing_data_ratio"`
	Session          struct {
		ID            string `json:"id"`
		State         string `json:"state"`
		StartTime     string `json:"start_time"`
		EndTime       string `json:"end_time"`
		SleepStages   []int  `json:"sleep_stages"`
		BreathStages  []int  `json:"breath_stages"`
		SnoringStages []int  `json:"snoring_stages"`
	} `json:"session"`
	Stat *struct {
		SleepTime       *string  `json:"sleep_time"`
		SleepIndex      *float64 `json:"sleep_index"`
		SleepLatency    *int     `json:"sleep_latency"`
		TimeInBed       *int     `json:"time_in_bed"`
		TimeInSleep     *int     `json:"time_in_sleep"`
		TimeInLight     *int     `json:"time_in_light"`
		TimeInDeep      *int     `json:"time_in_deep"`
		TimeInREM       *int     `json:"time_in_rem"`
		SleepEfficiency *float64 `json:"sleep_efficiency"`
		WASOCount       *int     `json:"waso_count"`
		LongestWASO     *int     `json:"longest_waso"`
		SleepCycle      any      `json:"sleep_cycle"`
	} `json:"stat"`
}

func BenchmarkDecodeReport(b *testing.B) {
	raw := thousand()
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := asleep.ParseReport(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding_json", func(b *testing.B) {
		body := []byte(raw)
		b.ReportAllocs()
		for b.Loop() {
			if err := json.Unmarshal(body, new(usualReport)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncodeReport(b *testing.B) {
	for name, edit := range map[string]func(*asleep.Report){
		"unedited": func(*asleep.Report) {},
		"edited":   func(r *asleep.Report) { r.Timezone = "UTC" },
		"new":      func(r *asleep.Report) { r.Raw = "" },
	} {
		b.Run(name, func(b *testing.B) {
			r, err := asleep.ParseReport(thousand())
			if err != nil {
				b.Fatal(err)
			}
			edit(r)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIntervals(b *testing.B) {
	r, err := asleep.ParseReport(thousand())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Session.Intervals(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTimestamp(b *testing.B) {
	for b.Loop() {
		if _, err := asleep.Timestamp("2026-03-14T13:51:07+00:00").Time(); err != nil {
			b.Fatal(err)
		}
	}
}
