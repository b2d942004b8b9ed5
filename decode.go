package asleep

import (
	"encoding/json"
	"errors"
	"unsafe"
)

// The plain types decode and encode by the rules of encoding/json alone.
type (
	plainReport          Report
	plainSession         Session
	plainSessionSummary  SessionSummary
	plainUser            User
	plainAverageStats    AverageStats
	plainSleptSession    SleptSession
	plainLastSessionInfo LastSessionInfo
	plainSessionComplete SessionCompleteData
	plainWebhookBody     WebhookBody
)

var errNull = errors.New("asleep: null where an object was expected")

// ParseReport decodes a report and keeps raw in it, without a copy. Raw is the
// object itself, not the envelope that the service wraps around it.
func ParseReport(raw string) (*Report, error) {
	r := new(Report)
	if !r.outlined(raw) {
		*r = Report{}
		if err := decode(raw, (*plainReport)(r)); err != nil {
			return nil, err
		}
	}
	r.Raw = raw
	return r, nil
}

// ParseSessionSummary decodes one item of a list and keeps raw in it, without
// a copy.
func ParseSessionSummary(raw string) (*SessionSummary, error) {
	s := new(SessionSummary)
	if err := s.parse(raw); err != nil {
		return nil, err
	}
	return s, nil
}

// ParseUser decodes a user and keeps raw in it, without a copy.
func ParseUser(raw string) (*User, error) {
	u := new(User)
	if err := decode(raw, (*plainUser)(u)); err != nil {
		return nil, err
	}
	u.Raw = raw
	return u, nil
}

// ParseAverageStats decodes averages and keeps raw in them, without a copy.
func ParseAverageStats(raw string) (*AverageStats, error) {
	a := new(AverageStats)
	if err := decode(raw, (*plainAverageStats)(a)); err != nil {
		return nil, err
	}
	a.Raw = raw
	return a, nil
}

// UnmarshalJSON decodes a report and keeps a copy of the JSON in Raw. Null
// leaves the value as it is.
func (r *Report) UnmarshalJSON(b []byte) error { return assign(b, r, ParseReport) }

// UnmarshalJSON decodes an item of a list, also with the names id, start_time
// and end_time, and keeps a copy of the JSON in Raw. Null leaves the value as
// it is.
func (s *SessionSummary) UnmarshalJSON(b []byte) error { return assign(b, s, ParseSessionSummary) }

// UnmarshalJSON decodes a user and keeps a copy of the JSON in Raw. Null
// leaves the value as it is.
func (u *User) UnmarshalJSON(b []byte) error { return assign(b, u, ParseUser) }

// UnmarshalJSON decodes averages and keeps a copy of the JSON in Raw. Null
// leaves the value as it is.
func (a *AverageStats) UnmarshalJSON(b []byte) error { return assign(b, a, ParseAverageStats) }

// ParseWebhookBody decodes the body of a webhook and keeps raw in it, without a
// copy. The members of a flat body, and those of its payload, are in Raw.
func ParseWebhookBody(raw string) (*WebhookBody, error) {
	w := new(WebhookBody)
	if err := decode(raw, (*plainWebhookBody)(w)); err != nil {
		return nil, err
	}
	w.Raw = raw
	return w, nil
}

// UnmarshalJSON decodes the body of a webhook and keeps a copy of the JSON in
// Raw. Null leaves the value as it is.
func (w *WebhookBody) UnmarshalJSON(b []byte) error { return assign(b, w, ParseWebhookBody) }

// UnmarshalJSON decodes the payload of a webhook and keeps a copy of the JSON
// in Raw. Null leaves the value as it is.
func (d *SessionCompleteData) UnmarshalJSON(b []byte) error {
	return assign(b, d, parseSessionComplete)
}

func parseSessionComplete(raw string) (*SessionCompleteData, error) {
	d := new(SessionCompleteData)
	if err := decode(raw, (*plainSessionComplete)(d)); err != nil {
		return nil, err
	}
	d.Raw = raw
	return d, nil
}

func (s *SessionSummary) parse(raw string) error {
	v := struct {
		*plainSessionSummary
		ID        string    `json:"id"`
		StartTime Timestamp `json:"start_time"`
		EndTime   Timestamp `json:"end_time"`
	}{plainSessionSummary: (*plainSessionSummary)(s)}
	if err := decode(raw, &v); err != nil {
		return err
	}
	orElse(&s.SessionID, v.ID)
	orElse(&s.SessionStartTime, v.StartTime)
	orElse(&s.SessionEndTime, v.EndTime)
	s.Raw = raw
	return nil
}

// UnmarshalJSON decodes a session of an averaged period, also with the names
// session_id, session_start_time and session_end_time. Null leaves the value
// as it is.
func (s *SleptSession) UnmarshalJSON(b []byte) error {
	v := struct {
		*plainSleptSession
		aliases
	}{plainSleptSession: (*plainSleptSession)(s)}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	orElse(&s.ID, v.SessionID)
	orElse(&s.StartTime, v.SessionStartTime)
	orElse(&s.EndTime, v.SessionEndTime)
	return nil
}

// UnmarshalJSON decodes the newest session of a user, also with the names
// session_start_time and session_end_time. Null leaves the value as it is.
func (l *LastSessionInfo) UnmarshalJSON(b []byte) error {
	v := struct {
		*plainLastSessionInfo
		SessionStartTime Timestamp `json:"session_start_time"`
		SessionEndTime   Timestamp `json:"session_end_time"`
	}{plainLastSessionInfo: (*plainLastSessionInfo)(l)}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	orElse(&l.StartTime, v.SessionStartTime)
	orElse(&l.EndTime, v.SessionEndTime)
	return nil
}

type aliases struct {
	SessionID        string    `json:"session_id"`
	SessionStartTime Timestamp `json:"session_start_time"`
	SessionEndTime   Timestamp `json:"session_end_time"`
}

func orElse[S ~string](s *S, fallback S) {
	if *s == "" {
		*s = fallback
	}
}

// decode reads raw into a plain value. It hands encoding/json the bytes of the
// string itself: nothing beneath keeps or changes them, as every decoder of
// this package copies what it keeps.
func decode(raw string, into any) error {
	if err := json.Unmarshal(bytesOf(raw), into); err != nil {
		return err
	}
	if trimmed(raw) == "null" {
		return errNull
	}
	return nil
}

// bytesOf is a string for decoders, who neither keep nor change it.
func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // see above
}

// assign is UnmarshalJSON by a parser that keeps its argument: it gives it a
// copy, for the bytes belong to the caller.
func assign[T any](b []byte, into *T, parse func(string) (*T, error)) error {
	if string(b) == "null" {
		return nil
	}
	v, err := parse(string(b))
	if err != nil {
		return err
	}
	*into = *v
	return nil
}

func trimmed(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}
