package envelope

import (
	"fmt"

	"github.com/asleep-sdk/asleep/store"
)

const (
	plainMark  = 0
	sealedMark = 1
)

// Codec seals and opens payloads. Without a Sealer it stores them as they are.
// It may be used from several goroutines if its Sealer may.
type Codec struct{ Sealer store.Sealer }

// Seal returns the stored form of plain; it shares no memory with it.
func (c Codec) Seal(column, id string, plain []byte) ([]byte, error) {
	if len(plain) == 0 {
		return nil, nil
	}
	if c.Sealer == nil {
		out := make([]byte, 1, 1+len(plain))
		out[0] = plainMark
		return append(out, plain...), nil
	}
	sealed, err := c.Sealer.Seal(plain, additional(column, id))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", column, err)
	}
	return append([]byte{sealedMark}, sealed...), nil
}

// Open returns the payload of its stored form; it may share memory with it.
func (c Codec) Open(column, id string, stored []byte) ([]byte, error) {
	switch {
	case len(stored) == 0:
		return nil, nil
	case stored[0] == plainMark:
		return stored[1:], nil
	case stored[0] != sealedMark:
		return nil, fmt.Errorf("%w: %s begins with byte %d", store.ErrCorrupt, column, stored[0])
	case c.Sealer == nil:
		return nil, fmt.Errorf("%w: %s is encrypted, and no keys are configured", store.ErrSealed, column)
	}
	plain, err := c.Sealer.Open(stored[1:], additional(column, id))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", store.ErrSealed, column, err)
	}
	return plain, nil
}

// Current reports whether Seal would give the same form: sealed with the current
// key, or plain if there is no Sealer.
func (c Codec) Current(stored []byte) bool {
	switch {
	case len(stored) == 0:
		return true
	case c.Sealer == nil:
		return stored[0] == plainMark
	}
	return stored[0] == sealedMark && c.Sealer.Current(stored[1:])
}

func additional(column, id string) []byte { return []byte(column + "\x00" + id) }
