package modsig

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"time"
)

// ParseCertificate reads a certificate: DER, or PEM with one CERTIFICATE
// block. Other blocks are passed over: the kernel's certs/signing_key.pem has
// the private key too. The error is a [*FormatError].
func ParseCertificate(b []byte) (*x509.Certificate, error) {
	der := b
	if blocks := pemBlocks(b); len(blocks) > 0 {
		der = nil
		for _, block := range blocks {
			if block.Type != "CERTIFICATE" {
				continue
			}
			if der != nil {
				return nil, &FormatError{Object: "certificate", Msg: "more than one CERTIFICATE block", hint: "give each certificate its own file"}
			}
			der = block.Bytes
		}
		if der == nil {
			return nil, &FormatError{Object: "certificate", Msg: "PEM without a CERTIFICATE block"}
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &FormatError{Object: "certificate", Msg: err.Error()}
	}
	return cert, nil
}

func pemBlocks(b []byte) []*pem.Block {
	var blocks []*pem.Block
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return blocks
		}
		blocks, b = append(blocks, block), rest
	}
}

// Fingerprint returns the SHA-256 of the DER certificate, in lower-case
// hexadecimal.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// DateWarning says that cert is not valid at a time, and is "" when it is.
// Only a warning: kernels do not look at dates, as their clock may not be set
// when they load modules (pkcs7_verify.c).
func DateWarning(cert *x509.Certificate, at time.Time) string {
	switch {
	case at.Before(cert.NotBefore):
		return fmt.Sprintf("certificate %s is not valid before %s", describe(cert), date(cert.NotBefore))
	case at.After(cert.NotAfter):
		return fmt.Sprintf("certificate %s expired on %s", describe(cert), date(cert.NotAfter))
	}
	return ""
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Subject returns the subject of a certificate as text (RFC 2253), on one line.
func Subject(cert *x509.Certificate) string { return nameText(cert.RawSubject) }

// describe names a certificate for people.
func describe(cert *x509.Certificate) string {
	return Subject(cert) + " (" + Fingerprint(cert)[:16] + "…)"
}
