package userlist_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/asleep-sdk/asleep/internal/cli/userlist"
)

// read returns all positions of a stream with their places.
func read(tb testing.TB, text string) (ids []string, places []userlist.Place, err error) {
	tb.Helper()
	l, err := userlist.Open(userlist.Input{Stream: strings.NewReader(text), StreamName: "standard input"}, 1)
	if err != nil {
		tb.Fatal(err)
	}
	for id, err := range l.All(tb.Context()) {
		if err != nil {
			return ids, places, err
		}
		places = append(places, l.Place(int64(len(ids))))
		ids = append(ids, id)
	}
	return ids, places, nil
}

func TestEveryFormOfLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		want       []string
		lines      []int64
	}{
		{"plain", "a\nb\n", []string{"a", "b"}, []int64{1, 2}},
		{"no line break at the end", "a\nb", []string{"a", "b"}, []int64{1, 2}},
		{"carriage returns", "a\r\nb\r\n", []string{"a", "b"}, []int64{1, 2}},
		{"byte-order mark", "\xef\xbb\xbfa\nb\n", []string{"a", "b"}, []int64{1, 2}},
		{"byte-order mark before a comment", "\xef\xbb\xbf# users\na\n", []string{"a"}, []int64{2}},
		{"blank lines and comments", "\n  \n# no\n\t# no\na\n\r\nb\n", []string{"a", "b"}, []int64{5, 7}},
		{"white space around", "  a\t\n\u00a0b\u3000\n", []string{"a", "b"}, []int64{1, 2}},
		{"white space and # inside", "a b\nc#d\n", []string{"a b", "c#d"}, []int64{1, 2}},
		{"duplicates are the client's to see", "a\na\n", []string{"a", "a"}, []int64{1, 2}},
		{"JSON lines", `{"user_id":"a","error":"404"}` + "\n" + ` {"line":7,"user_id":"\u00e9"} ` + "\nb\n", []string{"a", "é", "b"}, []int64{1, 2, 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ids, places, err := read(t, test.text)
			if err != nil || !slices.Equal(ids, test.want) {
				t.Fatalf("got %q, %v; want %q", ids, err, test.want)
			}
			for i, p := range places {
				if p != (userlist.Place{Line: test.lines[i]}) {
					t.Errorf("%q comes from %+v; want line %d without a problem", ids[i], p, test.lines[i])
				}
			}
		})
	}
}

func TestABadLineKeepsItsPositionAndSaysWhy(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	for _, test := range []struct{ name, line, problem, excerpt string }{
		{"1 MB", long, "the line has 1048577 bytes, more than 65536", `"xxxx`},
		{"1 MB of white space", strings.Repeat(" ", 1<<20), "the line has 1048577 bytes", `"    `},
		{"invalid UTF-8", "ab\xffcd", "not valid UTF-8", `"ab\xffcd"`},
		{"broken JSON", `{"user_id":"a`, "not a JSON object", `"{\"user_id\":\"a"`},
		{"JSON of another shape", `{"user_id":7}`, "not a JSON object with a text user_id", `"{\"user_id\":7}"`},
		{"JSON without the id", `{"line":7,"input":"x"}`, "without a member user_id", `"{\"line`},
		{"JSON with an empty id", `{"user_id":""}`, "empty user_id", `"{\"user`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ids, places, err := read(t, "before\n\n"+test.line+"\nafter\n")
			if err != nil || len(ids) != 3 || ids[0] != "before" || ids[2] != "after" {
				t.Fatalf("got %d ids, %v; want before, a stand-in, after", len(ids), err)
			}
			if !strings.HasPrefix(ids[1], "\x00") || !utf8.ValidString(ids[1]) || len(ids[1]) > 64 {
				t.Errorf("stand-in %q: want a short one that no service is asked for", ids[1])
			}
			p := places[1]
			if p.Line != 3 || !strings.Contains(p.Problem, test.problem) || !strings.HasPrefix(p.Excerpt, test.excerpt) || len(p.Excerpt) > 300 {
				t.Errorf("place is %+v; want line 3, problem %q, excerpt %s", p, test.problem, test.excerpt)
			}
			if again, _, _ := read(t, "before\n"+test.line+"\r\n"); again[1] != ids[1] {
				t.Errorf("read again it stands as %q instead of %q", again[1], ids[1])
			}
		})
	}
	if ids, _, _ := read(t, long+"y\n"+long+"z\n"); ids[0] == ids[1] {
		t.Error("two long lines that differ in their last byte have one stand-in: one of them would count as a duplicate")
	}
}

func TestSourcesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := userlist.Open(userlist.Input{Path: filepath.Join(dir, "none")}, 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := userlist.Open(userlist.Input{Path: dir}, 1); err == nil || !strings.Contains(err.Error(), dir+" is a directory") {
		t.Errorf("directory: %v", err)
	}
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "names no user"},
		{"comments only", "\xef\xbb\xbf# nobody\n\r\n", "names no user"},
		{"utf16", "\xff\xfea\x00\n\x00", "is UTF-16: save it as UTF-8"},
	} {
		path := file(test.name, test.text)
		l, err := userlist.Open(userlist.Input{Path: path}, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, countErr := l.Count()
		var rangeErr error
		for _, rangeErr = range l.All(t.Context()) {
		}
		for _, err := range []error{countErr, rangeErr} {
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v; want one that names the file and says %q", test.name, err, test.want)
			}
		}
	}
	if _, _, err := read(t, "# nobody\n"); !errors.Is(err, userlist.ErrEmpty) || !strings.Contains(err.Error(), "standard input") {
		t.Errorf("empty stream: %v", err)
	}
}

func TestIDsComeBeforeTheFileAndAFileCanBeReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte("c\n# no\n"+strings.Repeat("x", 1<<20)+"\n\nd"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := userlist.Open(userlist.Input{IDs: []string{"a", " b"}, Path: path}, 8)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := l.Count(); n != 5 || err != nil {
		t.Errorf("count is %d, %v; want 5", n, err)
	}
	for range 2 {
		var ids []string
		for id, err := range l.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if len(ids) != 5 || ids[0] != "a" || ids[1] != " b" || ids[2] != "c" || ids[4] != "d" {
			t.Errorf("got %q", ids)
		}
		if p := l.Place(1); p != (userlist.Place{}) {
			t.Errorf("an id of the command line comes from %+v", p)
		}
		if p := l.Place(4); p.Line != 5 {
			t.Errorf("d comes from %+v; want line 5", p)
		}
	}
}

func TestAFailingStreamSaysWhere(t *testing.T) {
	t.Parallel()
	broken := errors.New("cable cut")
	stream := io.MultiReader(strings.NewReader("a\nb\nhal"), errReader{broken})
	l, err := userlist.Open(userlist.Input{Stream: stream, StreamName: "standard input"}, 4)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for id, rangeErr := range l.All(t.Context()) {
		if err = rangeErr; err == nil {
			ids = append(ids, id)
		}
	}
	if !errors.Is(err, broken) || err.Error() != "standard input: line 3: cable cut" || !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("got %q, %v", ids, err)
	}
	for _, err = range l.All(t.Context()) {
	}
	if err == nil || !strings.Contains(err.Error(), "only once") {
		t.Errorf("second range over a stream: %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestTheEndOfTheContextEndsABlockedStream(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := userlist.Open(userlist.Input{Stream: r, StreamName: "standard input"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(w, "a\n") }()
	for id, rangeErr := range l.All(ctx) {
		if err = rangeErr; id == "a" {
			cancel()
		}
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the sequence ended with %v", err)
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte("a\r\n\n# c\n{\"user_id\":\"b\"}\n\xff\n"))
	f.Add(append(bytes.Repeat([]byte("y"), userlist.MaxLine), "\nz"...))
	f.Add([]byte("\xef\xbb\xbf{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, places, err := read(t, string(data))
		if err != nil {
			return
		}
		nonBlank := 0
		for line := range bytes.Lines(data) {
			if len(bytes.TrimSpace(line)) > 0 {
				nonBlank++
			}
		}
		if len(ids) > nonBlank {
			t.Fatalf("%d ids out of %d lines", len(ids), nonBlank)
		}
		var last int64
		for i, p := range places {
			if p.Line <= last {
				t.Fatalf("line %d after line %d", p.Line, last)
			}
			last = p.Line
			if ids[i] == "" || !utf8.ValidString(ids[i]) || (p.Problem != "") != (strings.HasPrefix(ids[i], "\x00") && p.Excerpt != "") && p.Problem != "" {
				t.Fatalf("position %d is %q from %+v", i, ids[i], p)
			}
		}
		again, _, _ := read(t, string(data))
		if !slices.Equal(ids, again) {
			t.Fatal("a second reading differs")
		}
	})
}

func BenchmarkList(b *testing.B) {
	var text bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&text, "G-20260302081522-Qm4xTz9LbVr2Kd%05d\n", i)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		l, err := userlist.Open(userlist.Input{Stream: bytes.NewReader(text.Bytes())}, 1)
		if err != nil {
			b.Fatal(err)
		}
		for range l.All(b.Context()) {
		}
	}
}
