package asleep

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrNoTime is what [Timestamp.Time] says of an absent timestamp.
var ErrNoTime = errors.New("asleep: no time given")

// Timestamp is an instant as the service wrote it, such as
// "2026-03-14T13:51:07+00:00". Its text is never changed, so that it survives
// storing and encoding; [Timestamp.Time] parses it. The empty Timestamp means
// that none was given, and is encoded as null.
type Timestamp string

// NewTimestamp writes t as the service does: RFC 3339 with a numeric offset,
// to the second.
func NewTimestamp(t time.Time) Timestamp {
	return Timestamp(t.Format("2006-01-02T15:04:05-07:00"))
}

// Time parses the timestamp. It takes RFC 3339 with an offset or Z, and the
// zone-less form that some answers have, which is read as UTC. The error is
// [ErrNoTime] for an empty timestamp and names the text otherwise.
func (t Timestamp) Time() (time.Time, error) {
	if t == "" {
		return time.Time{}, ErrNoTime
	}
	v, _, err := parseTime(string(t))
	return v, err
}

// Zoneless reports whether the timestamp is a valid one that names no zone, so
// that UTC is an assumption.
func (t Timestamp) Zoneless() bool {
	_, zoneless, err := parseTime(string(t))
	return err == nil && zoneless
}

// MarshalJSON encodes the text as it came, and an empty timestamp as null.
func (t Timestamp) MarshalJSON() ([]byte, error) { return textOrNull(string(t)) }

// ClockTime is an instant (in reports) or a time of day "HH:MM:SS" (in
// averages and older reports). It is never a duration: those are the
// time_in_… members. The empty ClockTime means that none was given, and is
// encoded as null.
type ClockTime string

// Instant returns the instant, if the text is one.
func (c ClockTime) Instant() (t time.Time, ok bool) {
	t, _, err := parseTime(string(c))
	return t, err == nil
}

// Clock returns the time of day, whether the text is a time of day or an
// instant; that of an instant is read in its own offset.
func (c ClockTime) Clock() (hour, minute, second int, ok bool) {
	t, err := time.Parse(time.TimeOnly, strings.TrimSpace(string(c)))
	if err != nil {
		if t, ok = c.Instant(); !ok {
			return 0, 0, 0, false
		}
	}
	hour, minute, second = t.Clock()
	return hour, minute, second, true
}

// MarshalJSON encodes the text as it came, and an empty one as null.
func (c ClockTime) MarshalJSON() ([]byte, error) { return textOrNull(string(c)) }

func textOrNull(s string) ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return json.Marshal(s)
}

// Layouts beyond RFC 3339, which time.Parse knows by a faster way. The first
// two have an offset.
var layouts = [...]string{
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05Z07",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04",
}

const layoutsWithOffset = 2

func parseTime(s string) (t time.Time, zoneless bool, err error) {
	if t, err = time.Parse(time.RFC3339, s); err == nil {
		return t, false, nil
	}
	v := strings.ToUpper(strings.TrimSpace(s))
	if len(v) > 10 && v[10] == ' ' {
		v = v[:10] + "T" + v[11:]
	}
	if t, err = time.Parse(time.RFC3339, v); err == nil {
		return t, false, nil
	}
	for i, layout := range layouts {
		if t, err = time.Parse(layout, v); err == nil {
			return t, i >= layoutsWithOffset, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("asleep: %.40q is not a timestamp: want RFC 3339, such as 2026-03-14T13:51:07+00:00", s)
}
