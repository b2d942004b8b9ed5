package redact

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shortID is the length in bytes below which an id may well be part of a word,
// and is only replaced where it stands alone.
const shortID = 8

// Text returns s with the digest of a user id in the place of the id, plain or escaped
// as in a URL. The empty id changes nothing.
func Text(s, userID string) string {
	if userID == "" {
		return s
	}
	for _, form := range []string{userID, url.PathEscape(userID)} {
		switch {
		case !strings.Contains(s, form):
		case len(form) < shortID:
			s = replaceWord(s, form, User(userID).String())
		default:
			s = strings.ReplaceAll(s, form, User(userID).String())
		}
	}
	return s
}

// replaceWord replaces word where neither neighbour is a letter or a digit, so that a
// short id does not tear words apart.
func replaceWord(s, word, by string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, word)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[i+len(word):])
		b.WriteString(s[:i])
		if inWord(before) || inWord(after) {
			b.WriteString(word)
		} else {
			b.WriteString(by)
		}
		s = s[i+len(word):]
	}
}

func inWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
