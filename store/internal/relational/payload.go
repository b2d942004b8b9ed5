package relational

import (
	"unsafe"

	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/envelope"
)

// The names that bind a payload to its column. They are part of what is stored.
const (
	ColumnMetrics = "sessions.metrics"
	ColumnEpochs  = "sessions.epochs"
	ColumnRaw     = "sessions.raw"
	ColumnWindow  = "windows.epochs"
	ColumnBody    = "inbox.body"
	ColumnReason  = "notes.reason"
)

// Payload is the sealed columns of a session.
type Payload struct{ Metrics, Epochs, Raw []byte }

// SealSession seals what a session is made of.
func SealSession(c envelope.Codec, v store.Session) (p Payload, err error) {
	plain, err := v.Metrics.AppendBinary(nil)
	if err != nil {
		return p, err
	}
	if p.Metrics, err = c.Seal(ColumnMetrics, v.ID, plain); err != nil {
		return p, err
	}
	if plain, err = v.Epochs.AppendBinary(plain[:0]); err != nil {
		return p, err
	}
	if p.Epochs, err = c.Seal(ColumnEpochs, v.ID, plain); err != nil {
		return p, err
	}
	p.Raw, err = c.Seal(ColumnRaw, v.ID, Bytes(v.Raw))
	return p, err
}

// OpenMetrics reads the figures of v, whose ID is set.
func (p Payload) OpenMetrics(c envelope.Codec, v *store.Session) error {
	plain, err := c.Open(ColumnMetrics, v.ID, p.Metrics)
	if err != nil {
		return err
	}
	return v.Metrics.UnmarshalBinary(plain)
}

// OpenBody reads the epochs and the body of v, whose ID is set.
func (p Payload) OpenBody(c envelope.Codec, v *store.Session) error {
	plain, err := c.Open(ColumnEpochs, v.ID, p.Epochs)
	if err != nil {
		return err
	}
	if err := v.Epochs.UnmarshalBinary(plain); err != nil {
		return err
	}
	raw, err := c.Open(ColumnRaw, v.ID, p.Raw)
	v.Raw = string(raw)
	return err
}

// Bytes lends the bytes of a string to a driver that only reads them.
func Bytes(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // read only
}
