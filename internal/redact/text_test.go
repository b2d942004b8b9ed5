package redact_test

import (
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/redact"
)

func TestTextHidesAnIDPlainEscapedAndAloneIfShort(t *testing.T) {
	t.Parallel()
	digest := func(id string) string { return redact.User(id).String() }
	for _, c := range []struct{ text, id, want string }{
		{"nothing here", "", "nothing here"},
		{"nothing here", "G-0001-long", "nothing here"},
		{"GET /users/G-0001-long?x", "G-0001-long", "GET /users/" + digest("G-0001-long") + "?x"},
		{"GET /users/a%20b%2Flong", "a b/long", "GET /users/" + digest("a b/long")},
		{"xG-0001-longx", "G-0001-long", "x" + digest("G-0001-long") + "x"},
		{"user u1, not xu1 or u12", "u1", "user " + digest("u1") + ", not xu1 or u12"},
		{"ü1 über u1é", "u1", "ü1 über u1é"},
	} {
		if got := redact.Text(c.text, c.id); got != c.want {
			t.Errorf("Text(%q, %q) = %q, want %q", c.text, c.id, got, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("GET /users/G-0001-long", "G-0001-long")
	f.Add("\xff u1 \xc3", "u1")
	f.Fuzz(func(t *testing.T, text, id string) {
		got := redact.Text(text, id)
		if len(id) >= 8 && !strings.Contains(redact.User(id).String(), id) && strings.Contains(got, id) &&
			!strings.Contains(strings.ReplaceAll(text, id, ""), id[:1]) {
			t.Errorf("%q still tells %q", got, id)
		}
		if id == "" && got != text {
			t.Errorf("%q was changed to %q for nobody", text, got)
		}
	})
}
