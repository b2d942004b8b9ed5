package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/asleep-sdk/asleep"
)

// Form says what the raw body of a [Session] is.
type Form uint8

// The forms.
const (
	FormSummary Form = iota // an item of a list; decode with [asleep.ParseSessionSummary]
	FormReport              // a whole report; decode with [asleep.ParseReport]
)

// Session is the newest news of one session. [FromReport] and [FromSummary] make
// one. Instants are UTC, in whole milliseconds once stored.
type Session struct {
	ID     string // unique over all users, opaque
	UserID string
	State  asleep.SessionState

	// Settled: the news is final, see [asleep.Report.Immutable].
	Settled bool

	Start time.Time // zero when it is not known; such sessions come last
	End   time.Time // zero while it is recorded
	Zone  string    // of the recording device, as the service wrote it

	// Offset is the device's offset from UTC at Start, in whole seconds, a day at
	// most. It decides on which date, and in which hour of the day, the session began.
	Offset time.Duration

	Metrics Metrics // main figures, for statistics
	Epochs  Epochs  // one byte an epoch
	Form    Form    // of Raw
	Raw     string  // the JSON object as it came, unknown members and all

	// Observed is when the service said this: when it was fetched or delivered.
	Observed time.Time

	CreatedAt time.Time // when the store first heard of the session; set by it
	UpdatedAt time.Time // when the store last changed it; set by it
}

// FromReport makes the session that a report is about. A report that was not
// decoded, and so has no Raw, is encoded. The error matches [ErrInvalid].
func FromReport(user string, r *asleep.Report, observed time.Time) (Session, error) {
	if r == nil {
		return Session{}, invalid("report is nil")
	}
	s := Session{
		ID: r.Session.ID, UserID: user, State: r.Session.State, Settled: r.Immutable(), Zone: r.Session.CreatedTimezone,
		Metrics: MetricsOf(r), Form: FormReport, Raw: r.Raw, Observed: observed,
		Epochs: Epochs{Sleep: r.Session.SleepStages, Breath: r.Session.BreathStages, Snoring: r.Session.SnoringStages},
	}
	return s.complete(r.Session.StartTime, r.Session.EndTime, r)
}

// FromSummary makes the session that an item of a list is about. An item can not
// tell that a session is settled. The error matches [ErrInvalid].
func FromSummary(user string, i *asleep.SessionSummary, observed time.Time) (Session, error) {
	if i == nil {
		return Session{}, invalid("summary is nil")
	}
	s := Session{ID: i.SessionID, UserID: user, State: i.State, Zone: i.CreatedTimezone, Form: FormSummary, Raw: i.Raw, Observed: observed}
	if i.TimeInBed != nil {
		s.Metrics.Set(TimeInBed, float64(*i.TimeInBed))
	}
	return s.complete(i.SessionStartTime, i.SessionEndTime, i)
}

// complete fills in the times and the body. Times that nobody can read, or keep, are
// left unknown: the body keeps their text.
func (s Session) complete(start, end asleep.Timestamp, body any) (Session, error) {
	if t, err := start.Time(); err == nil && inYears(t) {
		s.Start, s.Offset = t, offsetOf(t, s.Zone)
	}
	if t, err := end.Time(); err == nil && inYears(t) {
		s.End = t
	}
	if s.Raw == "" {
		raw, err := json.Marshal(body)
		if err != nil {
			return Session{}, invalid("encode session %q: %v", s.ID, err)
		}
		s.Raw = string(raw)
	}
	return s.Normalize()
}

// offsetOf is the offset of the device's zone, or else of the text of t; none if no
// clock can show it.
func offsetOf(t time.Time, zone string) time.Duration {
	device := asleep.Session{CreatedTimezone: zone}
	if loc, err := device.Location(); err == nil {
		t = t.In(loc)
	}
	_, seconds := t.Zone()
	offset := time.Duration(seconds) * time.Second
	if offset.Abs() > maxOffset {
		return 0
	}
	return offset
}

// maxOffset is how far a local date may lie from the same date in UTC. Backends look
// up ranges of dates by it.
const maxOffset = 24 * time.Hour

// inYears reports whether t is in the years 1 to 9999 of UTC, in which instants are kept.
func inYears(t time.Time) bool {
	year := t.UTC().Year()
	return 1 <= year && year <= 9999
}

// LocalStart is Start as a clock where the session was recorded showed it.
func (s Session) LocalStart() time.Time {
	return s.Start.In(time.FixedZone("", int(s.Offset/time.Second)))
}

// LocalDate is the date on which the session began where it was recorded; the
// zero Date when Start is not known.
func (s Session) LocalDate() asleep.Date {
	if s.Start.IsZero() {
		return asleep.Date{}
	}
	return asleep.DateOf(s.LocalStart())
}

// Report decodes the body of a session that has the [FormReport]; the error of
// any other matches [ErrNotFound].
func (s Session) Report() (*asleep.Report, error) {
	if s.Form != FormReport {
		return nil, fmt.Errorf("%w: only the list item of session %q is stored, not its report", ErrNotFound, s.ID)
	}
	return asleep.ParseReport(s.Raw)
}

// Clone returns a copy that shares nothing that can be changed.
func (s Session) Clone() Session {
	s.Epochs = s.Epochs.Clone()
	return s
}

// Rev orders the news of one session: greater is newer, equal is the same news
// again. It is one number so that every backend can compare it.
func (s Session) Rev() int64 {
	const settledBit, reportBit = 1 << 56, 4
	rev := s.Observed.UnixMilli()<<3 | rank(s.State)
	if s.Form == FormReport {
		rev |= reportBit
	}
	if s.Settled {
		rev |= settledBit
	}
	return rev
}

// rank is the place of a state in a session's life. States that are new to this
// program rank lowest, for nothing is known of them.
func rank(s asleep.SessionState) int64 {
	return int64(slices.Index([]asleep.SessionState{asleep.SessionStateOpen, asleep.SessionStateClosed, asleep.SessionStateComplete}, s) + 1)
}

// Origin is the instant that an erasure is held against: Start or Observed,
// whichever is earlier.
func (s Session) Origin() time.Time {
	if !s.Start.IsZero() && s.Start.Before(s.Observed) {
		return s.Start
	}
	return s.Observed
}

// Normalize checks the session and rounds its instants down to milliseconds of
// UTC. Backends call it first thing. The error matches [ErrInvalid] and names the
// member.
func (s Session) Normalize() (Session, error) {
	if err := CheckID("session id", s.ID); err != nil {
		return Session{}, err
	}
	if err := CheckID("user id", s.UserID); err != nil {
		return Session{}, err
	}
	if err := checkText("state", string(s.State)); err != nil {
		return Session{}, err
	}
	if err := checkText("zone", s.Zone); err != nil {
		return Session{}, err
	}
	for name, t := range map[string]time.Time{"start": s.Start, "end": s.End, "observed": s.Observed} {
		if !inYears(t) {
			return Session{}, invalid("%s of session %q is not in the years 1 to 9999 of UTC", name, s.ID)
		}
	}
	if s.Observed.UnixMilli() <= 0 {
		return Session{}, invalid("session %q was observed at no time, or before 1970: say when it was fetched or delivered", s.ID)
	}
	if s.Offset.Abs() > maxOffset {
		return Session{}, invalid("offset %v of session %q is more than a day", s.Offset, s.ID)
	}
	if s.Form > FormReport {
		return Session{}, invalid("form %d of session %q is not known", s.Form, s.ID)
	}
	s.Start, s.End, s.Observed = Milli(s.Start), Milli(s.End), Milli(s.Observed)
	s.Offset = s.Offset.Truncate(time.Second)
	return s, nil
}

// Milli rounds an instant down to milliseconds of UTC, as stores keep it. The
// zero time stays zero.
func Milli(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// What an id or a short text may measure, in bytes.
const maxID = 512

// CheckID refuses an id that one backend or another cannot keep: an empty one, one
// of more than 512 bytes, or one that is not UTF-8 or has a zero byte in it. What
// is how the error, which matches [ErrInvalid], calls it.
func CheckID(what, id string) error {
	if id == "" {
		return invalid("%s is empty", what)
	}
	return checkText(what, id)
}

// checkText refuses what one backend or another cannot keep.
func checkText(what, s string) error {
	switch {
	case len(s) > maxID:
		return invalid("%s is %d bytes long, more than %d", what, len(s), maxID)
	case !utf8.ValidString(s):
		return invalid("%s %q is not UTF-8", what, s)
	case strings.ContainsRune(s, 0):
		return invalid("%s %q has a zero byte in it", what, s)
	}
	return nil
}
