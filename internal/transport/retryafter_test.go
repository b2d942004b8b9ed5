package transport_test

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep/internal/transport"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestRetryAfterValues(t *testing.T) {
	t.Parallel()
	const forever = time.Duration(math.MaxInt64)
	for value, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "007": 7 * time.Second, "3600": time.Hour,
		"1.5": 2 * time.Second, "1.0": time.Second, "0.001": time.Second,
		"9223372036": 9223372036 * time.Second, "9223372037": forever, "18446744073709551616": forever,
		strings.Repeat("9", 400): forever, "9223372036.5": forever, strings.Repeat("0", 400) + "7": 7 * time.Second,
		"Sat, 21 Nov 2026 12:00:07 GMT":    7 * time.Second,
		"Saturday, 21-Nov-26 12:00:07 GMT": 7 * time.Second,
		"Sat Nov 21 12:00:07 2026":         7 * time.Second,
		"Sat, 21 Nov 2026 12:00:07 UTC":    7 * time.Second,
		"Sat, 21 Nov 2026 21:00:07 +0900":  7 * time.Second,
		"Fri, 31 Dec 1999 23:59:59 GMT":    0,
		"Fri, 31 Dec 9999 23:59:59 GMT":    forever,
		// Not values at all.
		"": -1, "-5": -1, "+5": -1, "soon": -1, "5s": -1, "5 minutes": -1, "1.": -1, ".5": -1, "1.5.2": -1, "1e9": -1, "0x10": -1, "٣": -1,
		"Fri, 31 Dec 2066 23:59:59 PST": -1, // a zone Go does not know would be read as UTC, too early
	} {
		got, ok := transport.ParseRetryAfter(value, noon)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%.40q: %v, %v; want %v", value, got, ok, want)
		}
	}
}

// Without its own Date, an answer's deadline would be judged by a clock that may
// be an hour off.
func TestRetryAfterDateIsMeasuredByTheUpstreamsClock(t *testing.T) {
	t.Parallel()
	skewed := func(w http.ResponseWriter, r *http.Request) {
		theirs := time.Now().Add(-time.Hour).UTC()
		w.Header().Set("Date", theirs.Format(http.TimeFormat))
		answer(503, "", "Retry-After", theirs.Add(7*time.Second).Format(http.TimeFormat))(w, r)
	}
	inBubble(t, steps(skewed, ok), nil, func(u *upstream) {
		if res := u.get(); res.took != 7025*ms {
			t.Errorf("waited %v, want 7.025s", res.took)
		}
	})
}

func ExampleParseRetryAfter() {
	for _, value := range []string{"120", "Sat, 21 Nov 2026 12:01:00 GMT", "9223372037", "-5"} {
		wait, ok := transport.ParseRetryAfter(value, noon)
		fmt.Println(wait.Round(time.Second) > 90*time.Second, wait == time.Minute, ok)
	}
	// Output:
	// true false true
	// false true true
	// true false true
	// false false false
}

func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"7", "1.5", "-1", "9223372037", "Sat, 21 Nov 2026 12:00:07 GMT", "Sat Nov 21 12:00:07 2026", ""} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		wait, ok := transport.ParseRetryAfter(value, noon)
		if wait < 0 || !ok && wait != 0 {
			t.Fatalf("%q: %v, %v", value, wait, ok)
		}
		asked, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err == nil && ok && asked < 9e9 && wait.Seconds() < asked {
			t.Fatalf("%q asks for %v s, got %v", value, asked, wait)
		}
		if err == nil && ok && asked >= 1e10 && wait != math.MaxInt64 {
			t.Fatalf("%q did not saturate: %v", value, wait)
		}
	})
}

func BenchmarkRetryAfter(b *testing.B) {
	for _, value := range []string{"120", "Sat, 21 Nov 2026 12:00:07 GMT", "garbage"} {
		b.Run(value[:3], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				transport.ParseRetryAfter(value, noon)
			}
		})
	}
}
