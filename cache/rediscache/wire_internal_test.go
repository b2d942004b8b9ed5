package rediscache

import (
	"testing"

	"github.com/asleep-sdk/asleep/cache"
)

func FuzzParseNotice(f *testing.F) {
	for _, s := range []string{"1 owner from", "2 o ", "3 a b", "1", "1  x", "", "2 o f g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, ok := parseNotice(text); ok && formatNotice(n) != text {
			t.Errorf("%q is read as %+v", text, n)
		}
	})
}

func TestNoticesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, n := range []cache.Notice{{From: "a", Owner: "o", Scope: cache.Changing}, {From: "a b ", Owner: "o", Scope: cache.Everything}, {Owner: "o", Scope: cache.Changing}} {
		if got, ok := parseNotice(formatNotice(n)); !ok || got != n {
			t.Errorf("%+v came back as %+v, %v", n, got, ok)
		}
	}
	for _, text := range []string{"", "1", "1 o", "1  f", "0 o f", "3 o f", "x"} {
		if n, ok := parseNotice(text); ok {
			t.Errorf("%q is read as %+v", text, n)
		}
	}
}

func FuzzParseMarks(f *testing.F) {
	for _, s := range []string{newMarks(), "", ".", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if m, ok := parseMarks(text); ok && (formatMarks(m) != text || m.Epoch == "" || m.Generation == "") {
			t.Errorf("%q is read as %+v", text, m)
		}
	})
}
