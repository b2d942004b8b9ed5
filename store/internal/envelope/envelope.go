package envelope

import (
	"fmt"
	"slices"

	"github.com/asleep-sdk/asleep/store"
)

// The byte in front: two bits that say what was done to the payload. Compressing
// comes before sealing, for what is sealed does not compress.
const (
	sealedBit     = 1
	compressedBit = 2
	knownBits     = sealedBit | compressedBit
)

// Codec seals and opens payloads. Without a Sealer they are not encrypted. It may
// be used from several goroutines if its Sealer may.
type Codec struct{ Sealer store.Sealer }

// Seal returns the stored form of plain; it shares no memory with it.
func (c Codec) Seal(column, id string, plain []byte) ([]byte, error) {
	if len(plain) == 0 {
		return nil, nil
	}
	mark := byte(0)
	out, smaller, err := compress([]byte{compressedBit}, plain)
	switch {
	case err != nil:
		return nil, fmt.Errorf("seal %s: %w", column, err)
	case smaller:
		mark, plain = compressedBit, out[1:]
	}
	switch {
	case c.Sealer != nil:
		sealed, err := c.Sealer.Seal(plain, additional(column, id))
		if err != nil {
			return nil, fmt.Errorf("seal %s: %w", column, err)
		}
		return append([]byte{mark | sealedBit}, sealed...), nil
	case smaller:
		return slices.Clip(out), nil
	}
	out = make([]byte, 1, 1+len(plain))
	return append(out, plain...), nil
}

// Open returns the payload of its stored form; it may share memory with it.
func (c Codec) Open(column, id string, stored []byte) (_ []byte, err error) {
	if len(stored) == 0 {
		return nil, nil
	}
	mark, plain := stored[0], stored[1:]
	if mark&^knownBits != 0 {
		return nil, fmt.Errorf("%w: %s begins with byte %d", store.ErrCorrupt, column, mark)
	}
	if mark&sealedBit != 0 {
		if c.Sealer == nil {
			return nil, fmt.Errorf("%w: %s is encrypted, and no keys are configured", store.ErrSealed, column)
		}
		if plain, err = c.Sealer.Open(plain, additional(column, id)); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", store.ErrSealed, column, err)
		}
	}
	if mark&compressedBit != 0 {
		return decompress(column, plain)
	}
	return plain, nil
}

// Current reports whether the payload is protected as Seal would protect it:
// sealed with the current key, or not sealed if there is no Sealer. Compressed
// or not is no matter.
func (c Codec) Current(stored []byte) bool {
	switch {
	case len(stored) == 0:
		return true
	case c.Sealer == nil:
		return stored[0]&sealedBit == 0
	}
	return stored[0]&sealedBit != 0 && c.Sealer.Current(stored[1:])
}

func additional(column, id string) []byte { return []byte(column + "\x00" + id) }
