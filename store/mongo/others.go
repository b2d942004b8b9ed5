package mongo

import (
	"encoding/json"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// fromOthers reads a document that another program wrote: session_id, user_id,
// times, statistics and sleep_stages, perhaps more, and nothing of ours. It
// becomes a report in the service's shape, made of those.
func fromOthers(d document, brief bool) (store.Session, error) {
	if store.CheckID("session id", d.SessionID) != nil || store.CheckID("user id", d.UserID) != nil {
		return store.Session{}, fmt.Errorf("%w: the document %s has no session_id or no user_id that is a text", store.ErrCorrupt, d.Key)
	}
	start, end := instant(d.Start), instant(d.End)
	created, updated := instant(d.Created), instant(d.Updated)
	state, _ := d.State.StringValueOK()
	zone, _ := d.Zone.StringValueOK()
	body, err := json.Marshal(map[string]any{
		"timezone": zone,
		"session": map[string]any{
			"id": d.SessionID, "state": state, "created_timezone": zone,
			"start_time": timestamp(start), "end_time": timestamp(end), "sleep_stages": plain(d.Stages),
		},
		"stat": plain(d.Statistics),
	})
	if err != nil {
		return store.Session{}, fmt.Errorf("%w: session %.100q: %w", store.ErrCorrupt, d.SessionID, err)
	}
	report, err := asleep.ParseReport(string(body))
	if err != nil {
		return store.Session{}, fmt.Errorf("%w: session %.100q: %w", store.ErrCorrupt, d.SessionID, err)
	}
	observed := firstKnown(updated, created, end, start, time.UnixMilli(1).UTC())
	v, err := store.FromReport(d.UserID, report, observed)
	if err != nil {
		return store.Session{}, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	// Whether it is final, nobody has said: any news of the service replaces it.
	v.Settled = false
	// The text has whole seconds, and where it was recorded is not known: its
	// dates are those of UTC, by which lists look for it.
	v.Start, v.End, v.Offset = start, end, 0
	v.CreatedAt, v.UpdatedAt = firstKnown(created, observed), observed
	if brief {
		v.Raw, v.Epochs = "", store.Epochs{}
	}
	return v, nil
}

// plain is a value as JSON has it; nil for what is no document and no array.
func plain(v bson.RawValue) any {
	if v.Type == bson.TypeEmbeddedDocument {
		members := map[string]any{}
		list, err := v.Document().Elements()
		if err != nil {
			return nil
		}
		for _, e := range list {
			members[e.Key()] = scalar(e.Value())
		}
		return members
	}
	if v.Type == bson.TypeArray {
		list, err := v.Array().Values()
		if err != nil {
			return nil
		}
		values := make([]any, len(list))
		for i, e := range list {
			values[i] = scalar(e)
		}
		return values
	}
	return nil
}

// scalar is a number, a text, a truth or an instant; nil for anything else.
func scalar(v bson.RawValue) any {
	if n, ok := v.AsInt64OK(); ok && v.Type != bson.TypeDouble {
		return n
	}
	if f, ok := v.DoubleOK(); ok {
		if _, err := json.Marshal(f); err != nil { // not a finite number
			return nil
		}
		return f
	}
	if text, ok := v.StringValueOK(); ok {
		return text
	}
	if b, ok := v.BooleanOK(); ok {
		return b
	}
	if ms, ok := v.DateTimeOK(); ok {
		return timestamp(time.UnixMilli(ms).UTC())
	}
	return nil
}

func timestamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return asleep.NewTimestamp(t)
}

func firstKnown(list ...time.Time) time.Time {
	for _, t := range list {
		if t.UnixMilli() > 0 {
			return t
		}
	}
	return time.Time{}
}
