package canary

import (
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// What must never be seen. They are as long and odd as real ones, and nothing else in
// the tree looks like them.
const (
	Key  = "sk-live-canary-9TqW3nZr7LbX5vKd"
	User = "G-20260302081522-Canary4xTz9LbVr2KdHs7WpN"
)

// Fakes are the ids that the fake service gives its users.
var Fakes = regexp.MustCompile(`\buser-0\d{3}\b`)

// forms are the spellings of what must not be seen.
var forms = func() []string {
	var all []string
	for _, s := range []string{Key, User} {
		b := []byte(s)
		all = append(all, s, url.QueryEscape(s), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
			strings.Trim(fmt.Sprint(b), "[]"))
		for skip := range 3 { // wherever it begins in what was encoded
			inside := base64.RawStdEncoding.EncodeToString(append(make([]byte, skip), b...))
			all = append(all, inside[4:len(inside)-4])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}()

// Leak is a place where something was seen.
type Leak struct {
	Where string // what was recorded
	Line  string
}

// Find returns the lines of a text that tell what they must not. A line that an
// expression of allowed matches may name users, for somebody asked for that; it may
// not name the key.
func Find(where, text string, allowed ...*regexp.Regexp) (leaks []Leak) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		asked := slices.ContainsFunc(allowed, func(r *regexp.Regexp) bool { return r.MatchString(line) })
		seen := slices.ContainsFunc(forms, func(form string) bool {
			return strings.Contains(line, form) && !(asked && strings.Contains(form, User))
		})
		if seen || !asked && Fakes.MatchString(line) {
			leaks = append(leaks, Leak{where, line})
		}
	}
	return leaks
}

// recorder is what a test binary has recorded.
var recorder struct {
	sync.Mutex

	records int
	leaks   []Leak
}

// Record looks at a piece of a log, an error or a dump; where says what it is. It is
// safe for concurrent use.
func Record(where, text string, allowed ...*regexp.Regexp) {
	leaks := Find(where, text, allowed...)
	recorder.Lock()
	defer recorder.Unlock()
	recorder.records++
	recorder.leaks = append(recorder.leaks, leaks...)
}

// RecordValue is Record of all that formatters make of a value.
func RecordValue(where string, values ...any) {
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
			Record(where+" as "+verb, fmt.Sprintf(verb, v))
		}
	}
}

// Log returns a writer whose lines are recorded.
func Log(where string) io.Writer { return writer(where) }

type writer string

// Write implements [io.Writer].
func (w writer) Write(b []byte) (int, error) {
	Record(string(w), string(b))
	return len(b), nil
}

// Suite is the tests of a package.
type Suite struct {
	M interface{ Run() int } // a *testing.M
}

// Run runs them and returns the exit code: 1 if they told anything.
func (s Suite) Run() int {
	code := s.M.Run()
	recorder.Lock()
	defer recorder.Unlock()
	return max(code, verdict(os.Stderr, recorder.records, recorder.leaks, whole()))
}

// whole reports whether all tests of the package ran.
func whole() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.bench"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

const shown = 10

func verdict(w io.Writer, records int, leaks []Leak, whole bool) int {
	for i, l := range leaks {
		if i == shown {
			_, _ = fmt.Fprintf(w, "canary: and %d more\n", len(leaks)-shown)
			break
		}
		_, _ = fmt.Fprintf(w, "canary: %s tells a key or a user id: %s\n", l.Where, Mask(l.Line))
	}
	switch {
	case len(leaks) > 0:
		return 1
	case whole && records == 0:
		_, _ = fmt.Fprintln(w, "canary: nothing was recorded in the whole run: the suite's logs and errors do not reach it")
		return 1
	}
	return 0
}

// Mask replaces what was seen, so that a report of it can be scanned as well.
func Mask(line string) string {
	for _, form := range forms {
		name := "[THE USER]"
		if strings.Contains(form, Key) {
			name = "[THE KEY]"
		}
		line = strings.ReplaceAll(line, form, name)
	}
	return Fakes.ReplaceAllString(line, "[A USER]")
}
