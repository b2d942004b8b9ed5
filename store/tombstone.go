package store

import "crypto/sha256"

// Tombstone is how an erased user or session is remembered: a hash, so that
// erasing leaves no id behind.
type Tombstone [16]byte

// UserTombstone is that of a user.
func UserTombstone(user string) Tombstone { return tombstone("user", user) }

// SessionTombstone is that of a session of a user.
func SessionTombstone(user, id string) Tombstone { return tombstone("session", user+"\x00"+id) }

func tombstone(kind, id string) Tombstone {
	sum := sha256.Sum256([]byte(kind + "\x00" + id))
	return Tombstone(sum[:16])
}
