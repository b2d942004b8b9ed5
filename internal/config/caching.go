package config

import (
	"slices"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/seal"
)

// DefaultCacheTTL is how long lists and averages are kept where nothing else is said.
const DefaultCacheTTL = 5 * time.Minute

// Caching are the settings of what is kept of the service's answers.
type Caching struct {
	// Enabled is ENABLE_CACHING; default true.
	Enabled bool
	// TTL is CACHE_TTL_SECONDS, how long lists and averages are kept; default
	// [DefaultCacheTTL]. Complete reports never change, and are kept for longer.
	TTL time.Duration
	// Redis is REDIS_URL, or in the file REDIS_URL_FILE, for it may hold a password.
	// Zero: nothing is shared with other processes. Who connects judges it.
	Redis Secret
	// Label is what the source calls the URL, for problems that are found later.
	Label string
	// Keys are those of ENCRYPTION_KEYS, as in [Database]: what is kept in Redis is
	// encrypted with them. Nil: it is kept as it is.
	Keys *seal.Keyring
}

// ReadCaching reads the group.
func ReadCaching(r *Reader) Caching {
	c := Caching{
		Enabled: r.Bool(true, "ENABLE_CACHING"),
		TTL:     r.Duration(DefaultCacheTTL, "CACHE_TTL_SECONDS"),
		Redis:   r.Secret("REDIS_URL"),
	}
	v := &r.values[len(r.values)-1]
	c.Label = v.Label
	if !c.Redis.IsZero() { // a URL is no secret as a whole: it is listed, without what is
		v.Secret, v.Text = false, ShowURL(c.Redis.Reveal())
	}
	c.Keys = readKeys(r)
	return c
}

// readKeys reads ENCRYPTION_KEYS, which several groups share and which is listed once.
func readKeys(r *Reader) *seal.Keyring {
	const name = "ENCRYPTION_KEYS"
	at := len(r.values)
	keys := r.Secret(name)
	label := r.values[at].Label
	if slices.ContainsFunc(r.values[:at], func(v Value) bool { return v.Name == name }) {
		r.values = r.values[:at]
	}
	if keys.IsZero() {
		return nil
	}
	ring, err := seal.Parse(keys.Reveal())
	if err != nil {
		r.Add(label, "is not accepted: %s: give keys of %d bytes in base64, separated by commas, the current one first",
			strings.TrimPrefix(err.Error(), "seal: "), seal.KeySize)
	}
	return ring
}
