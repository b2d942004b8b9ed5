package fleet

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/server/limits"
)

// answerOf makes what go-redis could hand out of text: lists, strings, integers, nil.
func answerOf(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return integers(v)
}

func integers(v any) any {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case []any:
		for i := range v {
			v[i] = integers(v[i])
		}
	}
	return v
}

func FuzzReplies(f *testing.F) {
	for _, s := range []string{
		`["0123456789abcdef",1700000000000000,-5000000,100000000,0,3,0,-1001,12]`,
		`["0123456789abcdef",1,2,3,4,5]`, `[1,2,3,4]`, `[1,9,500000,0]`, `30000`, `-1`, `null`, `"OK"`, `[]`, `[[1],{}]`,
		`["0123456789abcdef",1,9223372036854775807,9223372036854775807,9223372036854775807,-1,9223372036854775807]`,
	} {
		f.Add(s, 1, 1)
	}
	f.Fuzz(func(t *testing.T, text string, asks, ahead int) {
		asks, ahead = asks&7, ahead&7
		raw := answerOf(text)
		if r, err := parseReply(raw, asks, ahead); err == nil {
			if len(r.waits) != asks || len(r.ahead) > ahead || len(r.epoch) != 16 || r.quiet < 0 || r.quiet > maxWait || !(r.rate > 0) || r.tail() < 0 {
				t.Errorf("%s: %+v", text, r)
			}
			for _, w := range r.waits {
				if wait, ok := verdict(w); wait < 0 || ok && wait > maxWait {
					t.Errorf("%s: a wait of %v, %v", text, wait, ok)
				}
			}
		}
		if left, err := parseHint(raw, time.Minute); err == nil && (left < 0 || left > time.Minute) {
			t.Errorf("%s: %v", text, left)
		}
		rate := limits.Rate{Requests: 10, Window: time.Second}
		if d, err := parseDecision(raw, rate); err == nil && (d.Remaining < 0 || d.Remaining > 10 || d.RetryAfter < 0 || d.RetryAfter > time.Second || d.Reset < 0 || d.Allowed != (d.RetryAfter == 0)) {
			t.Errorf("%s: %+v", text, d)
		}
	})
}

func TestARefusalOfAnyLengthIsAPositiveWait(t *testing.T) {
	t.Parallel()
	for _, w := range []int64{-1, -2, math.MinInt64} {
		if wait, ok := verdict(w); ok || wait < 0 {
			t.Errorf("%d: %v, %v", w, wait, ok)
		}
	}
}
