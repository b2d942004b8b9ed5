//go:build unix

package dbtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// CA is a certificate authority that nobody knows but the test.
type CA struct {
	// File holds its certificate, in PEM.
	File string

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes one.
func NewCA(tb testing.TB) *CA {
	tb.Helper()
	dir := tb.TempDir()
	ca := &CA{dir: dir, key: newKey(tb)}
	template := validFor(tb, "dbtest authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &ca.key.PublicKey, ca.key)
	if err != nil {
		tb.Fatal(err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		tb.Fatal(err)
	}
	ca.File = writePEM(tb, filepath.Join(dir, "ca.pem"), "CERTIFICATE", der)
	return ca
}

// Issue makes a certificate for hosts, by name or address, which servers and clients may
// use, and returns the files of it and of its key.
func (ca *CA) Issue(tb testing.TB, hosts ...string) (certFile, keyFile string) {
	tb.Helper()
	template := validFor(tb, hosts[0])
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	key := newKey(tb)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		tb.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	name := filepath.Join(ca.dir, template.SerialNumber.String())
	return writePEM(tb, name+".pem", "CERTIFICATE", der), writePEM(tb, name+".key", "PRIVATE KEY", secret)
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func validFor(tb testing.TB, name string) *x509.Certificate {
	tb.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		tb.Fatal(err)
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func writePEM(tb testing.TB, file, kind string, der []byte) string {
	tb.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

// RedisTLS starts a Redis that speaks TLS alone, with a certificate of ca for hosts. With
// mutual it wants one of the client too. Its URL is "rediss://" + Addr.
func RedisTLS(tb testing.TB, ca *CA, mutual bool, hosts ...string) *Server {
	tb.Helper()
	needTLS(tb)
	cert, key := ca.Issue(tb, hosts...)
	auth := "no"
	if mutual {
		auth = "yes"
	}
	own, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		tb.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(ca.cert)
	by := redisDialer{tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted, ServerName: hosts[0], Certificates: []tls.Certificate{own}}}
	return startRedis(tb, by, "--tls-port", []string{
		"--port", "0", "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca.File, "--tls-auth-clients", auth,
	})
}

// needTLS ends a test where redis-server was built without TLS.
func needTLS(tb testing.TB) {
	tb.Helper()
	// Without certificates it ends at once, and says why.
	said, _ := exec.Command(redisServer(tb), "--port", "0", "--tls-port", "1").CombinedOutput()
	if strings.Contains(string(said), "Bad directive") || strings.Contains(string(said), "BUILD_TLS") {
		missing(tb, "a redis-server that was built with TLS", "one that was, as those of Debian are")
	}
}
