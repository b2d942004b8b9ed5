package cli

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/asleep-sdk/asleep"
)

// cell makes a text fit for a terminal: whatever moves the cursor or changes the
// colours is replaced, for the texts come from elsewhere.
func cell(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// local is an instant on the clock of a zone, such as "2026-03-14 22:51". If the
// zone is not known, it is on the clock it was written with, and the offset stands
// behind it. What is no instant stays as it is.
func local(at asleep.Timestamp, zone string) string {
	t, err := at.Time()
	if err != nil {
		return string(at)
	}
	if loc, err := loadZone(zone); err == nil {
		return t.In(loc).Format("2006-01-02 15:04")
	}
	return t.Format("2006-01-02 15:04 -07:00")
}

// clock is a time of day, or an instant on the clock of a zone.
func clock(c asleep.ClockTime, zone string) string {
	if _, ok := c.Instant(); ok {
		return local(asleep.Timestamp(c), zone)
	}
	return string(c)
}

// span is a duration such as "7h12m", "3m05s" or "40s".
func span(s *asleep.Seconds) string {
	d, ok := s.Duration()
	if !ok {
		return ""
	}
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	seconds := int(d.Round(time.Second) / time.Second)
	two := func(n int) string { return strconv.Itoa(n/10) + strconv.Itoa(n%10) }
	switch {
	case seconds >= 3600:
		return sign + strconv.Itoa(seconds/3600) + "h" + two(seconds%3600/60) + "m"
	case seconds >= 60:
		return sign + strconv.Itoa(seconds/60) + "m" + two(seconds%60) + "s"
	}
	return sign + strconv.Itoa(seconds) + "s"
}

// percent is a ratio such as "91%".
func percent[T ~float64](r *T) string {
	if r == nil {
		return ""
	}
	return strconv.FormatFloat(math.Round(float64(*r)*100), 'f', -1, 64) + "%"
}

// number is a figure rounded to one digit behind the point.
func number[T ~float64](n *T) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(math.Round(float64(*n)*10)/10, 'f', -1, 64)
}

// exact is a figure as precise as it came.
func exact[T ~float64](n *T) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(float64(*n), 'f', -1, 64)
}

func whole(n *asleep.Int) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}

// join lists open strings in one field.
func join[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = string(s)
	}
	return strings.Join(texts, ";")
}
