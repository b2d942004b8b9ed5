package transport

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync/atomic"
)

type counter = atomic.Uint64

// ErrorType names a failure for logs and metrics: the class of the outcome, or what
// refused: "circuit_open", "throttled", "bulkhead_full", "foreign_host". It is
// "" for success, and few different values exist.
func ErrorType(o Outcome, err error) string {
	switch {
	case o.Class == ClassOK:
		return ""
	case err == nil || o.Class != ClassRefused:
		return o.Class.String()
	case errors.Is(err, ErrCircuitOpen):
		return "circuit_open"
	case errors.Is(err, ErrThrottled):
		return "throttled"
	case errors.Is(err, ErrBulkheadFull):
		return "bulkhead_full"
	case errors.Is(err, ErrForeignHost):
		return "foreign_host"
	}
	return o.Class.String()
}

// hashUser stands for a user where the id must not be seen. It is keyed, so that
// ids cannot be found by trying.
func hashUser(key Key, id string) string {
	if id == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(key.value()))
	_, _ = mac.Write([]byte(id))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
