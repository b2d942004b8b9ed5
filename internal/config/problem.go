package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with what a person has set.
type Problem struct {
	// Subject is what was set: a variable, a flag, an argument.
	Subject string
	// Text says what is wrong with it, naming the value, and what to do. It
	// continues a sentence that begins with the subject.
	Text string
}

// Error is the sentence.
func (p Problem) Error() string { return p.Subject + " " + p.Text }

// Problems collects what is wrong. The zero value is empty and ready for use.
type Problems struct {
	list []Problem
}

// Add notes a problem. The same one is noted once.
func (p *Problems) Add(subject, format string, args ...any) {
	problem := Problem{Subject: subject, Text: fmt.Sprintf(format, args...)}
	if !slices.Contains(p.list, problem) {
		p.list = append(p.list, problem)
	}
}

// Err is nil without problems, else an [*Error] of those noted so far.
func (p *Problems) Err() error {
	if len(p.list) == 0 {
		return nil
	}
	return &Error{Problems: slices.Clone(p.list)}
}

// Error is everything that is wrong.
type Error struct {
	Problems []Problem // at least one
}

// Error is the problem itself if there is one, else a list, one a line.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems:", len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.Error())
	}
	return b.String()
}

// Unwrap gives the problems to errors.As.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p
	}
	return errs
}
