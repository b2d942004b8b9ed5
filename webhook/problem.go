package webhook

import "net/http"

// Problem is the one form of every error answer.
type Problem struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Timestamp string `json:"timestamp"`
	RequestID string `json:"request_id"`
}

// WriteProblem answers with a [Problem]. The request id is the X-Request-Id that
// a middleware has set on the answer, else that of the request if it is a plain
// word, else a new one; the answer bears it as a header too.
func WriteProblem(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.WriteHeader(status)
}
