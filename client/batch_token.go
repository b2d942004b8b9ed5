package client

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"
)

// ResumeToken is how far a batch has come: which positions of the input are done.
// Its text form (JSON on one line, at most 16 KiB) is what a checkpoint keeps; it
// holds neither the API key nor a user id. The zero token is the
// beginning of a batch. Tokens are values: they share nothing with the batch, and
// == compares them.
//
// A token knows the query, the service, the API key (by an HMAC that does not
// reveal it) and, by a hash, the users up to the last one done. A batch refuses one that
// does not fit before it makes a call, with a [*ResumeError].
type ResumeToken struct {
	query  string // what is fetched, readable
	key    string // of the API key, see keyMark
	failed int64  // users, over all runs
	low    int64  // all positions before it are done
	beyond string // those behind it: bit i%8 of byte i/8 is position low+i; ends with a byte that is not 0
	hash   idChain
}

// tokenVersion is what this package writes, and the newest that it reads.
const tokenVersion = 1

const maxTokenBytes = 16 << 10

// idChain is a hash over the users up to a position, each linked to those
// before it.
type idChain [16]byte

// then returns the chain with one more user.
func (c idChain) then(id string) idChain {
	var room [16 + 64]byte // the usual id needs no allocation
	sum := sha256.Sum256(append(append(room[:0], c[:]...), id...))
	return idChain(sum[:16])
}

// keyMark tells API keys apart without revealing them.
func keyMark(key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("asleep resume token"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// tokenText is the text form.
type tokenText struct {
	Version int    `json:"v"`
	Query   string `json:"query"`
	Key     string `json:"key"`
	Done    int64  `json:"done"`
	Beyond  string `json:"beyond,omitempty"`
	Hash    string `json:"hash"`
	Failed  int64  `json:"failed,omitempty"`
}

// ParseResumeToken reads the text form; surrounding white space is ignored, empty
// is the zero token. Errors: a [*ResumeError] with [ErrResumeInvalid] or
// [ErrResumeNewer].
func ParseResumeToken(text string) (ResumeToken, error) {
	trimmed := bytes.TrimSpace([]byte(text))
	if len(trimmed) == 0 || string(trimmed) == "null" {
		return ResumeToken{}, nil
	}
	if len(trimmed) > maxTokenBytes {
		return ResumeToken{}, badToken("it has %d bytes, a token at most %d", len(trimmed), maxTokenBytes)
	}
	var version struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal(trimmed, &version); err != nil {
		return ResumeToken{}, badToken("%v: the text is damaged or is something else", err)
	}
	switch v := version.Version; {
	case v > tokenVersion:
		return ResumeToken{}, &ResumeError{Err: ErrResumeNewer, Problem: fmt.Sprintf(
			"it has version %d, this one reads up to %d: resume with the version that wrote it, or start over", v, tokenVersion)}
	case v < 1:
		return ResumeToken{}, badToken("it has no version: the text is damaged or is something else")
	}
	var t tokenText
	strict := json.NewDecoder(bytes.NewReader(trimmed))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&t); err != nil {
		return ResumeToken{}, badToken("%v: the text is damaged", err)
	}
	return t.token()
}

// token checks the members.
func (t tokenText) token() (ResumeToken, error) {
	token := ResumeToken{query: t.Query, key: t.Key, failed: t.Failed, low: t.Done}
	hash, err := hex.DecodeString(t.Hash)
	if err != nil || len(hash) != len(token.hash) {
		return ResumeToken{}, badToken("hash %q is not %d hexadecimal digits", clip(t.Hash, 40), 2*len(token.hash))
	}
	token.hash = idChain(hash)
	beyond, err := base64.RawStdEncoding.Strict().DecodeString(t.Beyond)
	if err != nil {
		return ResumeToken{}, badToken("beyond: %v", err)
	}
	if n := len(beyond); n > 0 && (beyond[n-1] == 0 || beyond[0]&1 != 0 || n > MaxBatchWindow/8) {
		return ResumeToken{}, badToken("beyond does not follow done")
	}
	token.beyond = string(beyond)
	switch mark, err := hex.DecodeString(t.Key); {
	case err != nil || len(mark) != 8:
		return ResumeToken{}, badToken("key %q is not 16 hexadecimal digits", clip(t.Key, 40))
	case t.Query == "":
		return ResumeToken{}, badToken("query is missing")
	case t.Done < 0 || t.Done > 1<<53:
		return ResumeToken{}, badToken("done is %d", t.Done)
	case t.Failed < 0 || t.Failed > token.Done():
		return ResumeToken{}, badToken("failed is %d of %d done", t.Failed, token.Done())
	}
	return token, nil
}

func badToken(format string, args ...any) error {
	return &ResumeError{Err: ErrResumeInvalid, Problem: fmt.Sprintf(format, args...)}
}

// String returns the text form; "" for the zero token.
func (t ResumeToken) String() string {
	if t.IsZero() {
		return ""
	}
	text, err := t.MarshalJSON()
	if err != nil { // a struct of strings and numbers always encodes
		return ""
	}
	return string(text)
}

// IsZero reports whether the token is the beginning of a batch.
func (t ResumeToken) IsZero() bool { return t == ResumeToken{} }

// Done returns the number of positions done, duplicates and failed users
// included.
func (t ResumeToken) Done() int64 {
	done := t.low
	for i := range len(t.beyond) {
		done += int64(bits.OnesCount8(t.beyond[i]))
	}
	return done
}

// Failed returns how many users failed so far, over all runs.
func (t ResumeToken) Failed() int64 { return t.failed }

// MarshalJSON returns the text form, which is a JSON object; null for the zero
// token.
func (t ResumeToken) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(tokenText{
		Version: tokenVersion, Query: t.query, Key: t.key, Done: t.low, Failed: t.failed,
		Beyond: base64.RawStdEncoding.EncodeToString([]byte(t.beyond)), Hash: hex.EncodeToString(t.hash[:]),
	})
}

// UnmarshalJSON reads what MarshalJSON wrote. Errors as ParseResumeToken.
func (t *ResumeToken) UnmarshalJSON(b []byte) (err error) {
	*t, err = ParseResumeToken(string(b))
	return err
}

// end is the position behind the last one done.
func (t ResumeToken) end() int64 {
	n := len(t.beyond)
	if n == 0 {
		return t.low
	}
	return t.low + int64(8*(n-1)+bits.Len8(t.beyond[n-1]))
}

// has reports whether a position is done.
func (t ResumeToken) has(index int64) bool {
	i := index - t.low
	return i < 0 || i < int64(8*len(t.beyond)) && t.beyond[i/8]>>(i%8)&1 != 0
}
