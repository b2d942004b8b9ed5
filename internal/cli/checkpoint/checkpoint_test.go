package checkpoint_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/checkpoint"
)

const tokenText = `{"v":1,"query":"from=&to=","key":"00112233445566aa","done":7,"hash":"00112233445566778899aabbccddeeff","failed":1}`

func example(tb testing.TB) checkpoint.State {
	tb.Helper()
	token, err := client.ParseResumeToken(tokenText)
	if err != nil {
		tb.Fatal(err)
	}
	return checkpoint.State{
		Format: "ndjson", Token: token,
		Output: checkpoint.Mark{Path: "/data/out.ndjson", Bytes: 123},
		Errors: checkpoint.Mark{Path: "/data/out.ndjson.errors.ndjson", Bytes: 45},
	}
}

func TestASavedStateLoadsAndIsForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c")
	if _, ok, err := checkpoint.Load(path); ok || err != nil {
		t.Fatalf("without a file: %v, %v", ok, err)
	}
	s := example(t)
	for _, s.Output.Bytes = range []int64{1, 123} {
		if err := s.Save(path); err != nil {
			t.Fatal(err)
		}
	}
	got, ok, err := checkpoint.Load(path)
	if !ok || err != nil || got.Token != s.Token || got.Output != s.Output || got.Errors != s.Errors || got.Format != "ndjson" || got.SavedAt.IsZero() {
		t.Errorf("loaded %+v, %v, %v", got, ok, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 1 {
		t.Errorf("something stays beside it: %v", entries)
	}
	if err := errors.Join(checkpoint.Retire(path), checkpoint.Retire(path)); err != nil {
		t.Error(err)
	}
	if _, ok, err := checkpoint.Load(path); ok || err != nil {
		t.Errorf("retired, it is there: %v, %v", ok, err)
	}
}

func TestTheBeginningHasAZeroToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c")
	if err := (checkpoint.State{Format: "csv"}).Save(path); err != nil {
		t.Fatal(err)
	}
	if s, ok, err := checkpoint.Load(path); !ok || err != nil || !s.Token.IsZero() {
		t.Errorf("loaded %+v, %v, %v", s, ok, err)
	}
}

func TestWhatIsNoCheckpointIsRefusedByName(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c")
	if err := example(t).Save(path); err != nil {
		t.Fatal(err)
	}
	whole, _ := os.ReadFile(path)
	text := string(whole)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty":                {"", checkpoint.ErrInvalid},
		"torn":                 {text[:len(text)/2], checkpoint.ErrInvalid},
		"a session":            {`{"user_id":"u","session_id":"s"}`, checkpoint.ErrInvalid},
		"a damaged token":      {strings.Replace(text, "00112233445566aa", "zz", 1), checkpoint.ErrInvalid},
		"an unknown member":    {strings.Replace(text, `"format"`, `"shape"`, 1), checkpoint.ErrInvalid},
		"a negative size":      {strings.Replace(text, "123", "-123", 1), checkpoint.ErrInvalid},
		"endless":              {text + strings.Repeat(" ", 100<<10), checkpoint.ErrInvalid},
		"a newer version":      {strings.Replace(text, `"version":1`, `"version":2,"more":{}`, 1), checkpoint.ErrNewer},
		"a token of a newer":   {strings.Replace(text, `"v":1`, `"v":9`, 1), checkpoint.ErrNewer},
		"no version":           {strings.Replace(text, `"version":1`, `"version":0`, 1), checkpoint.ErrInvalid},
		"of another command":   {strings.Replace(text, "asleep fetch", "asleep sync", 1), checkpoint.ErrInvalid},
		"a list in its places": {"[]", checkpoint.ErrInvalid},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := checkpoint.Load(path); ok || !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if _, _, err := checkpoint.Load(filepath.Dir(path)); err == nil {
		t.Error("a directory is loaded")
	}
}

func TestASaveThatFailsLeavesTheOneBeforeIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c")
	s := example(t)
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".tmp", 0o700); err != nil { // in the way of the next
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path+".tmp", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Output.Bytes = 999
	if err := s.Save(path); err == nil {
		t.Fatal("saved")
	}
	if got, ok, err := checkpoint.Load(path); !ok || err != nil || got.Output.Bytes != 123 {
		t.Errorf("loaded %+v, %v, %v", got, ok, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"checkpoint":"asleep fetch","version":1,"saved_at":"2026-01-02T03:04:05Z","format":"csv","output":{"path":"","bytes":0},"errors":{"path":"","bytes":0},"token":` + tokenText + `}`))
	f.Add([]byte(`{"checkpoint":"asleep fetch","version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := checkpoint.Parse(b)
		if err != nil {
			if !errors.Is(err, checkpoint.ErrInvalid) && !errors.Is(err, checkpoint.ErrNewer) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if s.Output.Bytes < 0 || s.Errors.Bytes < 0 || s.Format == "" {
			t.Fatalf("accepted %+v", s)
		}
	})
}
