package rediscache

import (
	"bytes"
	"fmt"

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

// open is a stored value as the cache knows it: nil if there is none, and empty, which
// is no envelope, if it does not open: the cache removes it then.
func (t *Tier) open(key cache.Key, stored any) []byte {
	text, ok := stored.(string)
	switch {
	case !ok:
		return nil
	case t.sealer == nil:
		return []byte(text)
	}
	value, err := t.sealer.Open([]byte(text), bound(key))
	if err != nil || value == nil {
		return []byte{}
	}
	return value
}
