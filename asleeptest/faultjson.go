package asleeptest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// duration is a time.Duration that JSON writes as "1.5s".
type duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%.40q is not a duration: want one such as 250ms or 1m30s", b)
	}
	*d = duration(v)
	return nil
}

// faultBody is a fault as JSON.
type faultBody struct {
	ID          int         `json:"id,omitempty"`   // in answers only
	Kind        string      `json:"kind,omitempty"` // what to start from; the other members change it
	Name        string      `json:"name,omitempty"`
	Op          string      `json:"op,omitempty"`
	Method      string      `json:"method,omitempty"`
	Path        string      `json:"path,omitempty"`
	User        string      `json:"user,omitempty"`
	Session     string      `json:"session,omitempty"`
	Skip        int         `json:"skip,omitempty"`
	Times       int         `json:"times,omitempty"`
	Probability float64     `json:"probability,omitempty"`
	After       duration    `json:"after,omitzero"`
	For         duration    `json:"for,omitzero"`
	Status      int         `json:"status,omitempty"`
	Header      http.Header `json:"header,omitempty"`
	Body        string      `json:"body,omitempty"`
	RetryAfter  string      `json:"retry_after,omitempty"`
	RetryAt     duration    `json:"retry_at,omitzero"`
	Latency     duration    `json:"latency,omitzero"`
	LatencyMax  duration    `json:"latency_max,omitzero"`
	Reset       Reset       `json:"reset,omitempty"`
	Cut         Cut         `json:"cut,omitempty"`
	Drip        duration    `json:"drip,omitzero"`
	Hang        bool        `json:"hang,omitempty"`
	Met         int         `json:"met,omitempty"` // in answers only: requests met so far
}

// MarshalJSON writes the fault as the administration does: members in snake
// case, durations such as "250ms".
func (f Fault) MarshalJSON() ([]byte, error) { return json.Marshal(f.wire()) }

// UnmarshalJSON reads what MarshalJSON writes. The member kind names a fault
// of [Kind] to start from. Unknown members are errors, and so are faults that
// [Fault.Validate] finds fault with.
func (f *Fault) UnmarshalJSON(b []byte) error {
	var w faultBody
	if err := decodeStrict(b, &w); err != nil {
		return fmt.Errorf("asleeptest: fault: %w", err)
	}
	if w.Kind != "" {
		kind, err := Kind(w.Kind)
		if err != nil {
			return err
		}
		w = kind.wire()
		if err := decodeStrict(b, &w); err != nil {
			return fmt.Errorf("asleeptest: fault: %w", err)
		}
	}
	*f = Fault{
		Name: w.Name, Op: w.Op, Method: w.Method, Path: w.Path, User: w.User, Session: w.Session,
		Skip: w.Skip, Times: w.Times, Probability: w.Probability, After: time.Duration(w.After), For: time.Duration(w.For),
		Status: w.Status, Header: w.Header, Body: w.Body, RetryAfter: w.RetryAfter, RetryAt: time.Duration(w.RetryAt),
		Latency: time.Duration(w.Latency), LatencyMax: time.Duration(w.LatencyMax),
		Reset: w.Reset, Cut: w.Cut, Drip: time.Duration(w.Drip), Hang: w.Hang,
	}
	return f.Validate()
}

func (f *Fault) wire() faultBody {
	return faultBody{
		Name: f.Name, Op: f.Op, Method: f.Method, Path: f.Path, User: f.User, Session: f.Session,
		Skip: f.Skip, Times: f.Times, Probability: f.Probability, After: duration(f.After), For: duration(f.For),
		Status: f.Status, Header: f.Header, Body: f.Body, RetryAfter: f.RetryAfter, RetryAt: duration(f.RetryAt),
		Latency: duration(f.Latency), LatencyMax: duration(f.LatencyMax),
		Reset: f.Reset, Cut: f.Cut, Drip: duration(f.Drip), Hang: f.Hang,
	}
}

// decodeStrict decodes one JSON value without members that nobody knows.
func decodeStrict(b []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the body is empty")
		}
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
