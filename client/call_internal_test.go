package client

import (
	"context"
	"errors"
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
			return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		})
		patient := Hooks{OperationEnd: func(_ context.Context, op *Operation) {
			if op.Patient != test.patient {
				t.Errorf("patient %v, want %v", op.Patient, test.patient)
			}
		}}
		c, err := New("k", WithHooks(patient), WithHTTPClient(&http.Client{Transport: wire}), WithTimeouts(Timeouts{Attempt: 2 * time.Hour, Overall: 120 * time.Second}))
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

func TestARefusalOnThisSideIsLocalAndRetryable(t *testing.T) {
	t.Parallel()
	c, err := New("k")
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("too many calls in flight")
	refuse := func(http.RoundTripper) http.RoundTripper {
		return transport.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, full })
	}
	retry := transport.DefaultRetry()
	c.doer = transport.New(transport.Config{BaseURL: c.base, Retry: retry, Inner: []transport.Policy{refuse}})
	_, err = c.User(t.Context(), "u")
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Layer != LayerLocal || e.Attempts != 0 || e.StatusCode != 0 || !Retryable(err) || !errors.Is(err, full) {
		t.Errorf("%+v", e)
	}
	if err.Error() != "asleep: getUser: too many calls in flight" {
		t.Errorf("reads %q", err)
	}
	if _, err := c.CreateUser(t.Context(), nil); !Retryable(err) || errors.Is(err, ErrMaybeCreated) {
		t.Errorf("a create of which nothing was sent: %v", err)
	}

	c.doer = transport.New(transport.Config{BaseURL: c.base, Retry: retry})
	c.server = "https://elsewhere.test/"
	_, err = c.User(t.Context(), "u")
	if e, ok := errors.AsType[*Error](err); !ok || e.Layer != LayerLocal || Retryable(err) || !errors.Is(err, transport.ErrForeignHost) {
		t.Errorf("another host: %+v", err)
	}
}
