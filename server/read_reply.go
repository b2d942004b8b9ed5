package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"iter"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reply is a whole answer, before it is written.
type reply struct {
	source source
	age    time.Duration // since the service said it; only from the cache
	body   []byte        // JSON, without a line break at its end
	lines  [][]byte      // the same as NDJSON; nil: the body is the one line
	fresh  string        // Cache-Control
	at     time.Time     // Last-Modified; zero: unknown
	next   string        // the URL of the next page
	part   bool          // there may be more that the store was not told of
}

// source says where an answer came from.
type source string

const (
	fromStore    source = "store"
	fromCache    source = "cache"
	fromUpstream source = "upstream"
)

// SourceHeader says where an answer came from: store, cache or upstream.
const SourceHeader = "X-Source"

// PartialHeader is "true" on figures of a store that has nothing from before their first day: it
// may have been filled from a later day on.
const PartialHeader = "X-Partial"

// How long readers may keep an answer without asking again.
const (
	keepComplete = "private, max-age=86400, immutable" // a complete night never changes, but may be erased
	keepOpen     = "private, max-age=5"
	listSeconds  = 30
)

// keepList is short, counted from now.
func keepList(age time.Duration) string {
	return "private, max-age=" + strconv.Itoa(listSeconds+int(age/time.Second))
}

const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
)

// write answers, or says that nothing has changed.
func (p *reply) write(w http.ResponseWriter, r *http.Request) {
	kind, body := typeJSON, append(p.body, '\n')
	if wantsLines(r.Header.Values("Accept")) {
		kind = typeNDJSON
		if p.lines != nil {
			body = nil
			if len(p.lines) > 0 {
				body = append(bytes.Join(p.lines, []byte("\n")), '\n')
			}
		}
	}
	tag := tagOf(kind+p.next+"\n", body)
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", p.fresh)
	h.Add("Vary", "Accept, Authorization, X-Api-Key")
	h.Set(SourceHeader, string(p.source))
	if p.source == fromCache {
		h.Set("Age", strconv.Itoa(int(p.age/time.Second)))
	}
	if !p.at.IsZero() {
		h.Set("Last-Modified", p.at.UTC().Format(http.TimeFormat))
	}
	if p.part {
		h.Set(PartialHeader, "true")
	}
	if p.next != "" {
		h.Set("Link", "<"+p.next+`>; rel="next"`)
	}
	if same, ok := unchanged(r.Header, tag, p.at); ok {
		h.Set("ETag", same)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that is gone needs no answer
	}
}

// tagOf is the strong tag of a body of a kind.
func tagOf(kind string, body []byte) string {
	h := sha256.New()
	_, _ = io.WriteString(h, kind) // a hash takes everything
	_, _ = h.Write(body)
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15]) + `"`
}

// gzipSuffix tells the tag of a compressed answer from that of the plain one.
const gzipSuffix = "-gzip"

// unchanged judges the conditions of a request (RFC 9110, section 13): the tags,
// and only where there are none the date. It returns the tag of the answer that the
// reader has.
func unchanged(h http.Header, tag string, at time.Time) (string, bool) {
	if lines := h.Values("If-None-Match"); len(lines) > 0 {
		packed := strings.TrimSuffix(tag, `"`) + gzipSuffix + `"`
		for one := range tags(strings.Join(lines, ",")) {
			switch one {
			case "*", tag:
				return tag, true
			case packed:
				return packed, true
			}
		}
		return "", false
	}
	since, err := http.ParseTime(h.Get("If-Modified-Since"))
	return tag, err == nil && !at.IsZero() && !at.Truncate(time.Second).After(since)
}

// tags are the entity tags of a list, without the W/ of weak ones, which are as good here, or
// the * that stands for any. What is none ends it.
func tags(list string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if strings.TrimSpace(list) == "*" {
			yield("*")
			return
		}
		for {
			list = strings.TrimPrefix(strings.TrimLeft(list, " \t,"), "W/")
			if !strings.HasPrefix(list, `"`) {
				return
			}
			end := strings.IndexByte(list[1:], '"')
			if end < 0 || !yield(list[:end+2]) {
				return
			}
			list = list[end+2:]
		}
	}
}

// wantsLines reports whether NDJSON is asked for, and not JSON rather.
func wantsLines(accept []string) bool {
	lines, object := -1.0, -1.0
	for one := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, parameters, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := parameters["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		switch kind {
		case typeNDJSON, "application/ndjson", "application/jsonl":
			lines = max(lines, q)
		case typeJSON:
			object = max(object, q)
		}
	}
	return lines > 0 && lines >= object
}

// encode makes JSON of our own types, of which none fails.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil { //nolint:errchkjson // checked; of our types none fails
		return []byte("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
