package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// TokenVerifier tells who brings a bearer token, such as an access token of your
// own sign-in. It is safe for concurrent use.
type TokenVerifier interface {
	// VerifyToken returns what the token allows. The error of a token that is not
	// good matches [ErrTokenRefused], which is answered 401; any other means that
	// nobody could tell, which is answered 503. The context ends with the time for
	// the answer.
	VerifyToken(ctx context.Context, token string) (Access, error)
}

// ErrTokenRefused means that a token is not good: not ours, expired, recalled.
var ErrTokenRefused = errors.New("the token is refused")

// Access is whose data somebody may read. The zero Access is nobody's.
type Access struct {
	AllUsers bool
	Users    []string // ids, if not all
}

// To reports whether the data of a user may be read.
func (a Access) To(user string) bool { return a.AllUsers || slices.Contains(a.Users, user) }

// WithTokenVerifier opens the read API to bearer tokens, beside [Reading].Keys.
func WithTokenVerifier(v TokenVerifier) Option { return func(s *settings) { s.verifier = v } }

// keyring holds the digests of keys.
type keyring [][sha256.Size]byte

func newKeyring(keys []Secret) *keyring {
	k := make(keyring, len(keys))
	for i, key := range keys {
		k[i] = sha256.Sum256([]byte(key.Reveal()))
	}
	return &k
}

// has looks at every key, whichever fits: how long it takes tells nothing.
func (k *keyring) has(text string) bool {
	sum, found := sha256.Sum256([]byte(text)), 0
	for i := range *k {
		found |= subtle.ConstantTimeCompare(sum[:], (*k)[i][:])
	}
	return found == 1
}

// admit tells what a request may read.
func (a *readAPI) admit(ctx context.Context, r *http.Request) (Access, error) {
	token, ok := credential(r)
	if !ok {
		return Access{}, errNoCredential
	}
	if a.keys.Load().has(token) {
		return Access{AllUsers: true}, nil
	}
	if a.verifier == nil {
		return Access{}, ErrTokenRefused
	}
	return a.verifier.VerifyToken(ctx, token)
}

var errNoCredential = errors.New("no credential")

// credential is the bearer token or the key of a request, if there is exactly one.
func credential(r *http.Request) (string, bool) {
	keys, bearers := r.Header.Values("X-Api-Key"), r.Header.Values("Authorization")
	if len(keys)+len(bearers) != 1 {
		return "", false
	}
	if len(keys) == 1 {
		return keys[0], keys[0] != ""
	}
	scheme, token, _ := strings.Cut(bearers[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "bearer") && token != ""
}
