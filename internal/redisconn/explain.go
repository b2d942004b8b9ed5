package redisconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"strings"

	"github.com/redis/go-redis/v9"
)

// explained is a failure with what to do about it.
type explained struct {
	error

	remedy string
}

func (e *explained) Error() string { return e.error.Error() + ": " + e.remedy }
func (e *explained) Unwrap() error { return e.error }

// Explain adds to a failure of Redis what to do about it, where that is known and more
// than waiting. Of nil it makes nil.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	if _, done := errors.AsType[*explained](err); done {
		return err
	}
	if remedy := remedyOf(err); remedy != "" {
		return &explained{err, remedy}
	}
	return err
}

func remedyOf(err error) string {
	text := err.Error()
	switch {
	case redis.IsPermissionError(err), strings.Contains(text, "user executing the script can't run"):
		return "allow its user the keys and channels of the prefix and the commands MGET, EVALSHA, EVAL, PUBLISH and SUBSCRIBE with what the scripts use (~asleep:* &asleep:* +@read +@write +@scripting +@pubsub +@connection +time)"
	case strings.Contains(text, "WRONGPASS"):
		return "check user and password of the URL"
	case strings.Contains(text, "NOAUTH"):
		return "give a password: redis://user:password@host"
	case redis.IsAuthError(err):
		return "check user and password of the URL"
	case redis.IsReadOnlyError(err):
		return "it is a replica: name the primary, or the sentinels with master_name"
	case redis.IsMasterDownError(err):
		return "it is a replica without its primary: name the sentinels with master_name"
	case redis.IsMaxClientsError(err):
		return "raise its maxclients, or give each process fewer connections with pool_size"
	case strings.HasPrefix(text, "MOVED "), strings.HasPrefix(text, "CROSSSLOT "):
		return "it is one of a cluster: add ?cluster=true to the URL"
	case strings.HasPrefix(text, "ERR unknown command"):
		return "it lacks a command that is needed: Redis 6.2 or newer has all"
	case errors.Is(err, errWire), strings.Contains(text, "redis: can't parse"), strings.Contains(text, "redis: invalid reply"):
		return "it speaks another protocol: check host and port of the URL"
	}
	return remedyOfTLS(err)
}

func remedyOfTLS(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "name the file of the authority that signed its certificate: rediss://…?ca_file=/path/ca.pem"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "connect by a name that its certificate has, or say which: rediss://…?server_name=NAME"
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return "renew its certificate"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "it does not speak TLS there: give redis://, or the port that does"
	}
	// What the server says in the handshake crypto/tls hands on as a text.
	if text := err.Error(); strings.Contains(text, "remote error: tls: ") && strings.Contains(text, "certificate") {
		return "it wants a certificate that it knows: rediss://…?cert_file=/path/client.pem&key_file=/path/client.key"
	}
	if errors.Is(err, io.EOF) {
		return "it hangs up at once: where it wants TLS, give rediss://"
	}
	return ""
}
