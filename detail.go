package asleep

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Detail is the member detail of a failure, the JSON as it came: a text, a
// list of [ValidationProblem], or whatever a gateway made of it. Empty means
// null or absent.
type Detail string

// NewDetail makes a detail of a text.
func NewDetail(text string) Detail {
	b, _ := json.Marshal(text) //nolint:errchkjson // a string always encodes
	return Detail(b)
}

// UnmarshalJSON keeps the JSON.
func (d *Detail) UnmarshalJSON(b []byte) error {
	*d = ""
	if string(b) != "null" {
		*d = Detail(b)
	}
	return nil
}

// MarshalJSON writes the JSON as it came.
func (d Detail) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte("null"), nil
	}
	return []byte(d), nil
}

// Problems returns the validation problems, if the detail is a list of them.
func (d Detail) Problems() []ValidationProblem {
	var list []ValidationProblem
	if json.Unmarshal([]byte(d), &list) != nil {
		return nil
	}
	return list
}

// Text is the detail for people: the text itself, the problems of a list as
// "query.limit: ensure this value is less than or equal to 100", joined by
// semicolons, or the JSON where it is neither.
func (d Detail) Text() string {
	var s string
	if json.Unmarshal([]byte(d), &s) == nil {
		return s
	}
	problems := d.Problems()
	parts := make([]string, 0, len(problems))
	for _, p := range problems {
		if p.Msg == "" {
			return string(d)
		}
		where := make([]string, len(p.Loc))
		for i, l := range p.Loc {
			where[i] = fmt.Sprint(l)
		}
		parts = append(parts, strings.TrimPrefix(strings.Join(where, ".")+": "+p.Msg, ": "))
	}
	if len(parts) == 0 {
		return string(d)
	}
	return strings.Join(parts, "; ")
}
