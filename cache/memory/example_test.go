package memory_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/memory"
	"github.com/asleep-sdk/asleep/client"
)

// A client that asks for a complete report once, and answers from memory from then on.
func Example() {
	near, err := memory.New(memory.Options{MaxBytes: 64 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	kept, err := cache.New(near)
	if err != nil {
		fmt.Println(err)
		return
	}
	service := asleeptest.New(asleeptest.Config{Users: 1, SessionsPerUser: 3})
	c, err := client.New("your-api-key", client.WithCache(kept), client.WithHTTPClient(&http.Client{Transport: service.Transport()}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close() }()

	night := service.Sessions("user-0001")[0].ID
	for range 3 {
		var from client.Origin
		report, err := c.Session(context.Background(), "user-0001", night, client.WithOrigin(&from))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s, from %q\n", report.Session.State, from.Tier)
	}
	fmt.Println(service.Stats().Requests, "request")
	// Output:
	// COMPLETE, from ""
	// COMPLETE, from "memory"
	// COMPLETE, from "memory"
	// 1 request
}
