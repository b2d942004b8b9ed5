package webhook

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Problem is the one form of every error answer.
type Problem struct {
	Code      string `json:"code"`       // a word for programs, such as unauthorized
	Message   string `json:"message"`    // for people
	Timestamp string `json:"timestamp"`  // RFC 3339, UTC
	RequestID string `json:"request_id"` // also in the header X-Request-Id
}

const headerRequestID = "X-Request-Id"

// WriteProblem answers with a [Problem]. The request id is the X-Request-Id that
// a middleware has set on the answer, else that of the request if it is 1 to 128
// letters, digits, '_' or '-', else a new one.
func WriteProblem(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	h := w.Header()
	id := h.Get(headerRequestID)
	if id == "" {
		if id = r.Header.Get(headerRequestID); !isMessageID(id) {
			id = rand.Text()
		}
		h.Set(headerRequestID, id)
	}
	body, _ := json.Marshal(Problem{code, message, time.Now().UTC().Format(time.RFC3339), id}) //nolint:errchkjson // strings always encode
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone, if this fails
}
