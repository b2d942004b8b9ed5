package rediscache

import (
	"bytes"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/internal/seal"
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

func TestOnlyWhatMarksLookLikeIsTakenForMarks(t *testing.T) {
	t.Parallel()
	good := newMarks()
	if m, ok := parseMarks(good); !ok || formatMarks(m) != good {
		t.Errorf("%q is read as %+v, %v", good, m, ok)
	}
	for _, other := range []any{nil, int64(53), []any{good}, "", good[1:], good + "x", strings.Replace(good, ".", ":", 1), strings.Repeat("x", 80)} {
		if m, ok := parseMarks(other); ok {
			t.Errorf("%v is read as %+v", other, m)
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

// answerOf makes an answer of Redis of a text: members parted by "|", those that begin
// with ":" numbers, "-" nothing, "[" a list.
func answerOf(text string) (found []any) {
	for member := range strings.SplitSeq(text, "|") {
		switch {
		case member == "-":
			found = append(found, nil)
		case strings.HasPrefix(member, ":"):
			found = append(found, int64(len(member)))
		case strings.HasPrefix(member, "["):
			found = append(found, []any{member})
		default:
			found = append(found, member)
		}
	}
	return found
}

// FuzzAnswers: whatever is answered, it is refused, or has sound marks, and a value that
// is not text is none.
func FuzzAnswers(f *testing.F) {
	marks := newMarks()
	for _, s := range []string{marks + "|value|holder", marks + "|-", marks + "|:1|-", marks + "|[|:", marks + "||", marks, "-|-|-", "|", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := answerOf(text)
		seen, err := readLook(found, 2)
		if err == nil && (len(found) != 2 || formatMarks(seen.marks) != found[0]) {
			t.Errorf("%q has the marks %+v", text, seen.marks)
		}
		_, isText := seen.value.(string)
		if got := new(Tier).open(cache.Key{}, seen.value); isText == (got == "") {
			t.Errorf("%q is read as %q", text, got)
		}
		if held, err := readHeld(found); err == nil && (len(found) != 3 || held.holder == "" || held.holder != found[2]) {
			t.Errorf("%q: the lease is held by %q", text, held.holder)
		}
	})
}

func sealedTier(tb testing.TB) *Tier {
	tb.Helper()
	ring, err := seal.New(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		tb.Fatal(err)
	}
	return &Tier{sealer: ring}
}

func TestASealedValueIsBoundToItsWholeKey(t *testing.T) {
	t.Parallel()
	tier := sealedTier(t)
	k := cache.Key{Tenant: "t", User: "u", Kind: "k", ID: "i", Zone: "z", Schema: 1}
	good, err := tier.seal(k, []byte("a night"))
	if err != nil {
		t.Fatal(err)
	}
	if got := tier.open(k, string(good)); got != "a night" {
		t.Errorf("it opens as %q", got)
	}
	for name, change := range map[string]func(*cache.Key){
		"tenant": func(k *cache.Key) { k.Tenant = "x" }, "user": func(k *cache.Key) { k.User = "x" },
		"kind": func(k *cache.Key) { k.Kind = "x" }, "id": func(k *cache.Key) { k.ID = "x" },
		"zone": func(k *cache.Key) { k.Zone = "x" }, "schema": func(k *cache.Key) { k.Schema = 2 },
	} {
		other := k
		change(&other)
		if got := tier.open(other, string(good)); got != unopened {
			t.Errorf("of another %s it opens as %q", name, got)
		}
	}
}

// FuzzSealed: what opens is what was sealed, and for the key that it was sealed for.
func FuzzSealed(f *testing.F) {
	tier := sealedTier(f)
	k := cache.Key{Tenant: "t", User: "u", ID: "1"}
	good, err := tier.seal(k, []byte("a night"))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{string(good), string(good[:20]), string(good) + "x", "asc1", "?", ""} {
		f.Add(s, "u")
		f.Add(s, "v")
	}
	f.Fuzz(func(t *testing.T, text, user string) {
		of := k
		of.User = user
		got := tier.open(of, strings.Clone(text)) // it may be written to
		if got != unopened && (got != "a night" || user != k.User) {
			t.Errorf("%q of %q opens as %q", text, user, got)
		}
	})
}
