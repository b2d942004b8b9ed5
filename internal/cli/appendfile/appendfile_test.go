package appendfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asleep-sdk/asleep/internal/cli/appendfile"
)

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func put(t *testing.T, f *appendfile.File, group string) {
	t.Helper()
	if _, err := f.Write([]byte(group)); err != nil {
		t.Fatal(err)
	}
	if err := f.Mark(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWholeGroupsReachTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	f, err := appendfile.Open(path, appendfile.Start{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "a\nb\n")
	_, _ = f.Write([]byte("half a gro"))
	if n, err := f.Sync(); n != 4 || err != nil || content(t, path) != "a\nb\n" {
		t.Errorf("synced %d, %v, and the file has %q", n, err, content(t, path))
	}
	f.Unmark()
	put(t, f, "c\n")
	if n, err := f.Sync(); n != 6 || err != nil || content(t, path) != "a\nb\nc\n" {
		t.Errorf("synced %d, %v, and the file has %q", n, err, content(t, path))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
}

func TestManySmallGroupsAreWrittenTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	f, err := appendfile.Open(path, appendfile.Start{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	put(t, f, "a\n")
	if got := content(t, path); got != "" {
		t.Errorf("a small group is written at once: %q", got)
	}
	put(t, f, strings.Repeat("x", 70_000)+"\n")
	if got := len(content(t, path)); got != 70_003 {
		t.Errorf("%d bytes are written, want 70003", got)
	}
}

func TestContinuingCutsWhatLiesBehindButNotBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	was := "a\nb\nc\ntorn"
	if err := os.WriteFile(path, []byte(was), 0o600); err != nil {
		t.Fatal(err)
	}
	start := appendfile.Start{At: 4, Replace: true}
	refused, err := appendfile.Open(path, start)
	if err != nil {
		t.Fatal(err)
	}
	if err := refused.Discard(); err != nil || content(t, path) != was {
		t.Fatalf("opened and closed, it has %q, %v", content(t, path), err)
	}
	f, err := appendfile.Open(path, start)
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "d\n")
	if n, err := f.Sync(); n != 6 || err != nil || content(t, path) != "a\nb\nd\n" {
		t.Errorf("synced %d, %v, and the file has %q", n, err, content(t, path))
	}
	_ = f.Close()
}

func TestAFileThatIsNotTheOneToContinueIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("ab\ncd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path  string
		start appendfile.Start
		want  error
		text  string
	}{
		"content nobody asked to replace": {path, appendfile.Start{}, appendfile.ErrExists, path},
		"too short":                       {path, appendfile.Start{At: 7, Replace: true}, appendfile.ErrChanged, "has 6 bytes, and should have at least 7"},
		"no line ends there":              {path, appendfile.Start{At: 4, Replace: true}, appendfile.ErrChanged, "no line ends at byte 4"},
		"gone":                            {path + "x", appendfile.Start{At: 4, Replace: true}, appendfile.ErrChanged, "it is gone"},
		"a directory":                     {filepath.Dir(path), appendfile.Start{}, nil, "directory"},
		"in no directory":                 {filepath.Join(path, "x"), appendfile.Start{}, nil, "not a directory"},
	} {
		if _, err := appendfile.Open(c.path, c.start); err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(path + "x"); err == nil {
		t.Error("a file that was gone has been made")
	}
}

func TestAnEmptyFileThatWasMadeIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, kept := filepath.Join(dir, "made"), filepath.Join(dir, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{made, kept} {
		f, err := appendfile.Open(path, appendfile.Start{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Begin(), f.Discard()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(made); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty file stays behind: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("a file that was there before is gone: %v", err)
	}
}

func TestAFullDeviceIsAnErrorThatStays(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	f, err := appendfile.Open("/dev/full", appendfile.Start{})
	if err != nil {
		t.Fatal(err)
	}
	if f.Regular() {
		t.Error("a device is taken for a file")
	}
	_, _ = f.Write([]byte("a\n"))
	first := f.Mark()
	_, second := f.Write([]byte("b\n"))
	if first == nil || !errors.Is(second, first) || !strings.Contains(first.Error(), "no space left") {
		t.Errorf("errors are %v, then %v", first, second)
	}
	_ = f.Close()
}

func TestAStreamGetsEveryGroupAtOnce(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	f := appendfile.Stream(&b, "standard output")
	put(t, f, "a\n")
	if b.String() != "a\n" || f.Size() != 2 {
		t.Errorf("the stream has %q", b.String())
	}
}
