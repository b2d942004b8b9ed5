package asleep_test

import (
	"encoding/json"
	"fmt"

	"github.com/asleep-sdk/asleep"
)

const night = `{
  "timezone": "UTC", "peculiarities": [], "report_version": "2027-01",
  "session": {
    "id": "20260314135107_k7q2m", "state": "COMPLETE", "created_timezone": "Asia/Seoul",
    "start_time": "2026-03-14T13:51:07+00:00", "end_time": "2026-03-14T13:55:07+00:00",
    "sleep_stages": [0, 0, 1, 1, null, 2, 2, 3]
  },
  "stat": {"time_in_bed": 240, "sleep_efficiency": 62.5}
}`

func ExampleParseReport() {
	r, err := asleep.ParseReport(night)
	if err != nil {
		fmt.Println(err)
		return
	}
	inBed, _ := r.Stat.TimeInBed.Duration()
	efficiency, _ := r.Stat.Efficiency()
	fmt.Println(r.Session.ID, r.Session.State, "final:", r.Immutable())
	fmt.Printf("in bed %v, efficiency %.1f %%\n", inBed, 100*efficiency)
	// Output:
	// 20260314135107_k7q2m COMPLETE final: true
	// in bed 4m0s, efficiency 62.5 %
}

func ExampleSession_Intervals() {
	r, err := asleep.ParseReport(night)
	if err != nil {
		fmt.Println(err)
		return
	}
	intervals, err := r.Session.Intervals()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, i := range intervals {
		fmt.Println(i.Start.Format("15:04:05"), i.Stage, i.Duration())
	}
	// Output:
	// 22:51:07 wake 1m0s
	// 22:52:07 light 1m0s
	// 22:53:07 unknown 30s
	// 22:53:37 deep 1m0s
	// 22:54:37 rem 30s
}

func ExampleSession_NightDate() {
	for _, start := range []asleep.Timestamp{"2026-03-14T22:51:07+09:00", "2026-03-15T01:30:00+09:00"} {
		s := asleep.Session{StartTime: start, CreatedTimezone: "Asia/Seoul"}
		local, _ := s.LocalDate()
		night, _ := s.NightDate()
		fmt.Println(local, "belongs to the night of", night)
	}
	// Output:
	// 2026-03-14 belongs to the night of 2026-03-14
	// 2026-03-15 belongs to the night of 2026-03-14
}

func ExampleReport_MarshalJSON() {
	r, err := asleep.ParseReport(`{"timezone":"UTC","report_version":"2027-01","session":{"id":"s","state":"CLOSED"}}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Session.State = asleep.SessionStateComplete
	out, err := json.Marshal(r)
	fmt.Println(string(out), err)
	// Output:
	// {"timezone":"UTC","report_version":"2027-01","session":{"id":"s","state":"COMPLETE"}} <nil>
}
