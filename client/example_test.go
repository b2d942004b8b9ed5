package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
)

// exampleService answers like the real one, from this process.
func exampleService() *httptest.Server {
	mux := http.NewServeMux()
	says := func(pattern string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	says("GET /data/v3/sessions/20260314135107_k7q2m", 200, `{"detail":"OK","result":{"timezone":"Asia/Seoul","peculiarities":[],
		"session":{"id":"20260314135107_k7q2m","state":"COMPLETE","start_time":"2026-03-14T22:51:07+09:00"},
		"stat":{"time_in_sleep":25200,"sleep_efficiency":0.91}}}`)
	says("GET /data/v3/sessions/{id}", 404, `{"detail":"session does not exist"}`)
	says("GET /data/v1/sessions", 200, `{"detail":"OK","result":{"timezone":"UTC","sleep_session_list":[
		{"session_id":"20260314135107_k7q2m","state":"COMPLETE"},{"session_id":"20260313140210_x81fa","state":"OPEN"}]}}`)
	says("GET /data/v1/users/{id}/average-stats", 200, `{"detail":"OK","result":{"period":{"start_date":"2026-01-01","end_date":"2026-06-30"},
		"average_stats":{"time_in_sleep":24000,"sleep_time":"23:10:00"},"slept_sessions":[{"id":"a"},{"id":"b"}],"never_slept_sessions":[]}}`)
	says("POST /ai/v1/users", 201, `{"detail":"success","result":{"user_id":"G-20260302-Qm4x"}}`)
	says("GET /ai/v9/devices", 200, `{"detail":"OK","result":{"devices":["one","two"]}}`)
	return httptest.NewServer(mux)
}

func Example() {
	service := exampleService()
	defer service.Close()

	c, err := client.New("your-api-key", client.WithBaseURL(service.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	report, err := c.Session(context.Background(), "user-1", "20260314135107_k7q2m", client.InTimezone("Asia/Seoul"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if report.Stat != nil { // nil while the session is being analysed, and for some that never were
		asleepFor, _ := report.Stat.TimeInSleep.Duration()
		fmt.Println(report.Session.State, asleepFor)
	}
	// Output: COMPLETE 7h0m0s
}

// The zero value of an option's struct turns the thing off; what is not named keeps its
// default.
func ExampleNew() {
	throttle := client.DefaultThrottle()
	throttle.Rate, throttle.Burst = 50, 50
	c, err := client.New("your-api-key",
		client.WithThrottle(throttle),
		client.WithTimeouts(client.Timeouts{Attempt: 3 * time.Second, Overall: 15 * time.Second}),
		client.WithBreaker(client.Breaker{}), // none
		client.WithTimezone("Asia/Seoul"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(c, c.Stats().Throttle.Rate)
	// Output: asleep client for api.asleep.ai 50
}

func ExampleNew_problems() {
	_, err := client.New("", client.WithBaseURL("http://api.example.com"), client.WithTimezone("Asia/Soul"))
	fmt.Println(err)
	// Output:
	// asleep: base URL: "http://api.example.com" would send the API key unencrypted: use https (http is accepted for loopback hosts only)
	// asleep: API key: missing: give the API key of your Asleep dashboard (NewFromEnv reads it from ASLEEP_API_KEY or ASLEEP_API_KEY_FILE)
	// asleep: WithTimezone: "Asia/Soul" is not a known timezone: give an IANA name such as Asia/Seoul or UTC
}

func ExampleNewFromEnv() {
	// Normally set outside the program.
	if err := errors.Join(os.Setenv("ASLEEP_API_KEY", "your-api-key"), os.Setenv("ASLEEP_BASE_URL", "http://localhost:8080")); err != nil {
		fmt.Println(err)
	}
	defer os.Unsetenv("ASLEEP_API_KEY")
	defer os.Unsetenv("ASLEEP_BASE_URL")

	c, err := client.NewFromEnv(client.WithTimezone("Asia/Seoul"))
	fmt.Println(c, err)
	// Output: asleep client for localhost:8080 <nil>
}

func ExampleClient_Sessions() {
	service := exampleService()
	defer service.Close()
	c, err := client.New("your-api-key", client.WithBaseURL(service.URL))
	if err != nil {
		fmt.Println(err)
		return
	}

	march := client.Query{From: asleep.Date{Year: 2026, Month: time.March, Day: 1}, To: asleep.Date{Year: 2026, Month: time.March, Day: 31}}
	for session, err := range c.Sessions(context.Background(), "user-1", march) {
		if err != nil {
			fmt.Println(err) // what came before it stands
			break
		}
		fmt.Println(session.SessionID, session.State)
	}
	// Output:
	// 20260314135107_k7q2m COMPLETE
	// 20260313140210_x81fa OPEN
}

func ExampleError() {
	service := exampleService()
	defer service.Close()
	c, err := client.New("your-api-key", client.WithBaseURL(service.URL))
	if err != nil {
		fmt.Println(err)
		return
	}

	_, err = c.Session(context.Background(), "user-1", "no-such-session", client.WithRequestID("4f1c"))
	switch {
	case errors.Is(err, client.ErrNotFound):
		fmt.Println("gone, or not there yet:", err)
	case client.Retryable(err):
		fmt.Println("later, perhaps:", err)
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(e.Op, e.StatusCode, e.Layer, e.Attempts)
	}
	// Output:
	// gone, or not there yet: asleep: getSession: 404 session does not exist (1 attempt, request 4f1c)
	// getSession 404 service 1
}

func ExampleClient_DeleteSession_emptyID() {
	c, err := client.New("your-api-key")
	if err != nil {
		fmt.Println(err)
		return
	}
	// Sent as it is, this would delete every session of the user.
	fmt.Println(c.DeleteSession(context.Background(), "user-1", ""))
	// Output: asleep: deleteSession: session id: is empty (""): give the id that the service made
}

func ExampleClient_AverageStats() {
	service := exampleService()
	defer service.Close()
	c, err := client.New("your-api-key", client.WithBaseURL(service.URL))
	if err != nil {
		fmt.Println(err)
		return
	}

	first, last := asleep.Date{Year: 2026, Month: time.January, Day: 1}, asleep.Date{Year: 2026, Month: time.June, Day: 30}
	stats, err := c.AverageStats(context.Background(), "user-1", first, last)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stats.Averages.SleepTime, stats.Combination)
	for _, w := range stats.Windows {
		fmt.Println(w.From, w.To, w.Weight)
	}
	// Output:
	// 23:10:00 by_slept_sessions
	// 2026-01-01 2026-03-31 2
	// 2026-04-01 2026-06-30 2
}

func ExampleClient_CreateUser() {
	service := exampleService()
	defer service.Close()
	c, err := client.New("your-api-key", client.WithBaseURL(service.URL))
	if err != nil {
		fmt.Println(err)
		return
	}

	year := asleep.Int(1988)
	id, err := c.CreateUser(context.Background(), &asleep.UserMetadata{BirthYear: &year, Gender: asleep.GenderFemale})
	if errors.Is(err, client.ErrMaybeCreated) {
		fmt.Println("there may be a user whose id nobody knows:", err)
		return
	}
	fmt.Println(id, err)
	// Output: G-20260302-Qm4x <nil>
}

func ExampleClient_Do() {
	service := exampleService()
	defer service.Close()
	c, err := client.New("your-api-key", client.WithBaseURL(service.URL))
	if err != nil {
		fmt.Println(err)
		return
	}

	resp, err := c.Do(context.Background(), client.Request{Method: "GET", Path: "/ai/v9/devices"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var list struct{ Devices []string }
	if err := resp.Result(&list); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Join(list.Devices, ", "))
	// Output: one, two
}

func ExampleRawResponse() {
	service := exampleService()
	defer service.Close()
	c, err := client.New("your-api-key", client.WithBaseURL(service.URL))
	if err != nil {
		fmt.Println(err)
		return
	}

	var raw client.Response
	_, err = c.Session(context.Background(), "user-1", "no-such-session", client.RawResponse(&raw), client.Attempts(1))
	fmt.Println(raw.StatusCode, string(raw.Body), err != nil)
	// Output: 404 {"detail":"session does not exist"} true
}
