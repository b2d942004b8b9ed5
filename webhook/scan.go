package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep arrays and objects may lie in each other. The service's own
// bodies have five levels.
const maxDepth = 512

// The members that are read, as indexes of scanner.found. A payload has the
// first ones; there are three places that it may be in, each with its own.
const (
	inUser = iota
	inSession
	inSeq
	inSessionObject
	inSessionObjectID
	inSleepData
	inSleepSession
	inSleepSessionID
	payloadMembers
)

const (
	atRoot = payloadMembers * iota
	atData
	atCallback
	ofEvent
)

const (
	ofCallbackEvent = ofEvent + 1 + iota
	ofVersion
	ofCallbackVersion
	ofData
	ofCallbackData
	allMembers
)

// member is a member of an object that is read.
type member struct {
	name  string
	index int
	inner []member // of an object; nil: its members are not read
}

func payloadAt(base int) []member {
	return []member{
		{"user_id", base + inUser, nil},
		{"session_id", base + inSession, nil},
		{"inference_seq_num", base + inSeq, nil},
		{"session", base + inSessionObject, []member{{"id", base + inSessionObjectID, nil}}},
		{"sleep_data", base + inSleepData, []member{
			{"session", base + inSleepSession, []member{{"id", base + inSleepSessionID, nil}}},
		}},
	}
}

var rootMembers = append(payloadAt(atRoot),
	member{"event", ofEvent, nil},
	member{"callback_event", ofCallbackEvent, nil},
	member{"version", ofVersion, nil},
	member{"callback_version", ofCallbackVersion, nil},
	member{"data", ofData, payloadAt(atData)},
	member{"callback_data", ofCallbackData, payloadAt(atCallback)},
)

// scanner checks a JSON text and notes the members that are read, in one pass and
// without allocating. It is stricter than encoding/json, which takes the last of
// two equal names and mends what is not UTF-8: a second reader of the same body
// might see another event.
type scanner struct {
	text  string
	at    int
	depth int
	found [allMembers]string // the JSON of each; empty if absent
}

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d of %d", ErrUndecodable, what, s.at, len(s.text))
}

// scan reads the whole text, which has to be one object.
func (s *scanner) scan() error {
	if !utf8.ValidString(s.text) {
		return fmt.Errorf("%w: not UTF-8", ErrUndecodable)
	}
	if s.space(); s.peek() != '{' {
		return s.fail("no JSON object")
	}
	if err := s.object(rootMembers); err != nil {
		return err
	}
	if s.space(); s.at < len(s.text) {
		return s.fail("something follows the object")
	}
	return nil
}

// peek is the next byte, or 0 at the end: no JSON has one outside of a string.
func (s *scanner) peek() byte {
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\n', '\t', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("nested too deep")
	}
	s.at++ // the bracket
	s.space()
	return nil
}

func (s *scanner) leave() {
	s.depth--
	s.at++
}

// object reads an object, of which the members listed are noted.
func (s *scanner) object(read []member) error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.leave()
		return nil
	}
	for {
		m, err := s.name(read)
		if err != nil {
			return err
		}
		start := s.at
		if err := s.value(m); err != nil {
			return err
		}
		if m != nil {
			s.found[m.index] = s.text[start:s.at]
		}
		switch s.space(); s.peek() {
		case ',':
			s.at++
			s.space()
		case '}':
			s.leave()
			return nil
		default:
			return s.fail("want a comma or the end of an object")
		}
	}
}

// name reads a name and its colon, and returns the member if it is one of read.
// Names are matched as encoding/json matches them, in any case.
func (s *scanner) name(read []member) (*member, error) {
	start := s.at
	if s.peek() != '"' {
		return nil, s.fail("want a name")
	}
	if err := s.str(); err != nil {
		return nil, err
	}
	name := unquote(s.text[start:s.at])
	if s.space(); s.peek() != ':' {
		return nil, s.fail("want a colon")
	}
	s.at++
	s.space()
	for i := range read {
		m := &read[i]
		if m.name != name && !strings.EqualFold(m.name, name) {
			continue
		}
		if s.found[m.index] != "" {
			return nil, s.fail("a second " + m.name)
		}
		return m, nil
	}
	return nil, nil //nolint:nilnil // a name of no interest is no error
}

// value reads any value; as is what is read of it, nil for nothing.
func (s *scanner) value(as *member) error {
	switch c := s.peek(); c {
	case '{':
		if as == nil {
			return s.object(nil)
		}
		return s.object(as.inner)
	case '[':
		return s.array()
	case '"':
		return s.str()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		if c != '-' && !digit(c) {
			return s.fail("want a value")
		}
		return s.number()
	}
}

func (s *scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.leave()
		return nil
	}
	for {
		for s.at+1 < len(s.text) && digit(s.text[s.at]) && s.text[s.at+1] == ',' {
			s.at += 2 // an epoch, as nearly all elements of nearly all arrays are
		}
		s.space()
		if err := s.value(nil); err != nil {
			return err
		}
		switch s.space(); s.peek() {
		case ',':
			s.at++
			s.space()
		case ']':
			s.leave()
			return nil
		default:
			return s.fail("want a comma or the end of an array")
		}
	}
}

func (s *scanner) word(w string) error {
	if !strings.HasPrefix(s.text[s.at:], w) {
		return s.fail("want a value")
	}
	s.at += len(w)
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return s.fail("want a digit")
	}
	if s.peek() == '.' {
		if s.at++; !s.digits() {
			return s.fail("want a digit")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return s.fail("want a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.at
	for digit(s.peek()) {
		s.at++
	}
	return s.at > start
}

func digit(c byte) bool { return c-'0' <= 9 }

// str reads a string from quote to quote.
func (s *scanner) str() error {
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c < ' ':
			return s.fail("a control character in a string")
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		}
	}
	return s.fail("a string does not end")
}

// escape reads a backslash and what follows, up to its last byte.
func (s *scanner) escape() error {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			s.at++
			if c := s.peek(); !digit(c) && (c|' ')-'a' > 'f'-'a' {
				return s.fail("want a hex digit")
			}
		}
		return nil
	}
	return s.fail("no such escape")
}

// unquote is the text of a JSON string that was checked.
func unquote(quoted string) string {
	if !strings.Contains(quoted, `\`) {
		return quoted[1 : len(quoted)-1]
	}
	var text string
	_ = json.Unmarshal([]byte(quoted), &text) // it was checked
	return text
}

// textOf is a member that is a string; anything else counts as absent.
func (s *scanner) textOf(index int) string {
	if v := s.found[index]; v != "" && v[0] == '"' {
		return unquote(v)
	}
	return ""
}

// objectOf is the JSON of a member that is an object; anything else counts as
// absent.
func (s *scanner) objectOf(index int) string {
	if v := s.found[index]; v != "" && v[0] == '{' {
		return v
	}
	return ""
}
