package client

// ResumeToken is how far a batch has come: which positions of the input are done.
// Its text form (JSON on one line, at most 16 KiB) is what a checkpoint keeps; it
// holds neither the API key nor a user id. The zero token is the
// beginning of a batch. Tokens are values: they share nothing with the batch.
//
// A token knows the query, the service, the API key (by an HMAC that does not
// reveal it) and, by a hash, the users up to the last one done. A batch refuses one that
// does not fit before it makes a call, with a [*ResumeError].
type ResumeToken struct{}

// ParseResumeToken reads the text form. Errors: a [*ResumeError] with
// [ErrResumeInvalid] or [ErrResumeNewer].
func ParseResumeToken(text string) (ResumeToken, error) { panic("client: not built yet") }

// String returns the text form; "" for the zero token.
func (t ResumeToken) String() string { panic("client: not built yet") }

// IsZero reports whether the token is the beginning of a batch.
func (t ResumeToken) IsZero() bool { panic("client: not built yet") }

// Done returns the number of positions done, duplicates and failed users
// included.
func (t ResumeToken) Done() int64 { panic("client: not built yet") }

// Failed returns how many users failed so far, over all runs.
func (t ResumeToken) Failed() int64 { panic("client: not built yet") }

// MarshalJSON returns the text form, which is a JSON object; null for the zero
// token.
func (t ResumeToken) MarshalJSON() ([]byte, error) { panic("client: not built yet") }

// UnmarshalJSON reads what MarshalJSON wrote. Errors as ParseResumeToken.
func (t *ResumeToken) UnmarshalJSON(b []byte) error { panic("client: not built yet") }
