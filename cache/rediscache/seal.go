package rediscache

import (
	"bytes"
	"fmt"
	"unsafe"

	"github.com/asleep-sdk/asleep/cache"
)

// bound is what a value is bound to: its full key. The label keeps it apart from what else
// is sealed with the same keys.
func bound(key cache.Key) []byte {
	return key.AppendBinary([]byte("asleep rediscache 1\x00"))
}

// seal is a value as it is stored. The bytes are not the caller's, who may have left
// before they are sent.
func (t *Tier) seal(key cache.Key, value []byte) ([]byte, error) {
	if t.sealer == nil {
		return bytes.Clone(value), nil
	}
	sealed, err := t.sealer.Seal(value, bound(key))
	if err != nil {
		return nil, fmt.Errorf("asleep/rediscache: encrypt: %w", err)
	}
	return sealed, nil
}

// unopened stands for what does not open, and for what is empty: it is no envelope, so the
// cache removes it.
const unopened = "?"

// open is a stored value as the cache knows it: "" if there is none. It is a part of what
// Redis answered, which belongs to this call alone; so a Sealer may even write to it.
func (t *Tier) open(key cache.Key, stored any) string {
	text, ok := stored.(string)
	switch {
	case !ok:
		return ""
	case text == "":
		return unopened
	case t.sealer == nil:
		return text
	}
	sealed := unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // nobody else has it
	value, err := t.sealer.Open(sealed, bound(key))
	if err != nil || len(value) == 0 {
		return unopened
	}
	return unsafe.String(unsafe.SliceData(value), len(value)) //nolint:gosec // Sealer: nobody keeps it
}
