package client

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// A conditional request asks whether an answer that is held is still the right one
// (If-None-Match, If-Modified-Since). The service then says 304 and sends no body, and
// the answer held stands in its place. It is only ever asked about the very same
// request: see identity.

// identity is all that a representation depends on, as a digest keyed with the API
// key: method, URL, and every header of the request, x-user-id and timezone among
// them, but for the request's id and the conditions themselves. (Two users may well
// have answers with the same ETag, such as an empty list.)
type identity [sha256.Size]byte

// besides are the headers that no representation depends on.
var besides = []string{"X-Request-Id", "If-None-Match", "If-Modified-Since"}

func (c *Client) identityOf(req *http.Request) identity {
	s := make(subject, 0, 1<<9).with(c.redactor.key()).with(req.Method).with(req.URL.String())
	names := make([]string, 0, 8) // as many as a request of this package has, at most
	for name := range req.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(besides, name) {
			s = s.with(name)
			for _, value := range req.Header[name] {
				s = s.with(value)
			}
			s = s.with("") // no name is empty
		}
	}
	return sha256.Sum256(s)
}

// subject is what an identity is the digest of. It holds the API key in clear and goes
// no further than this package.
type subject []byte

// with adds a text with its length, so that no two lists read the same.
func (s subject) with(text string) subject {
	return append(binary.AppendUvarint(s, uint64(len(text))), text...)
}

// validators are what an answer can be asked about by.
type validators struct{ etag, modified string }

// validatorsOf returns those of an answer; none, if it must not be kept.
func validatorsOf(h http.Header) validators {
	v := validators{etag: validator(field(h, "Etag")), modified: validator(field(h, "Last-Modified"))}
	if v.none() {
		return v
	}
	control := strings.ToLower(strings.Join(h.Values("Cache-Control"), ","))
	if strings.Contains(control, "no-store") || slices.Contains(h.Values("Vary"), "*") {
		return validators{}
	}
	return v
}

// field is h.Get for a name in canonical form, which need not be made first.
func field(h http.Header, canonical string) string {
	if values := h[canonical]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// validator returns a value that can be sent back, "" for one that cannot.
func validator(s string) string {
	if len(s) > 1<<10 || visibleASCII(s, true) != "" {
		return ""
	}
	return s
}

func (v validators) none() bool { return v == validators{} }

func (v validators) ask(h http.Header) {
	if v.etag != "" {
		h.Set("If-None-Match", v.etag)
	}
	if v.modified != "" {
		h.Set("If-Modified-Since", v.modified)
	}
}

// answeredBy reports whether a 304 speaks of the answer asked about. It need not name
// its ETag, but another one belongs to another answer.
func (v validators) answeredBy(h http.Header) bool {
	tag := h.Get("ETag")
	return tag == "" || v.etag == "" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(v.etag, "W/")
}

// heldAnswer is an answer that can be asked about. It is never changed.
type heldAnswer struct {
	validators

	header http.Header
	body   []byte
}

// condition is the question that goes with a request.
type condition struct {
	method string
	id     identity    // of the request, if an answer is looked up
	held   *heldAnswer // nil: none is asked about
	keep   bool        // the answer goes into the client's memory
	own    bool        // the caller of Do has set the headers: a 304 is for the caller
}

// condition puts the question into a request, if there is one to ask.
func (k *call) condition(req *http.Request) (c condition) {
	c.method = req.Method
	c.own = field(req.Header, "If-None-Match") != "" || field(req.Header, "If-Modified-Since") != ""
	if req.Method != http.MethodGet || c.own || k.held == nil && k.client.memory == nil {
		return c
	}
	c.id = k.client.identityOf(req)
	switch {
	case k.held != nil && validatorsOf(k.held.Header).none(): // nothing to ask by
	case k.held != nil:
		if k.held.id != c.id {
			k.problem("Held", "is the answer to another request: give the Response that Do returned for the same path, query, headers, user and timezone")
			return c
		}
		c.held = &heldAnswer{validatorsOf(k.held.Header), k.held.Header, k.held.Body}
	case k.client.memory != nil:
		c.held = k.client.memory.find(c.id)
		c.keep = true
	}
	if c.held != nil {
		c.held.ask(req.Header)
	}
	return c
}

// errOtherETag is a 304 about something else. What was held is forgotten, so the
// same call, made again, asks for all of it.
var errOtherETag = errors.New("304 names another ETag than was asked about")

// settle puts what is held in the place of a 304, and keeps what can be asked about
// later.
func (c condition) settle(a *answer) error {
	memory := a.call.client.memory
	a.id, a.own304 = c.id, c.own && a.StatusCode == http.StatusNotModified
	switch {
	case a.StatusCode == http.StatusNotModified && c.held != nil:
		if !c.held.answeredBy(a.Header) {
			memory.forget(c.id)
			return errOtherETag
		}
		a.restore(c.held)
		memory.used()
	case a.StatusCode == http.StatusOK && c.keep:
		memory.keep(c.id, a.call.userID, validatorsOf(a.Header), a)
	case a.StatusCode == http.StatusNotFound || a.StatusCode == http.StatusGone:
		memory.forget(c.id)
	}
	if a.StatusCode/100 == 2 && c.method != http.MethodGet {
		memory.forgetUser(a.call.userID)
	}
	return nil
}

// restore makes of a 304 the answer that is held, with the header fields that the 304
// has brought anew.
func (a *answer) restore(held *heldAnswer) {
	fresh := *a.Response
	fresh.StatusCode, fresh.Status = http.StatusOK, "200 OK"
	fresh.Header = held.header.Clone()
	for name, values := range a.Header {
		if name != "Content-Length" && name != "Content-Type" && name != "Content-Encoding" {
			fresh.Header[name] = values
		}
	}
	fresh.ContentLength = int64(len(held.body))
	a.Response, a.body, a.notModified = &fresh, slices.Clone(held.body), true
}
