package cache

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// Tenant stands for one account at one service: 32 hex digits made of the API
// key, which cannot be told from them.
type Tenant string

// TenantOf makes the tenant of an API key at a base URL: the same key sees other
// data elsewhere.
func TenantOf(apiKey, baseURL string) Tenant {
	mac := hmac.New(sha256.New, []byte(apiKey))
	mac.Write([]byte("asleep cache tenant\x00" + baseURL))
	return Tenant(hex.EncodeToString(mac.Sum(nil)[:digestSize]))
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
	form := appendText([]byte("asleep cache owner\x00"), tenant)
	return Owner(digest(append(form, user...)))
}

// Owner is the owner of the value.
func (k Key) Owner() Owner { return OwnerOf(k.Tenant, k.User) }

// Name is a name for the value in a shared tier: the owner, a colon, 32 hex
// digits. It holds no id. Different keys have different names; that it is so is
// not relied on, for the value itself carries its key.
func (k Key) Name() string {
	return string(k.Owner()) + ":" + digest(k.AppendBinary([]byte("asleep cache name\x00")))
}

// AppendBinary appends the unambiguous form of the whole key: its members with
// their lengths before them. Encryption binds a value to it as additional data.
func (k Key) AppendBinary(b []byte) []byte {
	k = k.normal()
	b = slices.Grow(b, len(k.Tenant)+len(k.User)+len(k.Kind)+len(k.ID)+len(k.Zone)+6*binary.MaxVarintLen32)
	b = appendText(b, k.Tenant)
	for _, member := range [...]string{k.User, k.Kind, k.ID, k.Zone} {
		b = appendText(b, member)
	}
	return binary.AppendVarint(b, int64(k.Schema))
}

const digestSize = 16

// digest is half of the SHA-256 of a form, in hex. Forms begin with a label and a
// tenant, which is as secret as the API key: without it nothing can be told from the
// digest, nor can it be carried on to that of a longer form, as half of it is missing.
func digest(form []byte) string {
	sum := sha256.Sum256(form)
	return hex.EncodeToString(sum[:digestSize])
}
