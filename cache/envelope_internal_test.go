package cache

import (
	"errors"
	"testing"
	"time"
)

var sealed = envelope{class: Durable, told: time.UnixMilli(1_773_496_267_123), marks: Marks{Generation: "g", Epoch: "e"}, raw: `{"a":1}`}

func TestAnEnvelopeComesBackAsItWas(t *testing.T) {
	t.Parallel()
	k := Key{Tenant: "t", User: "u"}
	got, err := openEnvelope(string(sealed.seal(k)), k)
	if err != nil || got != sealed {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAnEnvelopeIsJudged(t *testing.T) {
	t.Parallel()
	k := Key{Tenant: "t", User: "u"}
	good := string(sealed.seal(k))
	for i := range good {
		changed := []byte(good)
		changed[i] ^= 0x10
		if e, err := openEnvelope(string(changed), k); err == nil {
			t.Errorf("byte %d changed: %+v", i, e)
		}
		if e, err := openEnvelope(good[:i], k); err == nil {
			t.Errorf("cut off at %d: %+v", i, e)
		}
	}
	if _, err := openEnvelope(good, Key{Tenant: "t", User: "v"}); !errors.Is(err, errMislaid) {
		t.Errorf("another key: %v", err)
	}
	absent := sealed
	absent.class = Absent
	if _, err := openEnvelope(string(absent.seal(k)), k); !errors.Is(err, errForeign) {
		t.Errorf("a class that is not kept far: %v", err)
	}
	if _, err := openEnvelope(good+good, k); err == nil {
		t.Error("twice")
	}
}

// FuzzEnvelope: what can be opened is what would be sealed.
func FuzzEnvelope(f *testing.F) {
	k := Key{Tenant: "t", User: "u"}
	f.Add(string(sealed.seal(k)))
	f.Add("asc1")
	f.Add("")
	f.Fuzz(func(t *testing.T, value string) {
		e, err := openEnvelope(value, k)
		if err != nil {
			if e != (envelope{}) {
				t.Errorf("%+v beside %v", e, err)
			}
			return
		}
		if again, err := openEnvelope(string(e.seal(k)), k); err != nil || again != e {
			t.Errorf("%+v became %+v, %v", e, again, err)
		}
	})
}
