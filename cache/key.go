package cache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Tenant stands for one account at one service: 32 hex digits made of the API
// key, which cannot be told from them.
type Tenant string

// TenantOf makes the tenant of an API key at a base URL: the same key sees other
// data elsewhere.
func TenantOf(apiKey, baseURL string) Tenant {
	return Tenant(digest([]byte(apiKey), "asleep cache tenant", baseURL))
}

// UTC is the timezone of a key that names none: what the service renders in by
// default.
const UTC = "UTC"

// Key says what a value is. All of it is part of the identity: two keys are the
// same value only if every member is equal. Keys are comparable.
type Key struct {
	Tenant Tenant
	User   string // the user id as the service knows it
	Kind   string // of the value, such as "session"
	ID     string // of a session, or a query in canonical form
	Zone   string // the timezone that the value is rendered in; "" is UTC
	Schema int    // version of what Kind decodes to
}

// normal is the key with the default timezone named.
func (k Key) normal() Key {
	if k.Zone == "" {
		k.Zone = UTC
	}
	return k
}

// Owner stands for one user of one tenant: 32 hex digits, from which the user id
// cannot be told without the API key. It is what far tiers and buses know of a
// user.
type Owner string

// OwnerOf makes the owner of a user's values.
func OwnerOf(tenant Tenant, user string) Owner {
	return Owner(digest([]byte(tenant), "asleep cache owner", user))
}

// Owner is the owner of the value.
func (k Key) Owner() Owner { return OwnerOf(k.Tenant, k.User) }

// Name is a name for the value in a shared tier: the owner, a colon, 32 hex
// digits. It holds no id. Different keys have different names; that it is so is
// not relied on, for the value itself carries its key.
func (k Key) Name() string {
	return string(k.Owner()) + ":" + digest([]byte(k.Tenant), "asleep cache name", string(k.AppendBinary(nil)))
}

// AppendBinary appends the unambiguous form of the whole key: its members with
// their lengths before them. Encryption binds a value to it as additional data.
func (k Key) AppendBinary(b []byte) []byte {
	k = k.normal()
	for _, member := range [...]string{string(k.Tenant), k.User, k.Kind, k.ID, k.Zone} {
		b = binary.AppendUvarint(b, uint64(len(member)))
		b = append(b, member...)
	}
	return binary.AppendVarint(b, int64(k.Schema))
}

// digest is the first 16 bytes of the HMAC-SHA256 of labelled text, in hex. A
// label has no zero byte, so that no two pairs of label and text are alike.
func digest(secret []byte, label, text string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(label))
	mac.Write([]byte{0})
	mac.Write([]byte(text))
	var sum [sha256.Size]byte
	return hex.EncodeToString(mac.Sum(sum[:0])[:16])
}
