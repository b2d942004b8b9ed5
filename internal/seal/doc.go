// Package seal encrypts small values at rest with AES-256-GCM and a ring of keys.
//
// The first key of a [Keyring] seals; all of them open, so that a key is rotated
// by putting a new one in front and dropping the old one once nothing needs it.
// A sealed value names its key by four bytes of the key's hash, then come a
// random nonce of twelve bytes and the ciphertext with its tag: 32 bytes more
// than the plain value. It is bound to additional data, which is not stored.
//
// A value that was tampered with, that belongs to other additional data or whose
// key is not in the ring does not open; the errors tell the last case from the
// others and never contain key or value. As nonces are random, a key should be
// rotated before it has sealed 2^32 values.
package seal
