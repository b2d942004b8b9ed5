package store

import (
	"slices"
	"time"

	"github.com/asleep-sdk/asleep"
)

// maxSeq bounds the number of a window, and with it the memory of a partial
// night: over a month of recording.
const maxSeq = 10_000

// Window is the epochs that one INFERENCE_COMPLETE event brings. Its last epoch
// is number 10*Seq + 9 of the session, counted from 0.
type Window struct {
	SessionID string
	UserID    string
	Seq       int // inference_seq_num
	Epochs    Epochs
	Observed  time.Time // when it was delivered
}

// Normalize checks the window and rounds its instant. Backends call it first
// thing. The error matches [ErrInvalid].
func (w Window) Normalize() (Window, error) {
	if err := CheckID("session id", w.SessionID); err != nil {
		return Window{}, err
	}
	if err := CheckID("user id", w.UserID); err != nil {
		return Window{}, err
	}
	if w.Seq < 0 || w.Seq > maxSeq {
		return Window{}, invalid("window %d of session %q is not between 0 and %d", w.Seq, w.SessionID, maxSeq)
	}
	if n := max(len(w.Epochs.Sleep), len(w.Epochs.Breath), len(w.Epochs.Snoring)); n > lastEpoch(w.Seq)+1 {
		return Window{}, invalid("window %d of session %q holds %d epochs and would begin before the session", w.Seq, w.SessionID, n)
	}
	if w.Observed.UnixMilli() <= 0 || !inYears(w.Observed) {
		return Window{}, invalid("window %d of session %q was observed at no time, or before 1970", w.Seq, w.SessionID)
	}
	w.Observed = Milli(w.Observed)
	return w, nil
}

func lastEpoch(seq int) int { return 10*seq + 9 }

// Partial is what is known of a night while it is recorded. Epochs that no
// window has covered yet are -1, unknown.
type Partial struct {
	SessionID string
	UserID    string
	Seq       int // the highest that has come
	Windows   int // how many have come
	Epochs    Epochs
	UpdatedAt time.Time // when the newest window was observed
}

// Began is about when the recording began: the newest window ends with the epoch that had
// just been measured, if it was delivered at once and is the highest that has come.
func (p Partial) Began() time.Time {
	return p.UpdatedAt.Add(-time.Duration(lastEpoch(p.Seq)+1) * asleep.EpochLength)
}

// Assemble places windows of one session by their numbers; where they overlap
// the higher number wins. No windows give a zero Partial. Backends use it.
func Assemble(windows []Window) Partial {
	windows = slices.Clone(windows)
	slices.SortFunc(windows, func(a, b Window) int { return a.Seq - b.Seq })
	var p Partial
	for _, w := range windows {
		p.SessionID, p.UserID, p.Seq = w.SessionID, w.UserID, w.Seq
		p.Windows++
		place(&p.Epochs.Sleep, w.Epochs.Sleep, w.Seq, asleep.StageUnknown)
		place(&p.Epochs.Breath, w.Epochs.Breath, w.Seq, asleep.BreathUnknown)
		place(&p.Epochs.Snoring, w.Epochs.Snoring, w.Seq, asleep.SnoringUnknown)
		if w.Observed.After(p.UpdatedAt) {
			p.UpdatedAt = w.Observed
		}
	}
	return p
}

func place[S ~[]T, T ~int8](into *S, window S, seq int, unknown T) {
	end := lastEpoch(seq) + 1
	if len(window) == 0 || len(window) > end {
		return
	}
	for len(*into) < end {
		*into = append(*into, unknown)
	}
	copy((*into)[end-len(window):end], window)
}
