package config

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Source is one place that settings come from.
type Source struct {
	// Name says where, such as "environment" or ".env".
	Name string
	// Values are the settings by the names of their variables.
	Values map[string]string
	// Label is what a person calls a variable in this source, such as --base-url
	// for ASLEEP_BASE_URL. Nil: the variable's own name.
	Label func(name string) string
}

func (s Source) label(name string) string {
	if s.Label == nil {
		return name
	}
	return s.Label(name)
}

// Environment is the source made of a list such as os.Environ returns. Of a
// name that stands there twice the last one counts.
func Environment(list []string) Source {
	values := make(map[string]string, len(list))
	for _, entry := range list {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			values[name] = value
		}
	}
	return Source{Name: "environment", Values: values}
}

// Value is a setting that was found or fell to its default.
type Value struct {
	Name   string // of the variable
	Label  string // what the source calls it
	Text   string // empty for a secret
	Source string // the name of the source; "default" if no source has it
	Rank   int    // of the source, 0 for the first; the number of sources for a default
	Secret bool
}

// DefaultSource is the Source of a [Value] that no source has.
const DefaultSource = "default"

// Reader reads settings from its sources and collects what is wrong with them.
type Reader struct {
	Problems

	sources []Source
	values  []Value
}

// NewReader asks the sources in the order given: the first that has a value wins.
func NewReader(sources ...Source) *Reader { return &Reader{sources: sources} }

// Find looks for a setting by its names, the preferred one first: a source that
// has any of them wins over all later sources. ok is false, and the label the
// first name, if no source has it.
func (r *Reader) Find(names ...string) (v Value, ok bool) {
	for rank, s := range r.sources {
		for _, name := range names {
			if text := s.Values[name]; text != "" {
				return Value{Name: name, Label: s.label(name), Text: text, Source: s.Name, Rank: rank}, true
			}
		}
	}
	return Value{Name: names[0], Label: names[0], Source: DefaultSource, Rank: len(r.sources)}, false
}

// Values are the settings read so far, in the order of reading. The Text of a
// secret is empty.
func (r *Reader) Values() []Value { return slices.Clone(r.values) }

// read gives the setting to parse, and its default where there is none or
// parse refuses it. The error of parse says what is wrong and what to do.
func read[T any](r *Reader, def T, parse func(string) (T, error), names []string) T {
	v, ok := r.Find(names...)
	result := def
	if ok {
		parsed, err := parse(v.Text)
		if err != nil {
			r.Add(v.Label, "%s", err)
		} else {
			result = parsed
		}
	} else {
		v.Text = show(def)
	}
	r.values = append(r.values, v)
	return result
}

func show(v any) string {
	if d, ok := v.(time.Duration); ok {
		switch {
		case d == 0:
			return ""
		case d%time.Second == 0: // as one would set it
			return strconv.FormatInt(int64(d/time.Second), 10)
		}
	}
	if n, ok := v.(int); ok && n == 0 {
		return ""
	}
	return fmt.Sprint(v)
}

// String reads a text. More names are older spellings of the same setting; the
// same goes for the methods below.
func (r *Reader) String(def string, names ...string) string {
	return read(r, def, func(s string) (string, error) { return s, nil }, names)
}

// Int reads a whole number from least to most.
func (r *Reader) Int(def, least, most int, names ...string) int {
	return read(r, def, func(s string) (int, error) { return Int(s, least, most) }, names)
}

// Duration reads a positive time: a number is seconds.
func (r *Reader) Duration(def time.Duration, names ...string) time.Duration {
	return read(r, def, Duration, names)
}

// Bool reads true, false, 1, 0, yes, no, on or off in any case.
func (r *Reader) Bool(def bool, names ...string) bool { return read(r, def, Bool, names) }

// Choice reads one of the words.
func (r *Reader) Choice(def string, words []string, names ...string) string {
	return read(r, def, func(s string) (string, error) { return Choice(s, words...) }, names)
}

// Secret reads a secret from the variable name or from the file that name_FILE
// names; a line break at the end of the file is left out. Both in one source
// are a problem.
func (r *Reader) Secret(name string) Secret {
	for rank, s := range r.sources {
		text, path := s.Values[name], s.Values[name+"_FILE"]
		if text == "" && path == "" {
			continue
		}
		v := Value{Name: name, Label: s.label(name), Source: s.Name, Rank: rank, Secret: true}
		if path != "" {
			v.Label = s.label(name + "_FILE")
			v.Source += ", in the file " + path
		}
		r.values = append(r.values, v)
		if text != "" && path != "" {
			r.Add(name+"_FILE", "is set beside %s: unset one of them", name)
			return Secret{}
		}
		if path != "" {
			text = r.secretFile(v.Label, path)
		}
		return NewSecret(text)
	}
	r.values = append(r.values, Value{Name: name, Label: name, Source: DefaultSource, Rank: len(r.sources), Secret: true})
	return Secret{}
}

// maxSecretFile bounds what is read of a file that should hold a secret, in bytes.
const maxSecretFile = 4 << 10

func (r *Reader) secretFile(label, path string) string {
	f, err := os.Open(path) //nolint:gosec // the file that the person has named
	if err != nil {
		r.Add(label, "cannot be read: %v: name a readable file that holds the secret", err)
		return ""
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case err != nil:
		r.Add(label, "cannot be read: %v: name a readable file that holds the secret", err)
	case len(b) > maxSecretFile:
		r.Add(label, "%q has more than %d bytes: name a file that holds the secret and nothing else", path, maxSecretFile)
	case text == "":
		r.Add(label, "%q is empty: put the secret into it", path)
	default:
		return text
	}
	return ""
}

// Int reads a whole number from least to most; from math.MaxInt32 on, most is
// not told. Here and below the error quotes the text and says what to give instead.
func Int(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	switch {
	case err == nil && n >= least && n <= most:
		return n, nil
	case most >= math.MaxInt32:
		return 0, fmt.Errorf("%s is not a whole number of %d or more: give one", Quote(text), least)
	}
	return 0, fmt.Errorf("%s is not a whole number from %d to %d: give one", Quote(text), least, most)
}

// Duration reads a positive time: a number is seconds.
func Duration(text string) (time.Duration, error) {
	trimmed := strings.TrimSpace(text)
	d, err := time.ParseDuration(trimmed)
	if err != nil {
		d, err = time.ParseDuration(trimmed + "s")
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s is not a positive time: give seconds such as 30, or a duration such as 1m30s", Quote(text))
	}
	return d, nil
}

// Bool reads true, false, 1, 0, yes, no, on or off in any case.
func Bool(text string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither yes nor no: give true or false", Quote(text))
}

// Choice reads one of the words.
func Choice(text string, words ...string) (string, error) {
	if slices.Contains(words, text) {
		return text, nil
	}
	return "", fmt.Errorf("%s is not known: give one of %s", Quote(text), strings.Join(words, ", "))
}

// quoted bounds how much of a value a message repeats, in bytes.
const quoted = 80

// Quote repeats a value in a message: on one line, printable, not too long.
func Quote(text string) string {
	if len(text) > quoted {
		return strconv.Quote(strings.ToValidUTF8(text[:quoted], "")) + "…"
	}
	return strconv.Quote(text)
}
