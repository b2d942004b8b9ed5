package asleeptest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/asleeptest"
)

// ask makes a GET with a key, as a client would.
func ask(client *http.Client, path, user string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://api.asleep.example"+path, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("x-api-key", "any")
	if user != "" {
		req.Header.Set("x-user-id", user)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// A server in process, and a plain http.Client on top of it.
func Example() {
	server := asleeptest.New(asleeptest.Config{
		Users: 3, SessionsPerUser: 5, LastNight: asleep.Date{Year: 2026, Month: time.March, Day: 14},
	})
	client := &http.Client{Transport: server.Transport()}

	status, body, err := ask(client, "/data/v1/sessions?limit=2", "user-0001")
	if err != nil {
		fmt.Println(err)
		return
	}
	var answer struct {
		Result asleep.SessionList `json:"result"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(status, len(answer.Result.SleepSessionList), "sessions")
	fmt.Println(answer.Result.SleepSessionList[0].SessionID == server.Sessions("user-0001")[0].ID)
	fmt.Println(server.Count(asleeptest.ListSessions), "request,", len(server.Violations()), "violations")
	// Output:
	// 200 2 sessions
	// true
	// 1 request, 0 violations
}

// The second and third request are refused, and then all is well again.
func ExampleServer_Inject() {
	server := asleeptest.New(asleeptest.Config{Users: 1})
	client := &http.Client{Transport: server.Transport()}

	fault := asleeptest.RateLimited()
	fault.Op, fault.Skip, fault.Times, fault.RetryAfter = asleeptest.GetUser, 1, 2, "30"
	remove := server.Inject(fault)
	defer remove()

	for range 4 {
		status, _, err := ask(client, "/ai/v1/users/user-0001", "")
		fmt.Println(status, err)
	}
	fmt.Println(server.Stats().Failed)
	// Output:
	// 200 <nil>
	// 403 <nil>
	// 403 <nil>
	// 200 <nil>
	// map[403_rate_limit:2]
}

// A night as it goes from the recording to the report.
func ExampleServer_Advance() {
	server := asleeptest.New(asleeptest.Config{Users: 1})
	id, err := server.AddSession("user-0001", asleeptest.Session{State: asleep.SessionStateOpen})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		report, _ := server.Report(id, "Asia/Seoul")
		fmt.Println(report.Session.State, report.Immutable(), report.Stat != nil)
		server.Advance("user-0001", id)
	}
	// Output:
	// OPEN false false
	// CLOSED false false
	// COMPLETE true true
}

// A limit that the client has to find out about by itself.
func ExampleServer_SetRateLimit() {
	server := asleeptest.New(asleeptest.Config{Users: 1})
	client := &http.Client{Transport: server.Transport()}
	server.SetRateLimit(asleeptest.RateLimit{Window: time.Minute, Burst: 2, Status: http.StatusTooManyRequests})
	for range 3 {
		status, _, err := ask(client, "/ai/v1/users/user-0001", "")
		fmt.Println(status, err)
	}
	stats := server.Stats()
	fmt.Println(stats.Accepted, "accepted,", stats.Limited, "limited")
	// Output:
	// 200 <nil>
	// 200 <nil>
	// 429 <nil>
	// 2 accepted, 1 limited
}

// A request that the contract does not know is answered and remembered.
func ExampleServer_Violations() {
	server := asleeptest.New(asleeptest.Config{Users: 1})
	client := &http.Client{Transport: server.Transport()}
	status, body, err := ask(client, "/ai/v1/users/user-0001?verbose=1", "")
	fmt.Println(status, string(body), err)
	for _, v := range server.Violations() {
		fmt.Println(v)
	}
	// Output:
	// 400 {"detail":"query parameter \"verbose\" does not belong to getUser"} <nil>
	// GET /ai/v1/users/user-0001: query parameter "verbose" does not belong to getUser
}
