package mongo

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// The members of a document that other programs know, and ours below them.
const (
	keyID         = "_id"
	keySession    = "session_id"
	keyUser       = "user_id"
	keyStart      = "session_start_time"
	keyEnd        = "session_end_time"
	keyStatistics = "statistics"
	keyStages     = "sleep_stages"
	keyCreated    = "created_at"
	keyUpdated    = "updated_at"
	keyOurs       = "asleep"
	keyRev        = "asleep.rev"
	keyDate       = "asleep.local_date"
)

// document is a session as it is stored. What other programs may have written
// is decoded with an open mind, and Ours is nil in what they wrote.
type document struct {
	Key        bson.RawValue `bson:"_id"`
	SessionID  string        `bson:"session_id"`
	UserID     string        `bson:"user_id"`
	Start      bson.RawValue `bson:"session_start_time"`
	End        bson.RawValue `bson:"session_end_time"`
	Statistics bson.RawValue `bson:"statistics"`
	Stages     bson.RawValue `bson:"sleep_stages"`
	Created    bson.RawValue `bson:"created_at"`
	Updated    bson.RawValue `bson:"updated_at"`
	State      bson.RawValue `bson:"state"`
	Zone       bson.RawValue `bson:"timezone"`
	Ours       *ours         `bson:"asleep"`
}

// ours is what no other program writes. The payloads are in the form of package
// envelope.
type ours struct {
	Rev      int64         `bson:"rev"`
	State    string        `bson:"state"`
	Settled  bool          `bson:"settled"`
	Form     int32         `bson:"form"`
	Zone     string        `bson:"zone"`
	Offset   int64         `bson:"offset_s"`
	Date     int32         `bson:"local_date"` // yyyymmdd, which compares as dates do; 0 is none
	Observed bson.DateTime `bson:"observed_at"`
	Metrics  []byte        `bson:"metrics"`
	Epochs   []byte        `bson:"epochs"`
	Raw      []byte        `bson:"raw"`
}

// The names that bind a payload to its column.
const (
	columnMetrics = "sessions.metrics"
	columnEpochs  = "sessions.epochs"
	columnRaw     = "sessions.raw"
	columnWindow  = "windows.epochs"
)

// largest is what a session may come to: MongoDB's limit of a document, less
// room for what is not payload.
const largest = 16<<20 - 64<<10

// encode makes the members of a session that change with its news.
func (s *sessions) encode(v store.Session) (bson.D, error) {
	o := ours{
		Rev: v.Rev(), State: string(v.State), Settled: v.Settled, Form: int32(v.Form), Zone: v.Zone,
		Offset: int64(v.Offset / time.Second), Date: dateNumber(v.LocalDate()), Observed: date(v.Observed),
	}
	plain, err := v.Metrics.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	if o.Metrics, err = s.codec.Seal(columnMetrics, v.ID, plain); err != nil {
		return nil, err
	}
	if plain, err = v.Epochs.AppendBinary(nil); err != nil {
		return nil, err
	}
	if o.Epochs, err = s.codec.Seal(columnEpochs, v.ID, plain); err != nil {
		return nil, err
	}
	if o.Raw, err = s.codec.Seal(columnRaw, v.ID, []byte(v.Raw)); err != nil {
		return nil, err
	}
	set := bson.D{{Key: keyStart, Value: dateOrNull(v.Start)}, {Key: keyEnd, Value: dateOrNull(v.End)}}
	set = append(set, s.forOthers(v)...)
	set = append(set, bson.E{Key: keyOurs, Value: o})
	size, err := bson.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("%w: session %.100q: %w", store.ErrInvalid, v.ID, err)
	}
	if len(size) > largest {
		return nil, fmt.Errorf("%w: session %.100q comes to %d bytes, more than the %d that a document may have", store.ErrInvalid, v.ID, len(size), largest)
	}
	return set, nil
}

// forOthers makes the members that other programs read. They are null where
// payloads are to be encrypted.
func (s *sessions) forOthers(v store.Session) bson.D {
	switch {
	case s.codec.Sealer != nil:
		return bson.D{{Key: keyStatistics, Value: nil}, {Key: keyStages, Value: nil}}
	case s.cfg.Lean:
		return nil
	}
	d := bson.D{{Key: keyStatistics, Value: statistics(v)}, {Key: keyStages, Value: nil}}
	if v.Epochs.Sleep != nil {
		stages := make(bson.A, len(v.Epochs.Sleep))
		for i, stage := range v.Epochs.Sleep {
			stages[i] = int32(stage)
		}
		d[1].Value = stages
	}
	return d
}

// statistics are the figures as the service wrote them, by its own names; those
// of [store.Metrics] where the body has none.
func statistics(v store.Session) bson.D {
	var body struct {
		Stat map[string]any `json:"stat"`
	}
	figures := bson.D{}
	if v.Form == store.FormReport && json.Unmarshal([]byte(v.Raw), &body) == nil && body.Stat != nil {
		for name, value := range body.Stat {
			switch value.(type) {
			case nil, bool, float64, string:
				if isField(name) {
					figures = append(figures, bson.E{Key: name, Value: value})
				}
			}
		}
		slices.SortFunc(figures, func(a, b bson.E) int { return strings.Compare(a.Key, b.Key) })
		return figures
	}
	for m := range store.AllMetrics() {
		if f, ok := v.Metrics.Get(m); ok {
			figures = append(figures, bson.E{Key: m.String(), Value: f})
		}
	}
	return figures
}

// isField refuses names that some server or other does not take.
func isField(name string) bool {
	return name != "" && name[0] != '$' && !strings.ContainsAny(name, ".\x00")
}

// decode makes the session of a document.
func (s *sessions) decode(d document, brief bool) (v store.Session, err error) {
	if d.Ours == nil {
		return fromOthers(d, brief)
	}
	o := d.Ours
	v = store.Session{
		ID: d.SessionID, UserID: d.UserID, State: asleep.SessionState(o.State), Settled: o.Settled,
		Start: instant(d.Start), End: instant(d.End), Zone: o.Zone, Offset: time.Duration(o.Offset) * time.Second,
		Form: store.Form(o.Form), Observed: o.Observed.Time().UTC(), CreatedAt: instant(d.Created), UpdatedAt: instant(d.Updated), //nolint:gosec // it was stored as one
	}
	if v.Metrics, err = s.metrics(d); err != nil || brief {
		return v, err
	}
	plain, err := s.codec.Open(columnEpochs, v.ID, o.Epochs)
	if err != nil {
		return v, err
	}
	if err := v.Epochs.UnmarshalBinary(plain); err != nil {
		return v, err
	}
	plain, err = s.codec.Open(columnRaw, v.ID, o.Raw)
	v.Raw = string(plain)
	return v, err
}

func (s *sessions) metrics(d document) (m store.Metrics, err error) {
	plain, err := s.codec.Open(columnMetrics, d.SessionID, d.Ours.Metrics)
	if err != nil {
		return m, err
	}
	return m, m.UnmarshalBinary(plain)
}

// dateNumber writes a date as yyyymmdd.
func dateNumber(d asleep.Date) int32 {
	return int32(d.Year)*10_000 + int32(d.Month)*100 + int32(d.Day) //nolint:gosec // years of four digits
}

func date(t time.Time) bson.DateTime { return bson.DateTime(t.UnixMilli()) }

func dateOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return date(t)
}

// instant reads a date, or the text of one; anything else is not known.
func instant(v bson.RawValue) time.Time {
	if ms, ok := v.DateTimeOK(); ok {
		return time.UnixMilli(ms).UTC()
	}
	if text, ok := v.StringValueOK(); ok {
		if t, err := asleep.Timestamp(text).Time(); err == nil {
			return store.Milli(t)
		}
	}
	return time.Time{}
}
