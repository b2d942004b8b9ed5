package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/config"
)

// checked is the value of a flag that keeps a text that makes no sense instead
// of refusing it, so that all such texts are reported together.
type checked[T any] struct {
	target *T
	kind   string // what help calls the value
	parse  func(string) (T, error)
	words  []string // the only texts there are, if so
	text   string
	err    error
}

// addChecked defines a flag. Errors of parse quote the text and say what to give
// instead. The value that target has is the default.
func addChecked[T any](flags *pflag.FlagSet, target *T, name, kind, usage, def string, parse func(string) (T, error)) {
	flags.Var(&checked[T]{target: target, kind: kind, parse: parse, text: def}, name, usage)
}

// Set implements pflag.Value. It does not fail.
func (c *checked[T]) Set(text string) error {
	c.text = text
	v, err := c.parse(text)
	if c.err = err; err == nil {
		*c.target = v
	}
	return nil
}

func (c *checked[T]) String() string { return c.text }

// Type implements pflag.Value.
func (c *checked[T]) Type() string { return c.kind }

func (c *checked[T]) problem() error { return c.err }

func (c *checked[T]) choices() []string { return c.words }

// addDate defines a flag for a date; the zero Date is none.
func addDate(flags *pflag.FlagSet, target *asleep.Date, name, usage string) {
	addChecked(flags, target, name, "DATE", usage, "", func(text string) (asleep.Date, error) {
		d, err := asleep.ParseDate(strings.TrimSpace(text))
		if err != nil {
			return d, fmt.Errorf("%s is not a date: give YYYY-MM-DD, such as 2026-03-14", config.Quote(text))
		}
		return d, nil
	})
}

// addInt defines a flag for a whole number from least to most.
func addInt(flags *pflag.FlagSet, target *int, name, kind, usage string, least, most int) {
	addChecked(flags, target, name, kind, usage, strconv.Itoa(*target), func(text string) (int, error) {
		return config.Int(text, least, most)
	})
}

// addNumber defines a flag for a number from 0 to most, which may be infinite.
func addNumber(flags *pflag.FlagSet, target *float64, name, kind, usage string, most float64) {
	def := strconv.FormatFloat(*target, 'g', -1, 64)
	addChecked(flags, target, name, kind, usage, def, func(text string) (float64, error) {
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		switch {
		case err == nil && v >= 0 && v <= most && !math.IsInf(v, 0):
			return v, nil
		case math.IsInf(most, 1):
			return 0, fmt.Errorf("%s is not a number of 0 or more: give one", config.Quote(text))
		}
		return 0, fmt.Errorf("%s is not a number from 0 to %v: give one", config.Quote(text), most)
	})
}

// addDuration defines a flag for a positive time.
func addDuration(flags *pflag.FlagSet, target *time.Duration, name, usage string) {
	def := ""
	if *target > 0 {
		def = target.String()
	}
	addChecked(flags, target, name, "DURATION", usage, def, config.Duration)
}

// addZone defines a flag for a timezone; empty is none.
func addZone(flags *pflag.FlagSet, target *string, name, usage string) {
	addChecked(flags, target, name, "ZONE", usage, "", func(text string) (string, error) {
		if _, err := loadZone(text); err != nil {
			return "", fmt.Errorf("%s is not a timezone: give an IANA name, such as Asia/Seoul", config.Quote(text))
		}
		return text, nil
	})
}

// loadZone finds a timezone by its IANA name. "Local" is none: it would mean
// another zone on every machine.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is not a timezone", name)
	}
	return time.LoadLocation(name)
}

// addChoice defines a flag for one of the words.
func addChoice[T ~string](flags *pflag.FlagSet, target *T, name, short, kind, usage string, words ...T) {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	value := &checked[T]{target: target, kind: kind, words: texts, text: string(*target), parse: func(text string) (T, error) {
		word, err := config.Choice(text, texts...)
		return T(word), err
	}}
	flags.VarP(value, name, short, usage+": "+strings.Join(texts, ", "))
}

// addBool defines a flag that is true when it is given.
func addBool(flags *pflag.FlagSet, target *bool, name, usage string) {
	addChecked(flags, target, name, "bool", usage, "false", config.Bool)
	flags.Lookup(name).NoOptDefVal = "true"
}
