package relational

import (
	"bytes"
	"crypto/sha256"

	"github.com/asleep-sdk/asleep/store"
)

// A Key is how an inbox knows an event: 8 bytes of the hash of its user, 8 of
// its session, 16 of its key, and then 16 of its body, which tell revisions
// apart. It is unique, and finds the events of a user or session by its first
// bytes, so that no insert has to keep another index. A range of hashes may hold
// a stranger: whoever selects by it compares the ids too.
type Key [48]byte

// The parts of a key, by where they end.
const (
	userPart    = 8
	sessionPart = 16
	EventPart   = 32 // what all revisions of an event share
)

// KeyOf is the key of an event, whose tombstones are given as they are at hand.
func KeyOf(user, session store.Tombstone, e store.Event) (k Key) {
	key, body := sha256.Sum256(Bytes(e.Key)), sha256.Sum256(Bytes(e.Body))
	copy(k[:], user[:userPart])
	copy(k[userPart:], session[:sessionPart-userPart])
	copy(k[sessionPart:], key[:EventPart-sessionPart])
	copy(k[EventPart:], body[:len(k)-EventPart])
	return k
}

// KeyRange is the range of what begins as k does, cut to size bytes.
func (k Key) KeyRange(part, size int) (first, last []byte) {
	first = append(bytes.Clone(k[:part]), make([]byte, size-part)...)
	last = append(bytes.Clone(k[:part]), bytes.Repeat([]byte{0xff}, size-part)...)
	return first, last
}

// UserRange is where the events of a user are, in keys cut to size bytes.
func UserRange(user string, size int) (first, last []byte) {
	return KeyOf(store.UserTombstone(user), store.Tombstone{}, store.Event{}).KeyRange(userPart, size)
}

// SessionRange is where the events of a session of a user are.
func SessionRange(user, session string, size int) (first, last []byte) {
	return KeyOf(store.UserTombstone(user), store.SessionTombstone(user, session), store.Event{}).KeyRange(sessionPart, size)
}
