package webhook

import (
	"mime"
	"net/http"
	"strings"
)

// isJSON reports whether the headers announce plain JSON: application/json or a
// +json type, in UTF-8, not compressed.
func isJSON(h http.Header) bool {
	types, encodings := h["Content-Type"], h["Content-Encoding"]
	for _, e := range encodings {
		if e != "" && !strings.EqualFold(e, "identity") {
			return false
		}
	}
	if len(types) != 1 {
		return false
	}
	if types[0] == "application/json" {
		return true // what nearly everybody sends
	}
	kind, params, err := mime.ParseMediaType(types[0])
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return false
	}
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8")
}
