package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/asleep-sdk/asleep/internal/api"
)

// Request is a call that this package has no method for.
type Request struct {
	Method string
	// Path begins with a slash and is put behind the base URL as it is:
	// whoever makes it of ids escapes them ([url.PathEscape]). Dot segments
	// are refused.
	Path string
	// Query is appended to the path; nil means none.
	Query url.Values
	// UserID is sent as x-user-id; empty means none.
	UserID string
	// Header is sent too; x-api-key in it is replaced.
	Header http.Header
	// Body is sent as JSON: []byte, string and json.RawMessage as they are,
	// other values encoded by encoding/json; nil means none.
	Body any
	// Held is what the same request was answered before, if the caller has kept
	// it. A GET then asks whether it still holds, by its ETag or
	// Last-Modified; if the service says 304, Do returns a copy of it with
	// NotModified set. A Response of any other request, user, timezone or client
	// is refused, and one without ETag and Last-Modified changes nothing.
	Held *Response
}

// Response is an answer of the service, complete and in memory.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte
	// NotModified: the service said 304, and this is what was held of the same
	// request, with the header fields that came anew.
	NotModified bool

	id identity // of the request; zero if not made by Do
}

// Result decodes the member result of the service's envelope into v, as
// json.Unmarshal does. Without one, or with null, it is [ErrDecode].
func (r *Response) Result(v any) error {
	result, err := envelopeResult(textOf(r.Body))
	if err == nil {
		err = json.Unmarshal(bytesOf(result), v)
	}
	if err != nil {
		return fmt.Errorf("asleep: %w: %w", ErrDecode, err)
	}
	return nil
}

// Do makes a call that this package has no method for, through the same
// pipeline: key, timezone, retries (GET, HEAD, OPTIONS, PUT and DELETE; any other
// method only when nothing can have been processed), timeouts, bounded body and
// errors. Any status but 2xx is an [*Error], but for a 304 where Request.Header asked
// for one (If-None-Match, If-Modified-Since). The caller owns the Response.
func (c *Client) Do(ctx context.Context, r Request, opts ...CallOption) (*Response, error) {
	k := c.newCall(opDo, opts)
	k.checkRequest(r)
	k.held = r.Held
	body, err := encodeBody(r.Body)
	if err != nil {
		k.problem("body", "%v: give bytes of JSON, or a value that encoding/json accepts", err)
	}
	a, err := k.send(ctx, func() (*http.Request, error) { return k.request(ctx, r, body) })
	if err != nil {
		return nil, err
	}
	return &Response{StatusCode: a.StatusCode, Header: a.Header, Body: a.body, NotModified: a.notModified, id: a.id}, nil
}

// Ping asks once, within 2 seconds unless an option says otherwise, whether the
// service can be reached. Any HTTP answer, whatever its status, means yes: it
// does not tell whether the key is good.
func (c *Client) Ping(ctx context.Context, opts ...CallOption) error {
	k := c.newCall(opPing, append([]CallOption{Timeout(pingTimeout), Attempts(1)}, opts...))
	_, err := k.send(ctx, func() (*http.Request, error) { return api.NewGetUserRequest(c.server, "ping") })
	if e, ok := errors.AsType[*Error](err); ok && e.StatusCode != 0 {
		return nil
	}
	return err
}

const pingTimeout = 2 * time.Second

// checkRequest notes what would leave the base URL or the rules of HTTP.
func (k *call) checkRequest(r Request) {
	if r.Method == "" || strings.Trim(r.Method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		k.problem("method", "%q: give one such as GET, in capitals", clip(r.Method, 40))
	}
	if r.UserID != "" {
		k.checkUser(r.UserID)
	}
	if r.Held != nil && r.Method != http.MethodGet {
		k.problem("Held", "has no place in a %s: leave it out, only a GET can ask whether an answer still holds", clip(r.Method, 40))
	}
	if problem := pathProblem(r.Path); problem != "" {
		k.problem("path", "%s", problem)
	}
	for name := range r.Header {
		if strings.EqualFold(name, "host") {
			k.problem("header", "Host cannot be set: the key is for the configured host")
		}
		if r.Held != nil && (strings.EqualFold(name, "If-None-Match") || strings.EqualFold(name, "If-Modified-Since")) {
			k.problem("header", "%s stands beside Held, which sets it: leave one of them out", name)
		}
	}
}

// pathProblem says what is wrong with an escaped path. The path is not repeated: it
// may hold a user id.
func pathProblem(path string) string {
	switch {
	case path == "":
		return "is empty: give one such as /ai/v1/users"
	case path[0] != '/' || strings.HasPrefix(path, "//"):
		return "does not begin with one slash: give one such as /ai/v1/users, without scheme and host"
	case strings.ContainsAny(path, "?#"):
		return "has a query or fragment: put parameters into Query and escape ? and # in ids (url.PathEscape)"
	}
	u, err := url.ParseRequestURI(path)
	if err != nil || strings.ContainsAny(path, " \"<>\\^`{|}") {
		return "is not a valid path: escape ids in it (url.PathEscape)"
	}
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
		if plain, err := url.PathUnescape(segment); err != nil || plain == "." || plain == ".." {
			return "has a dot segment, which would change the URL: remove it"
		}
	}
	return ""
}

// request builds a checked request.
func (k *call) request(ctx context.Context, r Request, body []byte) (*http.Request, error) {
	target := strings.TrimSuffix(k.client.server, "/") + r.Path
	if query := r.Query.Encode(); query != "" {
		target += "?" + query
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, reader)
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.UserID != "" {
		req.Header.Set("x-user-id", r.UserID)
	}
	if k.zone != nil {
		req.Header.Set("timezone", *k.zone)
	}
	return req, nil
}

// encodeBody returns the JSON of a request's body, nil for none.
func encodeBody(body any) ([]byte, error) {
	var encoded []byte
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		encoded = b
	case json.RawMessage:
		encoded = b
	case string:
		encoded = []byte(b)
	default:
		return json.Marshal(body)
	}
	if !json.Valid(encoded) {
		return nil, errNotJSON
	}
	return encoded, nil
}

var errNotJSON = errors.New("not JSON")
