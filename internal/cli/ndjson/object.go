package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ErrNotObject says that the text is not one JSON object.
var ErrNotObject = errors.New("not a JSON object")

const ownerName = "user_id"

// AppendObject appends the object raw to dst, compacted, with the user id as its
// first member. An empty user id adds none, and the object keeps its own. The
// error is [ErrNotObject]; dst is returned as it was then.
func AppendObject(dst []byte, raw, userID string) ([]byte, error) {
	var compact bytes.Buffer
	compact.Grow(len(raw))
	if err := compactObject(&compact, []byte(raw)); err != nil {
		return dst, err
	}
	return appendOwned(dst, compact.Bytes(), userID), nil
}

func compactObject(dst *bytes.Buffer, raw []byte) error {
	if err := json.Compact(dst, raw); err != nil {
		return fmt.Errorf("%w: %w", ErrNotObject, err)
	}
	if b := dst.Bytes(); len(b) == 0 || b[0] != '{' {
		return ErrNotObject
	}
	return nil
}

// appendOwned appends a compact object with the user id put first.
func appendOwned(dst, object []byte, userID string) []byte {
	if userID == "" {
		return append(dst, object...)
	}
	dst = append(dst, `{"`+ownerName+`":`...)
	dst = appendText(dst, userID)
	members := object[1 : len(object)-1]
	if !bytes.Contains(members, []byte(ownerName)) && !bytes.Contains(members, []byte(`\u`)) {
		// The usual case: the name is nowhere, however spelled.
		if len(members) > 0 {
			dst = append(append(dst, ','), members...)
		}
		return append(dst, '}')
	}
	for len(members) > 0 {
		end := memberEnd(members)
		if member := members[:end]; !isOwner(member) {
			dst = append(append(dst, ','), member...)
		}
		members = members[min(end+1, len(members)):] // behind the comma
	}
	return append(dst, '}')
}

// memberEnd is the length of the first of the members of a compact object.
func memberEnd(members []byte) int {
	depth, inText := 0, false
	for i := 0; i < len(members); i++ {
		switch c := members[i]; {
		case inText && c == '\\':
			i++ // whatever is escaped ends nothing
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 0:
			return i
		}
	}
	return len(members)
}

// isOwner reports whether a member bears the name user_id, in any spelling.
func isOwner(member []byte) bool {
	end := 1 + slices.Index(member[1:], '"') // of a name without escapes
	name := member[1:end]
	if !bytes.ContainsRune(name, '\\') {
		return string(name) == ownerName
	}
	var decoded string
	d := json.NewDecoder(bytes.NewReader(append([]byte{'['}, member...)))
	if _, err := d.Token(); err != nil {
		return false
	}
	return d.Decode(&decoded) == nil && decoded == ownerName
}

// appendText appends a text as JSON.
func appendText(dst []byte, text string) []byte {
	plain := true
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		dst = append(dst, '"')
		dst = append(dst, text...)
		return append(dst, '"')
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return append(dst, `""`...) // never: a string always encodes
	}
	return append(dst, bytes.TrimRight(b.Bytes(), "\n")...)
}
