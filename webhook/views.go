package webhook

import (
	"encoding/json"
	"fmt"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

// Session decodes the report of a SESSION_COMPLETE, of all versions. Its
// Session.ID is always the event's SessionID. The error matches [ErrUndecodable],
// also for an event of another kind, for a body without a session in it, and for
// one that names two.
func (e Event) Session() (*asleep.Report, error) {
	if e.Kind != asleep.WebhookEventSessionComplete {
		return nil, e.notA(asleep.WebhookEventSessionComplete)
	}
	if e.report == "" {
		return nil, fmt.Errorf("%w: the body has no session object", ErrUndecodable)
	}
	r, err := asleep.ParseReport(e.report)
	if err != nil {
		return nil, fmt.Errorf("%w: report: %w", ErrUndecodable, err)
	}
	if r.Session.ID == "" {
		r.Session.ID = e.SessionID
	}
	if r.Session.ID != e.SessionID {
		return nil, fmt.Errorf("%w: the body is about session %.40q and holds session %.40q", ErrUndecodable, e.SessionID, r.Session.ID)
	}
	return r, nil
}

func (e Event) notA(kind asleep.WebhookEvent) error {
	return fmt.Errorf("%w: a %.40q is no %s", ErrUndecodable, e.Kind, kind)
}

// StoreSession is the report as a store takes it, observed when it was received.
// Errors: as [Event.Session], and [store.ErrInvalid].
func (e Event) StoreSession() (store.Session, error) {
	r, err := e.Session()
	if err != nil {
		return store.Session{}, err
	}
	return store.FromReport(e.UserID, r, e.Received)
}

// Inference decodes the window of an INFERENCE_COMPLETE, of all versions: what
// older ones call stage_list and osa_stage_list is in SleepStages and
// BreathStages. The ids are those of the event, and InferenceSeqNum is never nil.
// Errors as [Event.Session]; [ErrIncomplete] if there is no inference_seq_num.
func (e Event) Inference() (*asleep.InferenceData, error) {
	if e.Kind != asleep.WebhookEventInferenceComplete {
		return nil, e.notA(asleep.WebhookEventInferenceComplete)
	}
	if e.seq == noSeq {
		return nil, e.Check()
	}
	d := new(asleep.InferenceData)
	if err := json.Unmarshal([]byte(e.Payload), d); err != nil {
		return nil, fmt.Errorf("%w: window: %w", ErrUndecodable, err)
	}
	if d.SleepStages == nil {
		d.SleepStages = d.StageList
	}
	if d.BreathStages == nil {
		d.BreathStages = d.OsaStageList
	}
	seq := asleep.Int(e.seq)
	d.InferenceSeqNum, d.UserID, d.SessionID = &seq, e.UserID, e.SessionID
	return d, nil
}

// StoreWindow is the window as a store takes it, observed when it was received.
// Errors: as [Event.Inference], and [store.ErrInvalid].
func (e Event) StoreWindow() (store.Window, error) {
	d, err := e.Inference()
	if err != nil {
		return store.Window{}, err
	}
	return store.Window{
		SessionID: e.SessionID, UserID: e.UserID, Seq: e.seq, Observed: e.Received,
		Epochs: store.Epochs{Sleep: d.SleepStages, Breath: d.BreathStages, Snoring: d.SnoringStages},
	}.Normalize()
}
