package server

import (
	_ "embed" // the document
	"net/http"
)

//go:embed openapi.yaml
var document []byte

const typeYAML = "application/yaml"

// Document describes the read API: OpenAPI 3.0.3, as YAML.
func Document() []byte { return append([]byte(nil), document...) }

func serveDocument(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", typeYAML)
	h.Set("Cache-Control", "public, max-age=3600")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(document)
	}
}
