package client

import (
	"context"
	"net/http"
	"net/url"
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
}

// Response is an answer of the service, complete and in memory.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte
}

// Result decodes the member result of the service's envelope into v, as
// json.Unmarshal does. An answer without a result is [ErrDecode].
func (r *Response) Result(v any) error {
	panic("client: not built yet")
}

// Do makes a call that this package has no method for, through the same
// pipeline: key, timezone, retries (GET, HEAD, OPTIONS, PUT and DELETE; any other
// method only when nothing can have been processed), timeouts, bounded body and
// errors. Any status but 2xx is an [*Error].
func (c *Client) Do(ctx context.Context, r Request, opts ...CallOption) (*Response, error) {
	panic("client: not built yet")
}

// Ping asks once, within 2 seconds unless an option says otherwise, whether the
// service can be reached. Any HTTP answer, whatever its status, means yes: it
// does not tell whether the key is good.
func (c *Client) Ping(ctx context.Context, opts ...CallOption) error {
	panic("client: not built yet")
}
