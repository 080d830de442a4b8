// Package modsigtest makes throw-away signers for tests, as net/http/httptest
// makes servers. No program imports it.
package modsigtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// Signer is a P-256 key with its certificate.
type Signer struct {
	Key  *ecdsa.PrivateKey
	Cert *x509.Certificate
}

// New makes a signer whose certificate is valid for a hundred years from a
// time. It panics outside tests, and when there is no randomness.
func New(from time.Time) *Signer {
	if !testing.Testing() {
		panic("modsigtest: a throw-away signer outside a test")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"},
		NotBefore: from, NotAfter: from.AddDate(100, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &Signer{Key: key, Cert: cert}
}
