package webhook

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/sign"
)

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
	SchemeKey      Scheme = sign.SchemeKeyAlone // x-api-key alone
	SchemeHex      Scheme = sign.SchemeHex      // x-api-key and x-signature
	SchemeStandard Scheme = sign.SchemeStandard // webhook-id, webhook-timestamp, webhook-signature
)

// maxSignatures is how many entries of webhook-signature are looked at. Rotation
// needs two.
const maxSignatures = 16

// Admission is a delivery whose headers were right so far: its body is worth
// reading. It is judged by the configuration that it was admitted by. The zero
// value verifies nothing.
type Admission struct {
	by  *accepted // nil: not admitted
	key int       // index; -1: no right one

	hex       sign.Digest // of x-signature
	hexed     bool        // there is one
	id, stamp string      // of Standard Webhooks
	macs      [maxSignatures]sign.Digest
	standards int // how many of macs there are
}

// Admit checks what can be told before the body is read: the key, the form of the
// signatures, the timestamp. Errors as [Verifier.Verify].
func (v *Verifier) Admit(h http.Header) (Admission, error) {
	a, err := v.admit(h)
	if err != nil {
		return Admission{}, err
	}
	return a, nil
}

// admit returns what it found out of the key along with an error.
func (v *Verifier) admit(h http.Header) (Admission, error) {
	a := Admission{by: v.now.Load(), key: -1}
	for _, name := range single {
		if len(h[name]) > 1 {
			return a, fmt.Errorf("%w: %s", ErrRepeatedHeader, strings.ToLower(name))
		}
	}
	var keyErr error
	a.key, keyErr = a.by.keyOf(h)
	hexed := len(h[sign.HeaderSignature]) > 0
	standard := len(h[sign.HeaderStandardID])+len(h[sign.HeaderStandardTimestamp])+len(h[sign.HeaderStandardSignature]) > 0
	if len(a.by.secrets) == 0 {
		return a, keyErr // ModeKey; nothing could be checked
	}
	if !hexed && !standard {
		if keyErr == nil && a.by.mode == ModeSignature {
			return a, ErrNoSignature
		}
		return a, keyErr
	}
	var err error
	if hexed {
		if err = keyErr; err == nil {
			err = a.readHex(first(h, sign.HeaderSignature))
		}
	}
	if standard {
		if e := a.readStandard(h); e == nil || !hexed {
			err = e
		}
	}
	if a.hexed || a.standards > 0 {
		return a, nil // one scheme that may hold is enough
	}
	return a, err
}

// readHex reads x-signature, in upper or lower case and after an optional
// sha256=.
func (a *Admission) readHex(text string) error {
	text = strings.TrimPrefix(text, "sha256=")
	var digits [2 * len(sign.Digest{})]byte
	if len(text) != len(digits) {
		return fmt.Errorf("%w: x-signature has %d characters, want %d hex digits", ErrMalformedSignature, len(text), len(digits))
	}
	copy(digits[:], text)
	if _, err := hex.Decode(a.hex[:], digits[:]); err != nil {
		return fmt.Errorf("%w: x-signature is not hex", ErrMalformedSignature)
	}
	a.hexed = true
	return nil
}

// readStandard reads the three headers of Standard Webhooks.
func (a *Admission) readStandard(h http.Header) error {
	a.id, a.stamp = first(h, sign.HeaderStandardID), first(h, sign.HeaderStandardTimestamp)
	list := first(h, sign.HeaderStandardSignature)
	switch {
	case list == "":
		return fmt.Errorf("%w: no webhook-signature", ErrNoSignature)
	case !isMessageID(a.id):
		return fmt.Errorf("%w: webhook-id is not 1 to 128 letters, digits, '_' or '-'", ErrMalformedSignature)
	}
	if err := a.by.checkTime(a.stamp); err != nil {
		return err
	}
	if a.standards = readMACs(list, &a.macs); a.standards == 0 {
		return fmt.Errorf("%w: webhook-signature has no v1 signature among its first %d", ErrMalformedSignature, maxSignatures)
	}
	return nil
}

// isMessageID reports whether an id cannot be mistaken for more than itself: a dot
// in it would move the borders of what is signed.
func isMessageID(id string) bool {
	const most = 128
	for i := range len(id) {
		if c := id[i]; !digit(c) && (c|' ')-'a' > 'z'-'a' && c != '_' && c != '-' {
			return false
		}
	}
	return id != "" && len(id) <= most
}

// checkTime reads a timestamp in seconds, digits alone, and holds it against the
// clock in whole seconds.
func (a *accepted) checkTime(text string) error {
	const most = 18 // digits that fit into 64 bits
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil || len(text) > most || !digit(text[0]) || text[0] == '0' {
		return fmt.Errorf("%w: webhook-timestamp %.24q is not seconds since 1970", ErrMalformedSignature, text)
	}
	age := time.Now().Unix() - at
	switch {
	case a.tolerance < 0:
	case age > a.tolerance:
		return fmt.Errorf("%w: by %d s, %d are tolerated", ErrTooOld, age, a.tolerance)
	case -age > a.tolerance:
		return fmt.Errorf("%w: by %d s, %d are tolerated", ErrTooNew, -age, a.tolerance)
	}
	return nil
}

// standardEncoding takes no signature in two spellings.
var standardEncoding = base64.StdEncoding.Strict()

// readMACs reads the v1 signatures among the first entries of a list. What is
// malformed or of another version is passed over.
func readMACs(list string, into *[maxSignatures]sign.Digest) (n int) {
	for range maxSignatures {
		var entry string
		entry, list, _ = strings.Cut(list, " ")
		if readMAC(entry, &into[n]) {
			n++
		}
		if list == "" {
			break
		}
	}
	return n
}

func readMAC(entry string, into *sign.Digest) bool {
	var text [44]byte // 32 bytes in base64
	var mac [33]byte  // what the decoder may write
	encoded, ok := strings.CutPrefix(entry, sign.Version)
	if !ok || len(encoded) != len(text) {
		return false
	}
	copy(text[:], encoded)
	n, err := standardEncoding.Decode(mac[:], text[:])
	if err != nil || n != len(into) {
		return false
	}
	copy(into[:], mac[:])
	return true
}

// Verify checks the body of an admitted delivery. Errors as [Verifier.Verify].
func (a *Admission) Verify(body []byte) (Identity, error) {
	if a.by == nil {
		return Identity{}, ErrNoSignature
	}
	id := Identity{Secret: -1, Key: -1}
	switch {
	case !a.hexed && a.standards == 0:
		id.Scheme, id.Key = SchemeKey, a.key
	case a.verifyHex(body, &id.Secret):
		id.Signed, id.Scheme, id.Key = true, SchemeHex, a.key
	case a.verifyStandard(body, &id.Secret):
		id.Signed, id.Scheme = true, SchemeStandard
	default:
		return Identity{}, ErrBadSignature
	}
	now := time.Now()
	if id.Key >= 0 {
		a.by.keys[id.Key].use.count(now)
	}
	if id.Secret >= 0 {
		a.by.secrets[id.Secret].use.count(now)
	}
	return id, nil
}

// verifyHex tries every secret, as keyOf tries every key.
func (a *Admission) verifyHex(body []byte, index *int) (ok bool) {
	if !a.hexed {
		return false
	}
	for i, s := range a.by.secrets {
		if s.hex.Body(body).Equal(a.hex) {
			*index, ok = i, true
		}
	}
	return ok
}

func (a *Admission) verifyStandard(body []byte, index *int) (ok bool) {
	if a.standards == 0 {
		return false
	}
	for i, s := range a.by.secrets {
		if s.standard == nil {
			continue
		}
		mac := s.standard.Message(a.id, a.stamp, body)
		for _, given := range a.macs[:a.standards] {
			if mac.Equal(given) {
				*index, ok = i, true
			}
		}
	}
	return ok
}

// single are the headers of which there may be one. Whoever reads the first of two
// and whoever reads the last see different requests.
var single = []string{
	sign.HeaderKey, sign.HeaderUser, sign.HeaderSignature,
	sign.HeaderStandardID, sign.HeaderStandardTimestamp, sign.HeaderStandardSignature,
}

// first is the only value of a header whose name is in canonical form.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// keyOf tries every key, so that the time tells nothing about which it was.
func (a *accepted) keyOf(h http.Header) (index int, err error) {
	given := first(h, sign.HeaderKey)
	if given == "" {
		return -1, ErrNoKey
	}
	index = -1
	digest := sign.DigestOf(given)
	for i, k := range a.keys {
		if k.digest.Equal(digest) {
			index = i
		}
	}
	if index < 0 {
		return -1, ErrBadKey
	}
	return index, nil
}
