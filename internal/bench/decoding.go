package bench

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/asleep-sdk/asleep"
)

// epochs is the length of the report that is decoded: a night of 8 h 20 min.
const epochs = 1000

// report is a session report with so many epochs, as the service sends it.
func report() string {
	values := func(run, kinds int) string {
		var b strings.Builder
		for i := range epochs {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(i / run % kinds))
		}
		return b.String()
	}
	return `{"timezone":"Asia/Seoul","peculiarities":[],"missing_data_ratio":0.0,"session":{"id":"20240120220000_k7q2m","state":"COMPLETE",` +
		`"start_time":"2024-01-20T22:00:00+09:00","end_time":"2024-01-21T06:20:00+09:00","sleep_stages":[` + values(40, 4) +
		`],"snoring_stages":[` + values(90, 2) + `],"breath_stages":[` + values(90, 2) + `]},"stat":{"sleep_time":"06:30:00","sleep_index":85.5,` +
		`"sleep_latency":900,"time_in_bed":30600,"time_in_sleep":27000,"time_in_light":13500,"time_in_deep":6750,"time_in_rem":6750,` +
		`"sleep_efficiency":88.24,"waso_count":2,"longest_waso":300,"sleep_cycle":5400}}`
}

// usualReport is the struct that anyone would write: an int for each epoch.
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
		SleepCycle      *int     `json:"sleep_cycle"`
	} `json:"stat"`
}

// Decoders are the usual way, from bytes, and ours, from the string that a client
// holds.
func Decoders() (names []string, decode []func() error) {
	text := report()
	data := []byte(text)
	return []string{"encoding/json, []int", ours.Name}, []func() error{
		func() error { return json.Unmarshal(data, new(usualReport)) },
		func() error {
			_, err := asleep.ParseReport(text)
			return err
		},
	}
}

func decodeRow() Row {
	return Row{
		ID:   "decode",
		What: "decode of a report of 1,000 epochs",
		// In microseconds as a ratio, so that the verdict does not hang on the machine.
		Goal:  "<= 0.316x (65 µs where the peer takes 206), <= 4.5 KB",
		Goals: []Goal{{Figure: "x peer", Limit: 0.316}, {Figure: "KB", Limit: 4.5}},
		Run: func(context.Context) []Outcome {
			names, decode := Decoders()
			outcomes := make([]Outcome, len(names))
			costs, err := decodeMeter.measure(decode)
			for i, name := range names {
				outcomes[i] = Outcome{Contender: name, Err: err}
				if err == nil {
					outcomes[i].Figures = []Figure{
						{Name: "x peer", Format: "%.3f", Value: costs[i].Ratio},
						{Name: "µs", Format: "%.1f", Value: costs[i].Time.Seconds() * 1e6},
						{Name: "KB", Format: "%.1f", Value: costs[i].Bytes / 1024},
						{Name: "allocs", Format: "%.0f", Value: costs[i].Allocs},
					}
				}
			}
			return outcomes
		},
	}
}
