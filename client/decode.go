package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"unsafe"

	"github.com/asleep-sdk/asleep"
)

var (
	errNoJSON   = errors.New("the body is not JSON")
	errNoObject = errors.New("the body is not a JSON object")
	errNoResult = errors.New(`the body has no "result"`)
	errNull     = errors.New(`"result" is null`)
)

// decodeResult decodes the result of an answer. parse keeps the string it is
// given: a part of the body, which is never copied or written to again. The
// member detail is not asked whether the call worked, for its text differs
// between routes (contract section 1).
func decodeResult[T any](a *answer, parse func(raw string) (*T, error)) (*T, error) {
	result, err := envelopeResult(textOf(a.body))
	if err == nil {
		var v *T
		if v, err = parse(result); err == nil {
			return v, nil
		}
	}
	return nil, a.undecodable(err)
}

// textOf is the body as a string, without a copy: nobody writes to a body that
// was read.
func textOf(body []byte) string {
	return unsafe.String(unsafe.SliceData(body), len(body)) //nolint:gosec // the bytes stay as they are
}

// bytesOf is a string for a decoder that does not write.
func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // encoding/json writes to no input
}

// envelopeResult returns the JSON of the member result of an envelope, a part
// of body. It judges the envelope alone: whether the result itself is good JSON
// is for its parser to find, so that a large one is read once.
func envelopeResult(body string) (string, error) {
	i := space(body, 0)
	if i == len(body) || body[i] != '{' {
		if json.Valid(bytesOf(body)) {
			return "", errNoObject
		}
		return "", errNoJSON
	}
	from, to := resultSpan(body, i+1)
	if to == 0 {
		if json.Valid(bytesOf(body)) {
			return "", errNoResult
		}
		return "", errNoJSON
	}
	rest := make([]byte, 0, len(body)-(to-from)+4)
	rest = append(append(append(rest, body[:from]...), "null"...), body[to:]...)
	if !json.Valid(rest) {
		return "", errNoJSON
	}
	if body[from:to] == "null" {
		return "", errNull
	}
	return body[from:to], nil
}

// resultSpan finds the value of the last member result of the object whose
// members begin at i; to is 0 if there is none. It takes well-formed JSON for
// granted: on anything else it finds anything or nothing, and its caller
// notices.
func resultSpan(body string, i int) (from, to int) {
	for {
		key := space(body, i)
		if key == len(body) || body[key] != '"' {
			return from, to
		}
		i = skipString(body, key)
		name := body[key:i]
		i = space(body, i)
		if i == len(body) || body[i] != ':' {
			return from, to
		}
		value := space(body, i+1)
		if i = skipValue(body, value); i == value {
			return from, to
		}
		if isResult(name) {
			from, to = value, i
		}
		i = space(body, i)
		if i == len(body) || body[i] != ',' {
			return from, to
		}
		i++
	}
}

// isResult reports whether a quoted key is "result", however it is escaped.
func isResult(quoted string) bool {
	const plain = `"result"`
	if quoted == plain || len(quoted) <= len(plain) || len(quoted) > 6*len(plain) {
		return quoted == plain
	}
	var key string
	return json.Unmarshal([]byte(quoted), &key) == nil && key == "result"
}

// space returns the index of the first byte from i on that is no white space.
func space(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i.
func skipString(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// skipValue returns the index behind the value that begins at i, i if there is
// none.
func skipValue(s string, i int) int {
	depth := 0
	for i < len(s) {
		switch s[i] {
		case '"':
			i = skipString(s, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			if depth == 0 && i < len(s) && !delimiter(s[i]) {
				continue
			}
		}
		if depth == 0 {
			return i
		}
	}
	return len(s)
}

func delimiter(b byte) bool {
	switch b {
	case ',', '}', ']', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}

// The parsers of results. Each refuses what decodes but cannot be the thing asked
// for: an object without the member that identifies it.

func parseReport(raw string) (*asleep.Report, error) {
	r, err := asleep.ParseReport(raw)
	if err == nil && r.Session.ID == "" {
		err = missing("session.id")
	}
	return r, err
}

func parseUser(raw string) (*asleep.User, error) {
	u, err := asleep.ParseUser(raw)
	if err == nil && u.UserID == "" {
		err = missing("user_id")
	}
	return u, err
}

func parseCreated(raw string) (*asleep.CreatedUser, error) {
	u := new(asleep.CreatedUser)
	err := json.Unmarshal(bytesOf(raw), u)
	if err == nil && u.UserID == "" {
		err = missing("user_id")
	}
	return u, err
}

// parseAverages does not ask for the period's dates, which old bodies name
// otherwise, but for one of the members that every body has.
func parseAverages(raw string) (*asleep.AverageStats, error) {
	a, err := asleep.ParseAverageStats(raw)
	if err == nil && a.Period == (asleep.Period{}) && a.Averages == nil && a.SleptSessions == nil {
		err = missing("period")
	}
	return a, err
}

func parsePage(raw string) (*SessionPage, error) {
	var list asleep.SessionList
	if err := json.Unmarshal(bytesOf(raw), &list); err != nil {
		return nil, err
	}
	if list.SleepSessionList == nil {
		return nil, missing("sleep_session_list")
	}
	for i := range list.SleepSessionList {
		if list.SleepSessionList[i].SessionID == "" {
			return nil, missing(fmt.Sprintf("sleep_session_list[%d].session_id", i))
		}
	}
	return &SessionPage{Timezone: list.Timezone, Sessions: list.SleepSessionList}, nil
}

func missing(member string) error { return fmt.Errorf("the result has no %q", member) }
