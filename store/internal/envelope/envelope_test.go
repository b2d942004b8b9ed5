package envelope_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/asleep-sdk/asleep/internal/seal"
	"github.com/asleep-sdk/asleep/store"
	"github.com/asleep-sdk/asleep/store/internal/envelope"
)

const column = "sessions.raw"

func sealed(tb testing.TB, first byte) envelope.Codec {
	tb.Helper()
	key := make([]byte, seal.KeySize)
	key[0] = first
	r, err := seal.New(key)
	if err != nil {
		tb.Fatal(err)
	}
	return envelope.Codec{Sealer: r}
}

// bodies are payloads of every kind and the mark that they are stored with when
// they are not sealed: 0 as they are, 2 compressed.
func bodies() map[string]byte {
	noise := make([]byte, 8<<10)
	die := rand.New(rand.NewPCG(3, 4))
	for i := range noise {
		noise[i] = byte(die.Uint32())
	}
	return map[string]byte{
		"{}":                           0,
		strings.Repeat("0", 2<<10-1):   0, // too short to pay
		strings.Repeat("0", 2<<10):     2,
		string(noise):                  0, // does not compress
		report(die):                    2,
		strings.Repeat("é\x00", 2<<20): 2,
	}
}

func TestWhatIsSealedOpensAsItWas(t *testing.T) {
	t.Parallel()
	for _, c := range []envelope.Codec{{}, sealed(t, 1)} {
		for body, mark := range bodies() {
			stored, err := c.Seal(column, "s1", []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if c.Sealer != nil {
				mark |= 1
			}
			if stored[0] != mark || mark >= 2 && len(stored) > len(body)/2 {
				t.Errorf("%.20q: mark %d, want %d; %d bytes of %d", body, stored[0], mark, len(stored), len(body))
			}
			if plain, err := c.Open(column, "s1", stored); err != nil || string(plain) != body {
				t.Errorf("%.20q opens as %.20q, %v", body, plain, err)
			}
			if !c.Current(stored) {
				t.Errorf("%.20q is not current as soon as it is stored", body)
			}
			if _, err := c.Open(column, "s2", stored); c.Sealer != nil && !errors.Is(err, store.ErrSealed) {
				t.Errorf("in another row: %v, want ErrSealed", err)
			}
		}
		if stored, err := c.Seal(column, "s1", nil); err != nil || stored != nil {
			t.Errorf("an empty payload is stored as %v, %v", stored, err)
		}
	}
}

// TestRowsFromBeforeCompressionOpen: the first two marks are what earlier
// programs wrote, whatever the length.
func TestRowsFromBeforeCompressionOpen(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("a long body ", 1000)
	if plain, err := (envelope.Codec{}).Open(column, "s1", []byte("\x00"+body)); err != nil || string(plain) != body {
		t.Errorf("a plain row: %.20q, %v", plain, err)
	}
	c := sealed(t, 1)
	old, err := c.Sealer.Seal([]byte(body), []byte(column+"\x00s1"))
	if err != nil {
		t.Fatal(err)
	}
	old = append([]byte{1}, old...)
	if plain, err := c.Open(column, "s1", old); err != nil || string(plain) != body || !c.Current(old) {
		t.Errorf("a sealed row: %.20q, %v", plain, err)
	}
	if sealed(t, 2).Current(old) || (envelope.Codec{}).Current(old) {
		t.Error("a row that is sealed with another key is current")
	}
}

// TestABombIsRefused: a few kilobytes that would open to more than anybody stores, in frames
// that say so, that do not, and in many small ones.
func TestABombIsRefused(t *testing.T) {
	t.Parallel()
	const size = 24 << 20
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	told := w.EncodeAll(make([]byte, size), nil)
	var untold bytes.Buffer
	stream, err := zstd.NewWriter(&untold)
	if err != nil {
		t.Fatal(err)
	}
	for range size >> 20 {
		_, _ = stream.Write(make([]byte, 1<<20))
	}
	_ = stream.Close()
	many := bytes.Repeat(w.EncodeAll(make([]byte, 1<<20), nil), size>>20)
	for name, bomb := range map[string][]byte{"its size told": told, "its size not told": untold.Bytes(), "many frames": many} {
		plain, err := envelope.Codec{}.Open(column, "s1", append([]byte{2}, bomb...))
		if !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v; want ErrCorrupt", name, len(plain), err)
		}
	}
	// What is too large to be opened again is not compressed in the first place.
	stored, err := envelope.Codec{}.Seal(column, "s1", make([]byte, size))
	if err != nil || stored[0] != 0 || len(stored) != size+1 {
		t.Errorf("%d bytes with mark %d, %v; want them as they are", len(stored), stored[0], err)
	}
}

func TestWhatIsDamagedIsTold(t *testing.T) {
	t.Parallel()
	body := report(rand.New(rand.NewPCG(5, 6)))
	stored, err := envelope.Codec{}.Seal(column, "s1", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := range stored {
		b := bytes.Clone(stored)
		b[i] ^= 1 << (i % 8)
		if plain, err := (envelope.Codec{}).Open(column, "s1", b); err == nil && b[0] != 0 && string(plain) != body { // some bits only fill up a byte
			t.Errorf("byte %d changed: it opens to other %d bytes", i, len(plain))
		}
		if _, err := (envelope.Codec{}).Open(column, "s1", stored[:i]); i > 0 && !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v, want ErrCorrupt", i, err)
		}
	}
	for _, mark := range []byte{4, 255} {
		if _, err := (envelope.Codec{}).Open(column, "s1", []byte{mark, 'x'}); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("mark %d: %v, want ErrCorrupt", mark, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	c := envelope.Codec{}
	for body := range bodies() {
		if stored, err := c.Seal(column, "s1", []byte(body)); err == nil && len(body) < 1<<16 {
			f.Add(stored)
		}
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		plain, err := c.Open(column, "s1", stored)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrSealed) {
				t.Fatal(err)
			}
			return
		}
		again, err := c.Seal(column, "s1", plain)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := c.Open(column, "s1", again); err != nil || !bytes.Equal(back, plain) {
			t.Fatalf("%d bytes come back as %d, %v", len(plain), len(back), err)
		}
	})
}
