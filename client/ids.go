package client

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// maxIDBytes bounds an id. The ids that have been seen have 40 bytes at most.
const maxIDBytes = 256

// checkID says what is wrong with an id and what to do, "" if nothing is. Ids
// are opaque: everything that can travel in a path segment and a header, once
// escaped, is accepted. What would change the URL or be changed on the way is not:
// with an empty session id, "delete one session" is "delete all" (contract
// section 1). The id itself is not repeated, for user ids stay out of errors.
func checkID(id string) string {
	first, _ := utf8.DecodeRuneInString(id)
	last, _ := utf8.DecodeLastRuneInString(id)
	switch {
	case id == "":
		return `is empty (""): give the id that the service made`
	case id == "." || id == "..":
		return fmt.Sprintf("is %q, which would change the URL: give the id that the service made", id)
	case len(id) > maxIDBytes:
		return fmt.Sprintf("has %d bytes: give an id of at most %d", len(id), maxIDBytes)
	case !utf8.ValidString(id):
		return fmt.Sprintf("has invalid UTF-8 at byte %d: give it in UTF-8", invalidAt(id))
	}
	for i, r := range id {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return fmt.Sprintf("has the control character %U at byte %d: remove it", r, i)
		}
	}
	switch {
	case unicode.IsSpace(first):
		return fmt.Sprintf("begins with the space %U: remove it", first)
	case unicode.IsSpace(last):
		return fmt.Sprintf("ends with the space %U: remove it", last)
	}
	return ""
}

func invalidAt(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return len(s)
}

// visibleASCII says what is wrong with a header's value that should be visible
// ASCII, and inner spaces if allowed; "" if nothing is. The value itself is not
// repeated.
func visibleASCII(s string, spaces bool) string {
	for i := range len(s) {
		switch b := s[i]; {
		case b == ' ' && spaces && i > 0 && i < len(s)-1:
		case b == ' ' && i == 0, b == '\t' && i == 0:
			return "begins with a space"
		case b == ' ' && i == len(s)-1:
			return "ends with a space"
		case (b == '\n' || b == '\r') && i >= len(s)-2:
			return "ends with a line break"
		case b == ' ':
			return fmt.Sprintf("has a space at byte %d", i)
		case b < ' ' || b == 0x7f:
			return fmt.Sprintf("has the control character %U at byte %d", rune(b), i)
		case b > 0x7f:
			return fmt.Sprintf("has a character that is not ASCII at byte %d", i)
		}
	}
	return ""
}

// clip bounds a text for a message, at a character.
func clip(s string, bytes int) string {
	if len(s) <= bytes {
		return s
	}
	for bytes > 0 && !utf8.RuneStart(s[bytes]) {
		bytes--
	}
	return s[:bytes] + "…"
}
