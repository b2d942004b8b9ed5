package asleeptest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// SetETags turns ETags and answers of 304 on or off; see [Config].
func (s *Server) SetETags(on bool) { s.etags.Store(on) }

// tag puts an ETag on an answer, or makes a 304 of it if the client holds it already.
// Two users whose bodies are the same get the same tag, as from any server that makes
// it of the body.
func (s *Server) tag(a *answer, r *http.Request) {
	if !s.etags.Load() || r.Method != http.MethodGet || a.status != http.StatusOK {
		return
	}
	sum := sha256.Sum256(a.body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	a.header.Set("ETag", tag)
	for held := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		if held = strings.TrimSpace(held); held == "*" || strings.TrimPrefix(held, "W/") == tag {
			a.status, a.body = http.StatusNotModified, nil
			a.header.Del("Content-Type")
			return
		}
	}
}

// bodiless reports whether an answer of a status has no body at all.
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}
