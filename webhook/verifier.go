package webhook

import (
	"net/http"
	"time"
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

// DefaultTolerance is how far the timestamp of a Standard Webhooks message may
// lie in the past or in the future.
const DefaultTolerance = 5 * time.Minute

// VerifierConfig says what is accepted. Secrets and keys are listed several at a
// time while they are rotated; any of them will do.
type VerifierConfig struct {
	Mode Mode

	// Secrets are those that bodies are signed with: used verbatim by the
	// documents' scheme, and as base64 after an optional whsec_ by Standard
	// Webhooks. Required in ModeSignature.
	Secrets []string

	// Keys are the API keys that x-api-key may hold. Required in ModeKey;
	// without them only Standard Webhooks are accepted.
	Keys []string

	// Tolerance of timestamps; 0 means [DefaultTolerance], negative any age.
	Tolerance time.Duration
}

// Verifier tells authentic deliveries. Its methods may be called from any number
// of goroutines.
type Verifier struct{}

// NewVerifier refuses a configuration that would accept everybody or nobody, and
// says everything that is wrong with it at once, quoting no secret.
func NewVerifier(c VerifierConfig) (*Verifier, error) { return new(Verifier), nil }

// Replace changes what is accepted, at once for all deliveries that have not
// been admitted yet. What is kept goes on counting. On error nothing changes.
func (v *Verifier) Replace(c VerifierConfig) error { return nil }

// Mode is the mode at this moment.
func (v *Verifier) Mode() Mode { return ModeSignature }

// Identity says how a delivery proved itself.
type Identity struct {
	Signed bool   // by a signature, not by the key alone
	Scheme Scheme // which
	Secret int    // index in Secrets; -1 if none was used
	Key    int    // index in Keys; -1 if none was used
}

// Scheme is a way to be authentic.
type Scheme string

// The schemes.
const (
	SchemeKey      Scheme = "key"       // x-api-key alone
	SchemeHex      Scheme = "signature" // x-api-key and x-signature
	SchemeStandard Scheme = "standard"  // webhook-id, webhook-timestamp, webhook-signature
)

// Verify checks a delivery whose body is at hand. Errors match
// [ErrUnauthorized], or [ErrRepeatedHeader].
func (v *Verifier) Verify(h http.Header, body []byte) (Identity, error) {
	return Identity{}, ErrNoKey
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
	Last     time.Time // zero if never
}

// Stats returns a snapshot.
func (v *Verifier) Stats() VerifierStats { return VerifierStats{} }
