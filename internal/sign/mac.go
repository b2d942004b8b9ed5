package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// MAC computes HMAC-SHA256 with one key, any number at once.
type MAC struct{ pool sync.Pool }

type state struct {
	hash   hash.Hash
	prefix []byte
	sum    Digest
}

// NewMAC keeps a copy of the key.
func NewMAC(key []byte) *MAC {
	key = append([]byte(nil), key...)
	return &MAC{pool: sync.Pool{New: func() any { return &state{hash: hmac.New(sha256.New, key)} }}}
}

// Body is the MAC of a body alone.
func (m *MAC) Body(body []byte) Digest { return m.message("", "", body) }

// Message is the MAC of id.timestamp.body.
func (m *MAC) Message(id, timestamp string, body []byte) Digest {
	return m.message(id, timestamp, body)
}

func (m *MAC) message(id, timestamp string, body []byte) Digest {
	s, _ := m.pool.Get().(*state)
	defer m.pool.Put(s)
	s.hash.Reset()
	if id != "" {
		s.prefix = append(append(append(append(s.prefix[:0], id...), '.'), timestamp...), '.')
		s.hash.Write(s.prefix)
	}
	s.hash.Write(body)
	s.hash.Sum(s.sum[:0])
	return s.sum
}
