package asleep

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
)

// A report is nine tenths epochs, and encoding/json reads every byte twice before it
// shows them to anyone. It is therefore given an outline: the document with a short text
// in the place of each array of epochs. What stands there is read when the decoder gets
// to it.

// leftOut stands in an outline for an array of epochs.
const leftOut = `"\u0000epochs"`

// outline is a document whose arrays of epochs were taken out, in their order.
type outline struct {
	text   []byte
	arrays []string // those not read yet
	space  [3]string
}

// outlines are used again, as an outline is garbage once it is decoded; one that has
// grown beyond maxOutline is not.
const maxOutline = 64 << 10

var outlines = sync.Pool{New: func() any { return new(outline) }}

// draw takes the arrays of epochs out of raw; false if there are none. An array is
// taken to end at the first bracket: one that does not is no array of numbers, and its
// decoder says so.
//
// Outline and raw are valid JSON together, provided that the arrays are: a quote that
// comes right after a letter begins no string in valid JSON, so it ends one, and what
// follows it and a colon is a value.
func (o *outline) draw(raw string) bool {
	o.text, o.arrays = o.text[:0], o.space[:0]
	for rest := raw; ; {
		from, to := epochArray(rest)
		if to == 0 {
			o.text = append(o.text, rest...)
			break
		}
		o.text = append(append(o.text, rest[:from]...), leftOut...)
		o.arrays = append(o.arrays, rest[from:to])
		rest = rest[to:]
	}
	return len(o.arrays) > 0 && bytes.Count(o.text, []byte(leftOut)) == len(o.arrays)
}

// epochArray finds the first array under a key of epochs; to is 0 if there is none.
func epochArray(s string) (from, to int) {
	for i := 0; ; {
		found := strings.Index(s[i:], `_stages"`)
		if found < 0 {
			return 0, 0
		}
		key := s[:i+found]
		i += found + len(`_stages"`)
		if !strings.HasSuffix(key, `"sleep`) && !strings.HasSuffix(key, `"breath`) && !strings.HasSuffix(key, `"snoring`) {
			continue
		}
		if from = skipSpace(s, i); from == len(s) || s[from] != ':' {
			continue
		}
		if from = skipSpace(s, from+1); from == len(s) || s[from] != '[' {
			continue
		}
		end := strings.IndexByte(s[from:], ']')
		if end < 0 {
			return 0, 0
		}
		return from, from + end + 1
	}
}

// epochsOf decodes an array of epochs that may have been left out.
type epochsOf[T ~int8] struct {
	into *[]T
	*outline
}

// UnmarshalJSON reads an array of numbers and nulls, or null, or what was left out next.
func (e epochsOf[T]) UnmarshalJSON(b []byte) error {
	if string(b) != leftOut || len(e.arrays) == 0 {
		return decodeEpochs(b, e.into)
	}
	array := e.arrays[0]
	e.arrays = e.arrays[1:]
	return decodeEpochs(bytesOf(array), e.into)
}

// sessionBy is a session whose epochs come from an outline.
type sessionBy struct {
	*plainSession
	BreathStages  epochsOf[BreathStage]  `json:"breath_stages"`
	SleepStages   epochsOf[Stage]        `json:"sleep_stages"`
	SnoringStages epochsOf[SnoringStage] `json:"snoring_stages"`
}

func (o *outline) session(s *Session) sessionBy {
	return sessionBy{
		plainSession:  (*plainSession)(s),
		BreathStages:  epochsOf[BreathStage]{(*[]BreathStage)(&s.BreathStages), o},
		SleepStages:   epochsOf[Stage]{(*[]Stage)(&s.SleepStages), o},
		SnoringStages: epochsOf[SnoringStage]{(*[]SnoringStage)(&s.SnoringStages), o},
	}
}

// outlined decodes raw by its outline. It is false, and the report of no use, where that
// cannot be relied on: not all arrays were where epochs belong, or something is wrong,
// which a plain decoder puts into better words.
func (r *Report) outlined(raw string) bool {
	o, _ := outlines.Get().(*outline)
	defer func() {
		o.arrays, o.space = nil, [3]string{} // they would keep raw
		if cap(o.text) <= maxOutline {
			outlines.Put(o)
		}
	}()
	return o.draw(raw) && r.read(o)
}

// read decodes an outline; it is false as outlined is.
func (r *Report) read(o *outline) bool {
	v := struct {
		*plainReport
		Session sessionBy `json:"session"`
	}{(*plainReport)(r), o.session(&r.Session)}
	return json.Unmarshal(o.text, &v) == nil && len(o.arrays) == 0
}
