package store_test

import (
	"context"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/store"
)

func FuzzParseCursor(f *testing.F) {
	f.Add("")
	f.Add("x")
	f.Add(store.Cursor{Start: time.UnixMilli(1.7e12).UTC(), ID: "20260314135107_abcde"}.String())
	f.Add(store.Cursor{ID: "no start"}.String())
	f.Fuzz(func(t *testing.T, text string) {
		c, err := store.ParseCursor(text)
		if err != nil {
			if !errors.Is(err, store.ErrInvalid) {
				t.Fatalf("%v does not match ErrInvalid", err)
			}
			return
		}
		if got := c.String(); got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func FuzzEpochs(f *testing.F) {
	full, _ := store.Epochs{Sleep: asleep.Stages{0, 1, -1, -128, 127}, Breath: asleep.BreathStages{}, Snoring: nil}.AppendBinary(nil)
	f.Add(full)
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again store.Epochs
		if err := e.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("%v does not match ErrCorrupt", err)
			}
			return
		}
		out, _ := e.AppendBinary(nil)
		if err := again.UnmarshalBinary(out); err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%v became %v, %v", e, again, err)
		}
	})
}

func FuzzMetrics(f *testing.F) {
	var m store.Metrics
	m.Set(store.SleepIndex, 80)
	m.Set(store.UnstableBreathCount, -0.5)
	some, _ := m.AppendBinary(nil)
	f.Add(some)
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0x80, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again store.Metrics
		if err := m.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("%v does not match ErrCorrupt", err)
			}
			return
		}
		out, _ := m.AppendBinary(nil)
		if err := again.UnmarshalBinary(out); err != nil || m != again {
			t.Fatalf("%v became %v, %v", m, again, err)
		}
	})
}

func FuzzOpenURL(f *testing.F) {
	for _, seed := range []string{"", "x:", "sqlite:./a.db", "X:y", "x://u:hunter2@h:p/%zz", "://", "1x:", "x y:"} {
		f.Add(seed)
	}
	backend := store.Backend{Name: "x", Schemes: []string{"x"}, Open: func(_ context.Context, u *url.URL, _ store.Options) (store.Store, error) {
		if u == nil || !strings.EqualFold(u.Scheme, "x") {
			return nil, errors.New("called with another URL")
		}
		return nil, nil
	}}
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := store.Open(t.Context(), raw, store.Options{}, backend); err != nil && !errors.Is(err, store.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
