package sqlite

import (
	"bytes"
	"crypto/sha256"

	"github.com/asleep-sdk/asleep/store"
)

// The column dedupe of the inbox is made of hashes: 8 bytes of the user, 8 of the
// session, 16 of the key, 16 of the body. It is unique, tells revisions of a key
// by its last part, and finds the events of a user or session by its first ones,
// so that no insert has to keep another index. A range of hashes may hold a
// stranger: whoever selects by it compares the ids too.
const (
	userPart    = 8
	sessionPart = 16
	keyPart     = 32
	dedupeSize  = 48
)

func dedupeOf(user, session store.Tombstone, e store.Event) []byte {
	key, body := sha256.Sum256(blob(e.Key)), sha256.Sum256(blob(e.Body))
	out := make([]byte, 0, dedupeSize)
	out = append(out, user[:8]...)
	out = append(out, session[:8]...)
	out = append(out, key[:16]...)
	return append(out, body[:16]...)
}

// dedupeRange is the range of what begins as d does.
func dedupeRange(d []byte, part int) (first, last []byte) {
	first = append(bytes.Clone(d[:part]), make([]byte, dedupeSize-part)...)
	last = append(bytes.Clone(d[:part]), bytes.Repeat([]byte{0xff}, dedupeSize-part)...)
	return first, last
}

// rangeOfUser is where the events of a user are.
func rangeOfUser(user string) (first, last []byte) {
	return dedupeRange(dedupeOf(store.UserTombstone(user), store.Tombstone{}, store.Event{}), userPart)
}

// rangeOfSession is where the events of a session of a user are.
func rangeOfSession(user, session string) (first, last []byte) {
	return dedupeRange(dedupeOf(store.UserTombstone(user), store.SessionTombstone(user, session), store.Event{}), sessionPart)
}
