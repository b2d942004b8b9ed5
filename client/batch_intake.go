package client

import (
	"fmt"
	"iter"
)

// batchUserID is a user to fetch.
type batchUserID struct {
	index int64
	id    string
}

// intake reads the input of a batch: it verifies and passes over what a token
// calls done, and what is there twice.
type intake struct {
	resume ResumeToken
	ids    *idSet // nil: duplicates are kept
	chain  idChain
	next   int64 // position
	fits   bool  // the token was compared with the input
	tally  *tally

	// admit is asked before a position is taken up and told the chain up to
	// it; false ends the reading. passed is told of a duplicate.
	admit  func(index int64, chain idChain) bool
	passed func(index int64)
	// known is told of a user who is done.
	known func(id string)
}

// fresh yields the users to fetch, in the order of the input. An error of the
// input or of the token is yielded last.
func (in *intake) fresh(users iter.Seq2[string, error]) iter.Seq2[batchUserID, error] {
	return func(yield func(batchUserID, error) bool) {
		end := in.resume.end()
		var open []batchUserID // not done, before the end of the token
		for id, err := range users {
			if err != nil {
				yield(batchUserID{}, &inputError{err})
				return
			}
			u := batchUserID{in.next, id}
			in.next++
			in.chain = in.chain.then(id)
			if !in.admit(u.index, in.chain) {
				return
			}
			fresh := in.ids == nil || in.ids.add(id)
			switch {
			case u.index < end:
				if open = in.verify(u, open); u.index < end-1 {
					continue
				}
				if in.chain != in.resume.hash {
					yield(batchUserID{}, in.changed(fmt.Sprintf("the first %d users are not the same any more", end)))
					return
				}
				in.fits = true
				for _, u := range open {
					if !yield(u, nil) {
						return
					}
				}
				open = nil
			case !fresh:
				in.tally.duplicate()
				in.passed(u.index)
			case !yield(u, nil):
				return
			}
		}
		if !in.verified() {
			yield(batchUserID{}, in.changed(fmt.Sprintf("the input ends after %d users, %d of which were done", in.next, end)))
		}
	}
}

// verified reports whether the input was found to begin as the token says.
func (in *intake) verified() bool { return in.fits || in.resume.end() == 0 }

// verify sorts a position that the token knows: those not done wait until all
// are verified.
func (in *intake) verify(u batchUserID, open []batchUserID) []batchUserID {
	if !in.resume.has(u.index) {
		return append(open, u)
	}
	in.tally.resumed()
	in.known(u.id)
	return open
}

// inputError is an error that the sequence of users yielded.
type inputError struct{ err error }

func (e *inputError) Error() string   { return "asleep: " + ErrBatchInput.Error() + ": " + e.err.Error() }
func (e *inputError) Unwrap() []error { return []error{ErrBatchInput, e.err} }

func (in *intake) changed(problem string) error {
	return &ResumeError{Err: ErrResumeInput, Problem: problem + ": give the input of the first run, unchanged in its beginning, or start over"}
}
