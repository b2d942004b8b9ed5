package asleep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// EpochLength is the time that one epoch covers.
const EpochLength = 30 * time.Second

// Stage is the sleep stage of one epoch. The service may send numbers beyond
// the constants; they decode as themselves.
type Stage int8

// The sleep stages. On the two-stage plan StageLight means asleep.
const (
	StageUnknown Stage = -1 // nothing could be told, or null on the wire
	StageWake    Stage = 0
	StageLight   Stage = 1
	StageDeep    Stage = 2
	StageREM     Stage = 3

	// StageOther stands for a number that is not a whole one from -127 to 127.
	// The number itself stays in the report's Raw, and encoding the report
	// writes it again.
	StageOther Stage = -128
)

// Asleep reports whether the stage is one of sleep.
func (s Stage) Asleep() bool { return s == StageLight || s == StageDeep || s == StageREM }

// String names the stage: wake, light, deep, rem, unknown, other, or "stage 7".
func (s Stage) String() string {
	switch s {
	case StageUnknown:
		return "unknown"
	case StageWake:
		return "wake"
	case StageLight:
		return "light"
	case StageDeep:
		return "deep"
	case StageREM:
		return "rem"
	case StageOther:
		return "other"
	}
	return "stage " + strconv.Itoa(int(s))
}

// BreathStage is the breathing of one epoch: 0 stable, 1 unstable.
type BreathStage int8

// The states of breathing.
const (
	BreathUnknown  BreathStage = -1 // nothing could be told, or null on the wire
	BreathStable   BreathStage = 0
	BreathUnstable BreathStage = 1
	BreathOther    BreathStage = -128 // as [StageOther]
)

// SnoringStage is the snoring of one epoch: 0 quiet, 1 snoring.
type SnoringStage int8

// The states of snoring.
const (
	SnoringUnknown SnoringStage = -1 // nothing could be told, or null on the wire
	SnoringQuiet   SnoringStage = 0
	SnoringHeard   SnoringStage = 1
	SnoringOther   SnoringStage = -128 // as [StageOther]
)

// Stages are the sleep stages of a session, one byte an epoch. Nil means that
// the array was null or absent; an empty array is empty and not nil. Its sister
// arrays may have another length.
type Stages []Stage

// BreathStages are the breathing of a session; see [Stages].
type BreathStages []BreathStage

// SnoringStages are the snoring of a session; see [Stages].
type SnoringStages []SnoringStage

// UnmarshalJSON reads an array of numbers and nulls, or null.
func (s *Stages) UnmarshalJSON(b []byte) error { return decodeEpochs(b, (*[]Stage)(s)) }

// UnmarshalJSON reads an array of numbers and nulls, or null.
func (s *BreathStages) UnmarshalJSON(b []byte) error { return decodeEpochs(b, (*[]BreathStage)(s)) }

// UnmarshalJSON reads an array of numbers and nulls, or null.
func (s *SnoringStages) UnmarshalJSON(b []byte) error { return decodeEpochs(b, (*[]SnoringStage)(s)) }

// MarshalJSON writes an array of numbers; nil is null.
func (s Stages) MarshalJSON() ([]byte, error) { return encodeEpochs(s), nil }

// MarshalJSON writes an array of numbers; nil is null.
func (s BreathStages) MarshalJSON() ([]byte, error) { return encodeEpochs(s), nil }

// MarshalJSON writes an array of numbers; nil is null.
func (s SnoringStages) MarshalJSON() ([]byte, error) { return encodeEpochs(s), nil }

const (
	epochUnknown = -1
	epochOther   = -128
)

var errNotEpochs = errors.New("asleep: epochs are not an array of numbers")

// decodeEpochs reads the array in one pass over its bytes: a night has three
// arrays of a thousand numbers each, and encoding/json spends most of a
// report's decoding on them when it is left to do it by reflection.
func decodeEpochs[T ~int8](b []byte, into *[]T) error {
	i := skipSpace(b, 0)
	if string(bytes.TrimSpace(b[i:])) == "null" {
		*into = nil
		return nil
	}
	if i == len(b) || b[i] != '[' {
		return errNotEpochs
	}
	out := make([]T, 0, bytes.Count(b, []byte{','})+1)
	if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
		*into = out
		return nil
	}
	for {
		for ; i+1 < len(b) && b[i+1] == ',' && b[i]-'0' <= 9; i += 2 { // nearly all are one digit
			out = append(out, T(b[i]-'0'))
		}
		i = skipSpace(b, i)
		v, next, err := epoch(b, i)
		if err != nil {
			return err
		}
		out = append(out, T(v))
		if i = skipSpace(b, next); i == len(b) {
			return errNotEpochs
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case ']':
			*into = out
			return nil
		default:
			return errNotEpochs
		}
	}
}

// epoch reads the element that starts at i and returns where it ends.
func epoch(b []byte, i int) (v int8, next int, err error) {
	// Nearly every element is one digit.
	if i+1 < len(b) && b[i]-'0' <= 9 && (b[i+1] == ',' || b[i+1] == ']') {
		return int8(b[i] - '0'), i + 1, nil //nolint:gosec // 0 to 9
	}
	end := i
	for end < len(b) && b[end] != ',' && b[end] != ']' && !isSpace(b[end]) {
		end++
	}
	token := b[i:end]
	if t := string(token); t == "null" || t == "-1" {
		return epochUnknown, end, nil
	}
	if len(token) == 0 || token[0] != '-' && token[0]-'0' > 9 || !json.Valid(token) {
		return 0, 0, fmt.Errorf("%w: %.20q", errNotEpochs, token)
	}
	f, _ := strconv.ParseFloat(string(token), 64) // infinite beyond the range, which is other too
	if f != float64(int8(f)) {
		return epochOther, end, nil
	}
	return int8(f), end, nil
}

func encodeEpochs[T ~int8](s []T) []byte {
	if s == nil {
		return []byte("null")
	}
	out := append(make([]byte, 0, 2*len(s)+2), '[')
	for i, v := range s {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(v), 10)
	}
	return append(out, ']')
}

func skipSpace[S ~string | ~[]byte](b S, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
