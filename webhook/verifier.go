package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asleep-sdk/asleep/internal/sign"
)

// Mode says what makes a delivery authentic.
type Mode uint8

// The modes.
const (
	// ModeSignature wants a signature, always: by the documents' scheme beside a
	// right x-api-key, or by Standard Webhooks.
	ModeSignature Mode = iota

	// ModeKey takes a right x-api-key alone, as the service signs nothing. A body
	// that is signed all the same is checked if there are Secrets.
	ModeKey
)

// String is the word that settings use: signature or key.
func (m Mode) String() string {
	if m == ModeKey {
		return "key"
	}
	return "signature"
}

// DefaultTolerance is how far the timestamp of a Standard Webhooks message may
// lie in the past or in the future.
const DefaultTolerance = 5 * time.Minute

// VerifierConfig says what is accepted. Secrets and keys are listed several at a
// time while they are rotated; any of them will do.
type VerifierConfig struct {
	Mode Mode

	// Secrets are those that bodies are signed with: used verbatim by the
	// documents' scheme, and as base64 after an optional whsec_ by Standard
	// Webhooks; one that is no base64 serves the former alone. Required in
	// ModeSignature.
	Secrets []string

	// Keys are the API keys that x-api-key may hold. Required in ModeKey;
	// without them only Standard Webhooks are accepted.
	Keys []string

	// Tolerance of timestamps, in whole seconds; 0 means [DefaultTolerance],
	// negative any age.
	Tolerance time.Duration
}

// check reports everything that is wrong, by position, for a secret is never
// quoted.
func (c VerifierConfig) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("webhook: "+format, args...)) }
	if c.Mode > ModeKey {
		bad("mode %d is not known: want ModeSignature or ModeKey", c.Mode)
	}
	for what, list := range map[string][]string{"secret": c.Secrets, "key": c.Keys} {
		for i, text := range list {
			switch {
			case text == "":
				bad("%s %d of %d is empty: everybody could make it up", what, i+1, len(list))
			case strings.TrimSpace(text) != text:
				bad("%s %d of %d has spaces around it: a mistake of copying?", what, i+1, len(list))
			}
		}
	}
	for i, secret := range c.Secrets {
		if _, err := sign.StandardKey(secret); err != nil && strings.HasPrefix(secret, sign.Prefix) {
			bad("secret %d of %d begins with whsec_, but what follows is no base64: copy it again", i+1, len(c.Secrets))
		}
	}
	switch {
	case c.Mode == ModeSignature && len(c.Secrets) == 0:
		bad("no secret: signatures cannot be checked; give Secrets, or choose ModeKey, in which the API key alone is proof and every event should be confirmed")
	case c.Mode == ModeKey && len(c.Keys) == 0:
		bad("no key: ModeKey has nothing to compare x-api-key with; give Keys")
	}
	return errors.Join(errs...)
}

// Verifier tells authentic deliveries. Its methods may be called from any number
// of goroutines.
type Verifier struct {
	mu  sync.Mutex // of Replace
	now atomic.Pointer[accepted]
}

// accepted is one configuration, which never changes.
type accepted struct {
	mode      Mode
	tolerance int64 // seconds; negative: any age
	secrets   []*secret
	keys      []*key
}

type secret struct {
	digest   sign.Digest
	hex      *sign.MAC
	standard *sign.MAC // nil: no base64
	use      *use
}

type key struct {
	digest sign.Digest
	use    *use
}

// use outlives the configuration: it follows its secret or key by digest.
type use struct {
	accepted atomic.Uint64
	last     atomic.Int64 // unix seconds
}

func (u *use) count(now time.Time) {
	u.accepted.Add(1)
	if s := now.Unix(); u.last.Load() != s {
		u.last.Store(s)
	}
}

// NewVerifier refuses a configuration that would accept everybody or nobody, and
// says everything that is wrong with it at once, quoting no secret.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	v := new(Verifier)
	if err := v.Replace(c); err != nil {
		return nil, err
	}
	return v, nil
}

// Replace changes what is accepted, at once for all deliveries that have not
// been admitted yet. What is kept goes on counting. On error nothing changes.
func (v *Verifier) Replace(c VerifierConfig) error {
	if err := c.check(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.now.Load()
	if old == nil {
		old = new(accepted)
	}
	a := &accepted{mode: c.Mode, tolerance: int64(c.Tolerance / time.Second)}
	if c.Tolerance == 0 {
		a.tolerance = int64(DefaultTolerance / time.Second)
	} else if c.Tolerance < 0 {
		a.tolerance = -1
	}
	for _, text := range c.Secrets {
		a.secrets = append(a.secrets, newSecret(text, old.secrets))
	}
	for _, text := range c.Keys {
		a.keys = append(a.keys, newKey(text, old.keys))
	}
	v.now.Store(a)
	return nil
}

func newSecret(text string, old []*secret) *secret {
	s := &secret{digest: sign.DigestOf(text), hex: sign.NewMAC([]byte(text)), use: new(use)}
	if key, err := sign.StandardKey(text); err == nil {
		s.standard = sign.NewMAC(key)
	}
	for _, o := range old {
		if o.digest.Equal(s.digest) {
			s.use = o.use
		}
	}
	return s
}

func newKey(text string, old []*key) *key {
	k := &key{digest: sign.DigestOf(text), use: new(use)}
	for _, o := range old {
		if o.digest.Equal(k.digest) {
			k.use = o.use
		}
	}
	return k
}

// Mode is the mode at this moment.
func (v *Verifier) Mode() Mode { return v.now.Load().mode }

// Verify checks a delivery whose body is at hand. Errors match
// [ErrUnauthorized], or [ErrRepeatedHeader].
func (v *Verifier) Verify(h http.Header, body []byte) (Identity, error) {
	a, err := v.Admit(h)
	if err != nil {
		return Identity{}, err
	}
	return a.Verify(body)
}

// VerifierStats is what a verifier has seen.
type VerifierStats struct {
	Mode    Mode
	Secrets []Use // in the order of the configuration
	Keys    []Use
}

// Use counts the deliveries that one secret or key made authentic. When that of
// an old one stands still, it can go.
type Use struct {
	Accepted uint64
	Last     time.Time // zero if never; in whole seconds
}

func (u *use) snapshot() Use {
	out := Use{Accepted: u.accepted.Load()}
	if last := u.last.Load(); last != 0 {
		out.Last = time.Unix(last, 0).UTC()
	}
	return out
}

// Stats returns a snapshot.
func (v *Verifier) Stats() VerifierStats {
	a := v.now.Load()
	out := VerifierStats{Mode: a.mode}
	for _, s := range a.secrets {
		out.Secrets = append(out.Secrets, s.use.snapshot())
	}
	for _, k := range a.keys {
		out.Keys = append(out.Keys, k.use.snapshot())
	}
	return out
}
