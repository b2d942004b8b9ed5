package client_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/transport"
)

// benched returns a client over a wire that costs nothing. It is not the one of the
// tests, which logs everything: that would measure the log.
func benched(b *testing.B, body string) *client.Client {
	b.Helper()
	header := http.Header{"Content-Type": {"application/json"}}
	wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Header: header, Request: req,
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}, nil
	})
	c, err := client.New(secret, append(bare(), client.WithHTTPClient(&http.Client{Transport: wire}), client.WithTimezone("Asia/Seoul"))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}

func BenchmarkSession(b *testing.B) {
	epochs := "[" + strings.TrimSuffix(strings.Repeat("1,2,3,0,", 250), ",") + "]"
	long := `{"detail":"OK","result":{"timezone":"UTC","peculiarities":[],"missing_data_ratio":0,"session":{"id":"s","state":"COMPLETE","sleep_stages":` +
		epochs + `,"breath_stages":` + epochs + `,"snoring_stages":` + epochs + `},"stat":null}}`
	for name, body := range map[string]string{
		"fixture": fixture(b, "session_complete_v3_sdk_shape.json"), "1000-epochs": long, "smallest": `{"result":{"session":{"id":"s"}}}`,
	} {
		b.Run(name, func(b *testing.B) {
			c := benched(b, body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Session(b.Context(), user, session); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDeleteUser(b *testing.B) {
	c := benched(b, "")
	b.ReportAllocs()
	for b.Loop() {
		if err := c.DeleteUser(b.Context(), user); err != nil {
			b.Fatal(err)
		}
	}
}
