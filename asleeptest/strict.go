package asleeptest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Violation is a request outside the contract: something that no documented
// answer is for, so that only a fault of the client's can have sent it.
type Violation struct {
	Time    time.Time `json:"time"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
	Op      string    `json:"op,omitempty"`
	Status  int       `json:"status"` // that it is answered with; 0: it is carried out all the same
	Problem string    `json:"problem"`
}

// String says what is wrong.
func (v Violation) String() string {
	if v.Method == "" {
		return v.Problem
	}
	return fmt.Sprintf("%s %s: %s", v.Method, v.Path, v.Problem)
}

// maxBody bounds what is read of a request's body, in bytes.
const maxBody = 1 << 20

// problem is one thing that is wrong with a request, and its answer.
type problem struct {
	status int
	text   string
}

func digests(keys []string) map[[32]byte]bool {
	out := make(map[[32]byte]bool, len(keys))
	for _, key := range keys {
		out[sha256.Sum256([]byte(key))] = true
	}
	return out
}

// authorized reports whether the request bears a key that is accepted.
func (s *Server) authorized(r *http.Request) bool {
	key := r.Header.Get("x-api-key")
	return key != "" && (len(s.keys) == 0 || s.keys[sha256.Sum256([]byte(key))])
}

// check lists what is outside the contract. The answer is that of the first.
func check(op *operation, known bool, r *http.Request, body []byte, bodyErr error) []problem {
	if op == nil {
		if known {
			return []problem{{http.StatusMethodNotAllowed, "method " + r.Method + " is not allowed on this path"}}
		}
		return []problem{{http.StatusNotFound, "no operation has this path"}}
	}
	var out []problem
	bad := func(status int, format string, args ...any) {
		out = append(out, problem{status, fmt.Sprintf(format, args...)})
	}
	if r.Header.Get("x-api-key") == "" {
		bad(http.StatusUnauthorized, "header x-api-key is missing")
	}
	checkHeaders(op, r.Header, bad)
	checkQuery(op, r.URL.RawQuery, bad)
	checkBody(op, r.Header, body, bodyErr, bad)
	if strings.HasSuffix(r.URL.EscapedPath(), "/") {
		bad(0, "the session id is empty: this deletes all sessions of the user")
	}
	return out
}

// single are the headers that may come once only.
var single = []string{"x-api-key", "x-user-id", "timezone", "content-type", "content-length", "accept", "user-agent", "x-request-id"}

// strangers are headers that the service does not know and a client must not
// send: credentials of another kind, and a promise that it does not keep.
var strangers = []string{"authorization", "cookie", "idempotency-key", "x-idempotency-key", "x-signature"}

func checkHeaders(op *operation, h http.Header, bad func(int, string, ...any)) {
	for _, name := range single {
		if n := len(h.Values(name)); n > 1 {
			bad(http.StatusBadRequest, "header %s comes %d times", name, n)
		}
	}
	for _, name := range strangers {
		if h.Get(name) != "" {
			bad(http.StatusBadRequest, "header %s is not part of the service", name)
		}
	}
	_, present := h["X-User-Id"]
	switch {
	case op.user && h.Get("x-user-id") == "":
		bad(http.StatusBadRequest, "header x-user-id is missing or empty")
	case !op.user && present:
		bad(http.StatusBadRequest, "header x-user-id does not belong to %s", op.name)
	}
	zones, present := h["Timezone"]
	switch {
	case !op.timezone && present:
		bad(http.StatusBadRequest, "header timezone does not belong to %s", op.name)
	case op.timezone && present && slices.Contains(zones, ""):
		bad(http.StatusBadRequest, "header timezone is empty: leave it out for UTC")
	}
	if accept := h.Get("accept"); accept != "" && !strings.Contains(accept, "json") && !strings.Contains(accept, "*/*") {
		bad(http.StatusNotAcceptable, "header accept is %q: the service answers application/json", accept)
	}
}

func checkQuery(op *operation, raw string, bad func(int, string, ...any)) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		bad(http.StatusBadRequest, "the query cannot be parsed: %v", err)
	}
	for name, values := range query {
		switch {
		case !slices.Contains(op.query, name):
			bad(http.StatusBadRequest, "query parameter %q does not belong to %s", name, op.name)
		case len(values) > 1:
			bad(http.StatusBadRequest, "query parameter %q comes %d times", name, len(values))
		case values[0] == "":
			bad(http.StatusBadRequest, "query parameter %q is empty", name)
		}
	}
}

func checkBody(op *operation, h http.Header, body []byte, err error, bad func(int, string, ...any)) {
	switch {
	case errors.Is(err, errBodyTooLarge):
		bad(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
	case err != nil:
		bad(http.StatusBadRequest, "the body cannot be read: %v", err)
	case len(body) == 0 && h.Get("content-type") != "":
		bad(http.StatusBadRequest, "header content-type without a body")
	case len(body) == 0:
	case !op.body:
		bad(http.StatusBadRequest, "%s has no body, and %d bytes came", op.name, len(body))
	default:
		if kind, _, err := mime.ParseMediaType(h.Get("content-type")); err != nil || kind != "application/json" {
			bad(http.StatusUnsupportedMediaType, "header content-type is %q: want application/json", h.Get("content-type"))
		}
	}
}

var errBodyTooLarge = errors.New("asleeptest: body too large")

// readBody reads a request's body, at most maxBody of it.
func readBody(r io.Reader) ([]byte, error) {
	if r == nil || r == http.NoBody {
		return nil, nil
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r, maxBody+1))
	if n > maxBody {
		return nil, errBodyTooLarge
	}
	return b.Bytes(), err
}
