package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

const idSize = 4

// What Open answers.
var (
	ErrUnknownKey = errors.New("seal: sealed with a key that is not configured")
	ErrForged     = errors.New("seal: damaged, or sealed for another place")
)

// Keyring seals and opens. It may be used from any number of goroutines.
type Keyring struct{ keys []key }

type key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// New makes a ring of keys of [KeySize] bytes, the current one first. It keeps
// nothing of the slices.
func New(keys ...[]byte) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("seal: no key")
	}
	r := &Keyring{}
	for i, k := range keys {
		if len(k) != KeySize {
			return nil, fmt.Errorf("seal: key %d has %d bytes, want %d", i+1, len(k), KeySize)
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, fmt.Errorf("seal: key %d: %w", i+1, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("seal: key %d: %w", i+1, err)
		}
		id := idOf(k)
		for j := range r.keys {
			if r.keys[j].id == id {
				return nil, fmt.Errorf("seal: keys %d and %d are the same", j+1, i+1)
			}
		}
		r.keys = append(r.keys, key{id, aead})
	}
	return r, nil
}

func idOf(k []byte) [idSize]byte {
	sum := sha256.Sum256(append([]byte("asleep key id\x00"), k...))
	return [idSize]byte(sum[:])
}

// Parse reads keys in base64, separated by commas, the current one first. Errors
// never contain a key.
func Parse(list string) (*Keyring, error) {
	var keys [][]byte
	for i, text := range strings.Split(list, ",") {
		text = strings.TrimRight(strings.TrimSpace(text), "=")
		k, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil {
			if k, err = base64.RawURLEncoding.DecodeString(text); err != nil {
				return nil, fmt.Errorf("seal: key %d is not base64: make one with `openssl rand -base64 32`", i+1)
			}
		}
		keys = append(keys, k)
	}
	return New(keys...)
}

// Seal encrypts plain with the current key, bound to additional.
func (r *Keyring) Seal(plain, additional []byte) ([]byte, error) {
	k := &r.keys[0]
	out := make([]byte, idSize, idSize+len(plain)+k.aead.Overhead())
	copy(out, k.id[:])
	return k.aead.Seal(out, nil, plain, additional), nil //nolint:gosec // no nonce: this AEAD draws its own
}

// Open decrypts what Seal made. The error is [ErrUnknownKey] or [ErrForged].
func (r *Keyring) Open(sealed, additional []byte) ([]byte, error) {
	for i := range r.keys {
		k := &r.keys[i]
		if !bytes.HasPrefix(sealed, k.id[:]) {
			continue
		}
		plain, err := k.aead.Open(nil, nil, sealed[idSize:], additional)
		if err != nil {
			return nil, ErrForged
		}
		return plain, nil
	}
	return nil, ErrUnknownKey
}

// Current reports whether sealed was made with the current key.
func (r *Keyring) Current(sealed []byte) bool { return bytes.HasPrefix(sealed, r.keys[0].id[:]) }
