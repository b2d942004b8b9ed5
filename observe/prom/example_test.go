package prom_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/asleep-sdk/asleep/asleeptest"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/observe/prom"
)

// The calls of a client, and the state of its breakers, on a page for Prometheus.
func Example() {
	service := asleeptest.New(asleeptest.Config{Users: 1})
	calls := prom.NewCalls()
	c, err := client.New("your-api-key", client.WithHooks(calls.Hooks()), client.WithHTTPClient(&http.Client{Transport: service.Transport()}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close() }()
	page := prom.NewPage() // http.Handle("/metrics", page)
	if err := page.Register(calls, prom.NewPolicies(c.Stats)); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := c.User(context.Background(), "user-0001"); err != nil {
		fmt.Println(err)
		return
	}

	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "asleep_api_calls_total") {
			fmt.Println(lines.Text())
		}
	}
	// Output: asleep_api_calls_total{op="getUser",result="ok"} 1
}
