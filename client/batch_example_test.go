package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
)

// batchExample is a fake of three users with two nights each.
func batchExample() (*asleeptest.Server, *client.Client) {
	server := asleeptest.New(asleeptest.Config{Users: 3, SessionsPerUser: 2})
	c, err := client.New("key", client.WithHTTPClient(&http.Client{Transport: server.Transport()}))
	if err != nil {
		panic(err)
	}
	return server, c
}

// The reports of many users. A user who fails does not end the batch; the loop
// ends without an error once every user has come.
func ExampleClient_FetchSessions() {
	_, c := batchExample()
	users := ids([]string{"user-0001", "user-0002", "..", "user-0003", "user-0001"})

	reports, failed := 0, 0
	for b, err := range c.FetchSessions(context.Background(), users, client.Query{}, client.BatchOptions{Details: true}) {
		if err != nil {
			fmt.Println("stopped early:", err)
			break
		}
		if b.Err != nil {
			failed++
			fmt.Println(b.Err)
			continue
		}
		reports += len(b.Reports)
	}
	fmt.Println(reports, "reports,", failed, "user failed")
	// Output:
	// asleep: fetchSessions: user id: is "..", which would change the URL: give the id that the service made
	// 6 reports, 1 user failed
}

// A batch that meets an exhausted quota stops. The token of the stop continues it
// later, in this process or another one.
func ExampleBatchStopped() {
	server, c := batchExample()
	quota := asleeptest.QuotaExceeded()
	quota.User = "user-0003"
	lift := server.Inject(quota)

	users := ids([]string{"user-0001", "user-0002", "user-0003"})
	o := client.BatchOptions{Concurrency: 1, Total: 3}
	var came []string
	var checkpoint string
	for b, err := range c.FetchSessions(context.Background(), users, client.Query{}, o) {
		if stopped, ok := errors.AsType[*client.BatchStopped](err); ok {
			fmt.Println("stopped early:", stopped.Reason)
			checkpoint = stopped.Token.String()
			break
		}
		came = append(came, b.User)
	}

	lift()
	token, err := client.ParseResumeToken(checkpoint)
	if err != nil {
		fmt.Println(err)
		return
	}
	o.Resume = token
	for b, err := range c.FetchSessions(context.Background(), users, client.Query{}, o) {
		if err != nil {
			fmt.Println(err)
			return
		}
		came = append(came, b.User)
	}
	slices.Sort(came)
	fmt.Println(came)
	// Output:
	// stopped early: the quota is used up
	// [user-0001 user-0002 user-0003]
}

// How many calls a batch would make, and how long they take at ten a second.
func ExampleClient_EstimateSessions() {
	_, c := batchExample()
	users := ids([]string{"user-0001", "user-0002", "user-0003"})
	e, err := c.EstimateSessions(context.Background(), users, client.Query{}, client.BatchOptions{Details: true}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d users, %d calls, %v\n", e.Users, e.Calls, e.Duration(10))
	// Output:
	// 3 users, 9 calls, 900ms
}

// A meter can be asked at any time, as a progress bar does.
func ExampleBatchMeter() {
	_, c := batchExample()
	users := ids([]string{"user-0001", "user-0002", "user-0003"})
	var meter client.BatchMeter
	for _, err := range c.FetchSessions(context.Background(), users, client.Query{}, client.BatchOptions{
		Total: 3, MaxDuration: time.Hour, Meter: &meter,
	}) {
		if err != nil {
			fmt.Println(err)
		}
	}
	p := meter.Progress()
	fmt.Printf("%d of %d users, %d sessions in %d calls\n", p.Done, p.Total, p.Sessions, p.Calls)
	// Output:
	// 3 of 3 users, 6 sessions in 3 calls
}
