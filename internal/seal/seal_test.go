package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/seal"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, seal.KeySize) }

func ring(tb testing.TB, keys ...[]byte) *seal.Keyring {
	tb.Helper()
	r, err := seal.New(keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestRotation(t *testing.T) {
	t.Parallel()
	old := ring(t, key(1))
	both := ring(t, key(2), key(1))
	sealed, _ := old.Seal([]byte("night"), []byte("row"))
	if got, err := both.Open(sealed, []byte("row")); err != nil || string(got) != "night" {
		t.Errorf("%q, %v", got, err)
	}
	if both.Current(sealed) || !old.Current(sealed) {
		t.Error("the old key is not the current one any more")
	}
	if _, err := ring(t, key(2)).Open(sealed, []byte("row")); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("a dropped key: %v", err)
	}
}

func TestForgedValuesDoNotOpen(t *testing.T) {
	t.Parallel()
	r := ring(t, key(1))
	sealed, _ := r.Seal([]byte("night"), []byte("row"))
	if _, err := r.Open(sealed, []byte("other row")); !errors.Is(err, seal.ErrForged) {
		t.Errorf("another row: %v", err)
	}
	for i := range sealed {
		b := bytes.Clone(sealed)
		b[i] ^= 1
		if _, err := r.Open(b, []byte("row")); err == nil {
			t.Errorf("byte %d changed: it opens", i)
		}
		if _, err := r.Open(sealed[:i], []byte("row")); err == nil {
			t.Errorf("cut to %d bytes: it opens", i)
		}
	}
	again, _ := r.Seal([]byte("night"), []byte("row"))
	if bytes.Equal(sealed, again) {
		t.Error("sealed twice, it is the same")
	}
}

func TestParseNamesTheKeyNotItsText(t *testing.T) {
	t.Parallel()
	good := base64.StdEncoding.EncodeToString(key(200))
	for list, want := range map[string]string{
		"":                           "key 1 has 0 bytes",
		good + ",":                   "key 2 has 0 bytes",
		good + ",hunter2!":           "key 2 is not base64",
		good + ",aHVudGVyMg==":       "key 2 has 7 bytes",
		good + "," + good:            "keys 1 and 2 are the same",
		strings.Repeat("hunter2", 9): "bytes, want 32",
	} {
		_, err := seal.Parse(list)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %q and no key", err, want)
		}
	}
	if _, err := seal.Parse(" " + good + " , " + base64.RawURLEncoding.EncodeToString(key(250))); err != nil {
		t.Error(err)
	}
	if _, err := seal.New(); err == nil {
		t.Error("no key is no error")
	}
}

func FuzzOpen(f *testing.F) {
	r := ring(f, key(1), key(2))
	// One that was sealed once, for every process of the fuzzer must know it.
	sealed, err := hex.DecodeString("21ebc3d2f87f63747813d6fd15b3bf746611c2d0118854e79b1867265a06c4607b8e3e8e70")
	if err != nil {
		f.Fatal(err)
	}
	if plain, err := r.Open(sealed, []byte("row")); err != nil || string(plain) != "night" {
		f.Fatalf("the stored form has changed: %q, %v", plain, err)
	}
	f.Add(sealed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := r.Open(b, []byte("row")); err == nil && !bytes.Equal(b, sealed) {
			t.Fatalf("%x opens as %q", b, plain)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(key(1)) + "," + base64.StdEncoding.EncodeToString(key(2)))
	f.Add(",")
	f.Fuzz(func(t *testing.T, list string) {
		r, err := seal.Parse(list)
		if err != nil {
			return
		}
		sealed, _ := r.Seal([]byte("x"), nil)
		if _, err := r.Open(sealed, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r := ring(b, key(1))
	plain, row := make([]byte, 6500), []byte("raw\x00session")
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = r.Seal(plain, row)
	}
}
