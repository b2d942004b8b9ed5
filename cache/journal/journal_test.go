package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/cache"
	"github.com/asleep-sdk/asleep/cache/journal"
)

func owner(i int) cache.Owner { return cache.OwnerOf("tenant", fmt.Sprint("user-", i)) }

func open(t *testing.T, path string) *journal.File {
	t.Helper()
	f, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestWhatIsNotCrossedOutIsFoundAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "erasures")
	f := open(t, path)
	for i := range 4 {
		if err := errors.Join(f.Add(owner(i)), f.Add(owner(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Remove(owner(1)), f.Remove(owner(3)), f.Remove(owner(9)), f.Add(owner(3))); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(path); !errors.Is(err, journal.ErrHeld) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second process: %v", err)
	}
	want := []cache.Owner{owner(0), owner(2), owner(3)}
	for range 3 {
		if got := f.Pending(); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		f = open(t, path)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "\n") != len(want) || strings.Contains(string(text), "user") {
		t.Errorf("%v: the file says\n%s", err, text)
	}
}

func TestALineThatWasCutOffIsPassedOverAndAForeignOneIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "erasures")
	whole := "+" + string(owner(1)) + "\n"
	for text, want := range map[string][]cache.Owner{
		"":                       nil,
		whole:                    {owner(1)},
		whole + whole[:20]:       {owner(1)},
		whole + whole[:33]:       {owner(1)},
		whole + "-" + whole[1:]:  nil,
		whole + "hello\n":        {},
		"\n" + whole:             {},
		"+user-1\n":              {},
		"\x00\x00\x00\n" + whole: {},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := journal.Open(path)
		if foreign := want != nil && len(want) == 0; foreign {
			if err == nil || !strings.Contains(err.Error(), "is no entry: move the file away") {
				t.Errorf("%q: %v", text, err)
			}
			if kept, _ := os.ReadFile(path); string(kept) != text {
				t.Errorf("%q became %q", text, kept)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := f.Add(owner(2)); err != nil {
			t.Error(err)
		}
		_ = f.Close()
		if got := open(t, path).Pending(); !slices.Equal(got, append(want, owner(2))) {
			t.Errorf("%q: then %v", text, got)
		}
		for _, left := range []string{path, path + ".lock"} {
			_ = os.Remove(left)
		}
		path = filepath.Join(dir, fmt.Sprint(len(text), len(want), text == whole))
	}
}

func TestADiskThatTakesNothingIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "erasures")
	if _, err := journal.Open(filepath.Join(dir, "nowhere", "erasures")); err == nil {
		t.Error("a folder that is not there")
	}
	f := open(t, path)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil { // what is to be written first
		t.Fatal(err)
	}
	if err := f.Add(owner(1)); err == nil || len(f.Pending()) != 0 {
		t.Errorf("%v, pending %v", err, f.Pending())
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("+" + string(owner(1)) + "\n-" + string(owner(1)) + "\n+"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "erasures")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		first, err := journal.Open(path)
		if err != nil {
			return
		}
		pending := first.Pending()
		_ = first.Close()
		if again := open(t, path).Pending(); !slices.Equal(again, pending) {
			t.Errorf("%q: %v, then %v", text, pending, again)
		}
	})
}
