package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/asleep-sdk/asleep"
)

// Epochs are the three series of a session, one value per 30 seconds. Each may be
// nil, which is not the same as empty, and their lengths may differ.
type Epochs struct {
	Sleep   asleep.Stages
	Breath  asleep.BreathStages
	Snoring asleep.SnoringStages
}

// Clone returns a copy that shares no memory.
func (e Epochs) Clone() Epochs {
	return Epochs{slices.Clone(e.Sleep), slices.Clone(e.Breath), slices.Clone(e.Snoring)}
}

// IsZero reports whether all three are nil.
func (e Epochs) IsZero() bool { return e.Sleep == nil && e.Breath == nil && e.Snoring == nil }

// AppendBinary appends the form in which backends store epochs: for each series
// its length plus one as a varint, 0 for nil, then one byte an epoch.
func (e Epochs) AppendBinary(b []byte) ([]byte, error) {
	if e.IsZero() {
		return b, nil
	}
	b = slices.Grow(b, len(e.Sleep)+len(e.Breath)+len(e.Snoring)+3*binary.MaxVarintLen32)
	b = appendSeries(b, e.Sleep)
	b = appendSeries(b, e.Breath)
	return appendSeries(b, e.Snoring), nil
}

// UnmarshalBinary reads what AppendBinary wrote; it keeps nothing of b. The error
// matches [ErrCorrupt].
func (e *Epochs) UnmarshalBinary(b []byte) (err error) {
	*e = Epochs{}
	if len(b) == 0 {
		return nil
	}
	var out Epochs
	if b, err = readSeries(b, (*[]asleep.Stage)(&out.Sleep)); err != nil {
		return err
	}
	if b, err = readSeries(b, (*[]asleep.BreathStage)(&out.Breath)); err != nil {
		return err
	}
	if b, err = readSeries(b, (*[]asleep.SnoringStage)(&out.Snoring)); err != nil {
		return err
	}
	if len(b) > 0 {
		return fmt.Errorf("%w: %d bytes after the epochs", ErrCorrupt, len(b))
	}
	*e = out
	return nil
}

func appendSeries[T ~int8](b []byte, series []T) []byte {
	if series == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(series))+1)
	for _, v := range series {
		b = append(b, byte(v))
	}
	return b
}

func readSeries[T ~int8](b []byte, into *[]T) ([]byte, error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size)+1 { //nolint:gosec // size is at most len(b)
		return nil, fmt.Errorf("%w: epochs are cut off", ErrCorrupt)
	}
	b = b[size:]
	if n == 0 {
		return b, nil
	}
	series := make([]T, n-1)
	for i := range series {
		series[i] = T(b[i])
	}
	*into = series
	return b[n-1:], nil
}
