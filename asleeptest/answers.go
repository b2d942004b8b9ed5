package asleeptest

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// The details that the service answers with, in their current wording.
const (
	detailUnauthorized    = "Unauthorized"
	detailNoUser          = "user does not exist"
	detailNoSession       = "session does not exist"
	detailNoAverageUser   = "Unable to find the user of id "
	detailUserIDInvalid   = "user_id is invalid"
	detailXUserIDInvalid  = "x-user-id is invalid"
	detailUserIDFormat    = "The format of x-user-id is invalid"
	detailSessionIDFormat = "The format of sleep session id (%s) is invalid"
	detailTimezone        = "The invalid timezone is provided"
	detailPeriod          = "The period should be less than or equal to 100 days"
)

// answer is what will be sent, complete before any of it is: a
// http.ResponseWriter in memory. Nothing in it knows how it will be delivered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func newAnswer() *answer { return &answer{header: make(http.Header, 4)} }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, p...)
	return len(p), nil
}

// reset forgets what has been written.
func (a *answer) reset() {
	a.status, a.body = 0, nil
	clear(a.header)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if a, ok := w.(*answer); ok && a.body == nil {
		a.body = body // not copied: bodies are made for one answer
		return
	}
	_, _ = w.Write(body) //nolint:gosec // it is JSON, and says so
}

func writeDetail(w http.ResponseWriter, status int, detail string) {
	b := appendString([]byte(`{"detail":`), detail)
	writeJSON(w, status, append(b, '}'))
}

// validation is one item of the list that a 422 answers with.
type validation struct {
	Loc  []string       `json:"loc"`
	Msg  string         `json:"msg"`
	Type string         `json:"type"`
	Ctx  map[string]any `json:"ctx,omitempty"`
}

func writeValidation(w http.ResponseWriter, problems ...validation) {
	b, err := json.Marshal(map[string]any{"detail": problems})
	if err != nil { // strings and numbers always encode
		b = []byte(`{"detail":"Unprocessable Entity"}`)
	}
	writeJSON(w, http.StatusUnprocessableEntity, b)
}

// enveloped wraps the result that fill appends into the success envelope.
func enveloped(detail string, size int, fill func([]byte) []byte) []byte {
	b := make([]byte, 0, size+len(`{"detail":"success","result":}`))
	b = append(b, `{"detail":"`...)
	b = append(b, detail...)
	b = append(b, `","result":`...)
	return append(fill(b), '}')
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			q, err := json.Marshal(s)
			if err != nil { // a string always encodes
				q = []byte(strconv.Quote(s))
			}
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
