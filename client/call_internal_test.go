package client

import (
	"net/http"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

func TestACallOfABatchIsPatientAndHasNoDeadlineOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		opts    []CallOption
		overall time.Duration
		patient bool
	}{
		{nil, 120 * time.Second, false},
		{[]CallOption{inBatch()}, 0, true},
		{[]CallOption{inBatch(), Timeout(time.Hour)}, time.Hour, true},
	} {
		wire := transport.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
			deadline, has := req.Context().Deadline()
			if left := time.Until(deadline).Round(time.Second); has != (test.overall > 0) || has && left != test.overall {
				t.Errorf("deadline in %v, want %v", left, test.overall)
			}
			if patient := transport.CallFrom(req.Context()).Limits.Patient; patient != test.patient {
				t.Errorf("patient %v, want %v", patient, test.patient)
			}
			return &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		})
		c, err := New("k", WithHTTPClient(&http.Client{Transport: wire}), WithTimeouts(Timeouts{Attempt: 2 * time.Hour, Overall: 120 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		if test.overall == 0 {
			test.overall = 2 * time.Hour // the attempt's
		}
		if err := c.DeleteUser(t.Context(), "u", test.opts...); err != nil {
			t.Error(err)
		}
	}
}
