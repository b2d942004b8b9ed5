package redisconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// secured is what a URL says of TLS, beyond its scheme and go-redis' skip_verify.
type secured struct {
	ca, cert, key, server string
	roots                 *x509.CertPool
}

// takeTLS takes its options out of the query, and reads the files, so that a wrong one is
// told at the start.
func takeTLS(scheme string, query url.Values) (*secured, error) {
	s := new(secured)
	for name, value := range map[string]*string{"ca_file": &s.ca, "cert_file": &s.cert, "key_file": &s.key, "server_name": &s.server} {
		*value = query.Get(name)
		query.Del(name)
		if *value != "" && scheme != "rediss" {
			return nil, fmt.Errorf("%s is for TLS, and the scheme is %q: give rediss://", name, scheme)
		}
	}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		s.roots = x509.NewCertPool()
		if !s.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %q has no certificate in PEM: name the file of the authority that signed the server's", s.ca)
		}
	}
	switch {
	case s.cert == "" && s.key != "":
		return nil, errors.New("key_file is given without cert_file: give both, or a cert_file that holds both")
	case s.cert != "":
		if s.key == "" {
			s.key = s.cert
		}
		if _, err := s.pair(nil); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// pair reads the client's certificate, anew for each connection: it is short-lived in many
// places, and renewed under the same name.
func (s *secured) pair(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(s.cert, s.key)
	if err != nil {
		return nil, fmt.Errorf("cert_file %q and key_file %q: %w", s.cert, s.key, err)
	}
	return &pair, nil
}

// apply completes what go-redis has made of the scheme; nil where it is not TLS.
func (s *secured) apply(c *tls.Config) {
	if c == nil {
		return
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.RootCAs = s.roots // nil is the system's
	if s.cert != "" {
		c.GetClientCertificate = s.pair
	}
	if s.server != "" {
		c.ServerName = s.server
	}
}
