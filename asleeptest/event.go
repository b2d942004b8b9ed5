package asleeptest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/asleep-sdk/asleep"
)

// Event is the form in which an event of a session is told. The zero value is a
// SESSION_COMPLETE of version 3, nested.
type Event struct {
	Kind    asleep.WebhookEvent   // defaults to SESSION_COMPLETE; others are told as unknown ones
	Version asleep.WebhookVersion // V1, V2 or V3; defaults to V3
	Flat    bool                  // of V3: the payload is the body

	// UserInHeader leaves the user out of the body.
	UserInHeader bool

	// Seq is the inference_seq_num of an INFERENCE_COMPLETE: its last epoch is
	// number 10*Seq + 9. Epochs is how many it tells, fewer at the start; defaults to 10.
	Seq, Epochs int
}

// EventBody returns the body of an event as the service would send it now, and
// the user whose session it is. It fails if there is no such session, or if it
// does not have the epochs yet.
func (s *Server) EventBody(sessionID string, e Event) (body, userID string, err error) {
	e.Kind = cmp.Or(e.Kind, asleep.WebhookEventSessionComplete)
	e.Version = cmp.Or(e.Version, asleep.WebhookVersionV3)
	e.Epochs = cmp.Or(e.Epochs, windowEpochs)
	now := time.Now()
	userID, ok := s.Owner(sessionID)
	if !ok {
		return "", "", fmt.Errorf("asleeptest: no session %q to tell of", sessionID)
	}
	r, ok := s.session(userID, sessionID, now)
	if !ok {
		return "", "", fmt.Errorf("asleeptest: no session %q to tell of", sessionID)
	}
	var payload []byte
	switch e.Kind {
	case asleep.WebhookEventSessionComplete:
		payload = e.complete(r, userID, now)
	case asleep.WebhookEventInferenceComplete:
		if payload, err = e.inference(r, userID, now); err != nil {
			return "", "", err
		}
	default:
		payload = append(e.ids(nil, userID), `"session":{"id":`...)
		payload = append(appendString(payload, r.id), '}')
	}
	return string(e.wrap(payload, now)), userID, nil
}

// windowEpochs is how far an inference lies behind the one before.
const windowEpochs = 10

// wrap puts the members of a payload into the envelope of the version.
func (e Event) wrap(members []byte, now time.Time) []byte {
	prefix, payload := "", "data"
	if e.Version != asleep.WebhookVersionV3 {
		prefix, payload = "callback_", "callback_data"
	}
	b := append([]byte(`{"`+prefix+`event":`), appendString(nil, string(e.Kind))...)
	if e.Version != asleep.WebhookVersionV1 {
		b = append(b, `,"`+prefix+`version":`...)
		b = appendString(b, string(e.Version))
	}
	if e.Version == asleep.WebhookVersionV3 && e.Flat {
		b = append(b, `,"timestamp":"`...)
		b = append(now.UTC().AppendFormat(b, time.RFC3339), `",`...)
		return append(append(b, members...), '}')
	}
	b = append(b, `,"`+payload+`":{`...)
	return append(append(b, members...), "}}"...)
}

// ids appends what names the user, with a comma behind it.
func (e Event) ids(b []byte, user string) []byte {
	if e.UserInHeader {
		return b
	}
	return append(appendString(append(b, `"user_id":`...), user), ',')
}

func (e Event) complete(r *recording, user string, now time.Time) []byte {
	report := appendReport(nil, r, now, utc)
	b := e.ids(nil, user)
	if e.Version == asleep.WebhookVersionV1 || e.Version == asleep.WebhookVersionV3 && e.Flat {
		b = append(appendString(append(b, `"session_id":`...), r.id), ',')
	}
	if e.Version == asleep.WebhookVersionV1 {
		return append(append(b, `"sleep_data":`...), report...)
	}
	return append(b, report[1:len(report)-1]...)
}

func (e Event) inference(r *recording, user string, now time.Time) ([]byte, error) {
	end := windowEpochs * (e.Seq + 1)
	if known := min(r.recorded(now), len(newNight(r).stages)); e.Seq < 0 || end > known {
		return nil, fmt.Errorf("asleeptest: inference %d of session %q ends with epoch %d: it has %d so far", e.Seq, r.id, end-1, known)
	}
	start, n := max(end-e.Epochs, 0), newNight(r).cut(end)
	window := func(values []int8) []int8 {
		if values == nil {
			return nil
		}
		return values[start:]
	}
	b := appendString(append(e.ids(nil, user), `"session_id":`...), r.id)
	b = append(b, fmt.Sprintf(`,"seq_num":%d,"inference_seq_num":%d`, end-1, e.Seq)...)
	names := []struct {
		name   string
		values []int8
	}{{"sleep_stages", n.stages}, {"breath_stages", nil}, {"snoring_stages", n.snoring}}
	switch e.Version {
	case asleep.WebhookVersionV1:
		names[0].name, names[1].name, names[1].values, names = "stage_list", "osa_stage_list", n.breath, names[:2]
	case asleep.WebhookVersionV2:
		names[0].name, names[1] = "stage_list", names[2]
		names = names[:2]
	case asleep.WebhookVersionV3:
	}
	for _, m := range names {
		b = append(b, `,"`+m.name+`":`...)
		b = appendEpochs(b, window(m.values))
	}
	if e.Version == asleep.WebhookVersionV3 && e.Flat {
		from, to := r.start.Add(time.Duration(start)*asleep.EpochLength), r.start.Add(time.Duration(end)*asleep.EpochLength)
		b = append(b, `,"time_window":{"start":`...)
		b = appendTime(b, from, time.UTC)
		b = append(b, `,"end":`...)
		b = append(appendTime(b, to, time.UTC), '}')
	}
	return b, nil
}
