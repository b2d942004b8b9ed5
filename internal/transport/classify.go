package transport

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// maxDetail bounds how much of an error body is looked into.
const maxDetail = 64 << 10

// Classify says what an answer means. The body matters for 403 only, which the
// upstream uses for three different things; it may be anything: JSON,
// HTML, empty, cut. Quota and plan are tested before the rate limit, since
// waiting never helps them.
func Classify(status int, body []byte) Class {
	switch {
	case status < 300 || status == http.StatusNotModified:
		return ClassOK
	case status < 400:
		return ClassRedirect
	case status == http.StatusTooManyRequests:
		return ClassRateLimited
	case status == http.StatusForbidden:
		return classifyForbidden(body)
	case status == http.StatusRequestTimeout:
		return ClassTransient
	case status < 500, status == http.StatusNotImplemented, status == http.StatusHTTPVersionNotSupported,
		status == http.StatusNetworkAuthenticationRequired:
		return ClassTerminal
	}
	return ClassTransient
}

func classifyForbidden(body []byte) Class {
	text := normalize(DetailText(body))
	switch {
	case strings.Contains(text, "quota"):
		return ClassQuotaExceeded
	case strings.Contains(text, "plan"):
		return ClassPlanExpired
	case strings.Contains(text, "rate limit"):
		return ClassRateLimited
	}
	return ClassForbidden
}

// normalize lower-cases and makes every run of spaces, hyphens and underscores
// one space, so that "Rate  Limit", "rate-limit" and "rate_limit" are the same.
func normalize(s string) string {
	s = strings.NewReplacer("_", " ", "-", " ").Replace(strings.ToLower(s))
	return strings.Join(strings.Fields(s), " ")
}

// DetailText returns the words of an error body: its "detail" member, or the
// gateway's "message" if there is no detail. A list or object gives its
// string values, joined by "; ". It returns "" for anything that is not a JSON
// object of at most 64 KiB.
func DetailText(body []byte) string {
	if len(body) == 0 || len(body) > maxDetail {
		return ""
	}
	var envelope struct {
		Detail  any `json:"detail"`
		Message any `json:"message"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return ""
	}
	words := texts(nil, envelope.Detail)
	if len(words) == 0 {
		words = texts(nil, envelope.Message)
	}
	return strings.Join(words, "; ")
}

// texts collects the string values of a decoded JSON value; object keys are
// names, not words.
func texts(words []string, v any) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			words = append(words, v)
		}
	case []any:
		for _, e := range v {
			words = texts(words, e)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			words = texts(words, v[k])
		}
	}
	return words
}
