package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/joho/godotenv"
	"github.com/spf13/pflag"

	"github.com/asleep-sdk/asleep/internal/config"
)

// variableKey annotates a flag whose variable is not the one that its name gives.
const variableKey = "asleep_variable"

// variable is the environment variable of a flag: ASLEEP_ and its name.
func variable(f *pflag.Flag) string {
	if names := f.Annotations[variableKey]; len(names) > 0 {
		return names[0]
	}
	return "ASLEEP_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// bindable reports whether a flag has a variable. Those of cobra have none.
func bindable(f *pflag.Flag) bool { return f.Name != "help" && f.Name != "version" }

// flagSource makes the flags that were given the first source of settings.
func flagSource(flags *pflag.FlagSet) config.Source {
	values, labels := map[string]string{}, map[string]string{}
	flags.Visit(func(f *pflag.Flag) {
		values[variable(f)] = f.Value.String()
		labels[variable(f)] = "--" + f.Name
	})
	return config.Source{Name: "flag", Values: values, Label: func(name string) string {
		if label, ok := labels[name]; ok {
			return label
		}
		return name
	}}
}

// origin is where the value of a flag came from.
type origin struct {
	label string // --name, or the variable
	rank  int    // the smaller the stronger; unset for a default
}

const unset = math.MaxInt

// origin tells where the value of a flag of the running command came from.
func (a *app) origin(flag string) origin {
	if o, ok := a.origins[flag]; ok {
		return o
	}
	return origin{label: "--" + flag, rank: unset}
}

// given reports whether a flag has a value that is not its default.
func (a *app) given(flag string) bool { return a.origin(flag).rank != unset }

// bind gives the flags that are not on the command line the values of their
// variables, and notes which values make no sense.
func (a *app) bind(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if !bindable(f) {
			return
		}
		o := a.origin(f.Name)
		if f.Changed {
			o.rank = 0
		} else if v, ok := a.reader.Find(variable(f)); ok {
			o = origin{label: v.Label, rank: v.Rank}
			if err := flags.Set(f.Name, v.Text); err != nil {
				a.problem(o.label, "%s is not accepted: %v", config.Quote(v.Text), err)
			}
		}
		a.origins[f.Name] = o
		if c, ok := f.Value.(interface{ problem() error }); ok && c.problem() != nil {
			a.problem(o.label, "%s", c.problem())
		}
	})
}

// maxDotEnv bounds what is read of a .env file, in bytes.
const maxDotEnv = 1 << 20

// dotEnv reads the file of the flag --env-file: ./.env if there is one, unless
// something else is named.
func (a *app) dotEnv() (source config.Source, ok bool) {
	v, named := a.reader.Find("ASLEEP_ENV_FILE")
	path := v.Text
	if !named {
		path = ".env"
	}
	text, err := readBounded(path, maxDotEnv)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return source, false
	case err != nil && named:
		a.problem(v.Label, "cannot be read: %v: name a readable file, or leave it out", err)
		return source, false
	case err != nil:
		a.problem(".env", "cannot be read: %v: make it readable, or name another file with --env-file", err)
		return source, false
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	values, err := godotenv.UnmarshalBytes(text)
	if err != nil { // its text would quote the file, secrets and all
		a.problem(path, "is not understood (line %d or near): write lines such as NAME=value, quotes closed", badLine(string(text)))
		return source, false
	}
	return config.Source{Name: path, Values: values, Label: func(name string) string { return name + " in " + path }}, true
}

// badLine guesses which line of a .env file is the bad one, for godotenv does not tell.
func badLine(text string) int {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if _, err := godotenv.Unmarshal(line); err != nil {
			return i + 1
		}
	}
	return len(lines)
}

var errTooLong = errors.New("longer than a .env file should be")

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = errTooLong
	}
	return b, err
}
