package mongo

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/store"
)

// What the driver says may repeat the URL, as it was written or taken apart.
func TestErrorsAreScrubbed(t *testing.T) {
	t.Parallel()
	const secret = "hun$ter+2/x"
	d := &DB{password: secret}
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
		cause := errors.New("cannot log in at mongodb://me:" + form + "@db/asleep")
		err := d.classify(cause)
		if text := err.Error(); strings.Contains(text, form) || !strings.Contains(text, "me:xxxxx@db") {
			t.Errorf("%s", text)
		}
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, cause) {
			t.Errorf("%v is %#v", form, err)
		}
	}
	if text := new(DB).classify(errors.New("nobody there")).Error(); !strings.HasSuffix(text, "nobody there") {
		t.Errorf("without a password: %s", text)
	}
}
