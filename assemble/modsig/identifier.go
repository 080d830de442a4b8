package modsig

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"unicode"
)

// Identifier is how a signature names its signer (RFC 5652 §5.3): by the
// issuer and serial number of the certificate, or by its subjectKeyIdentifier.
// Two are the same signer exactly when they are ==.
type Identifier struct {
	Issuer string `json:"issuer,omitempty"`               // distinguished name as text, RFC 2253
	Serial string `json:"serial,omitempty"`               // serial number, hexadecimal octets as in the certificate
	KeyID  string `json:"subjectKeyIdentifier,omitempty"` // hexadecimal; "" when issuer and serial name the signer

	rawIssuer string // the DER of the name: kernels compare this
}

// String is for people.
func (id Identifier) String() string {
	if id.KeyID != "" {
		return "subjectKeyIdentifier " + id.KeyID
	}
	return "issuer " + id.Issuer + ", serial " + id.Serial
}

// Matches reports whether the signature names this certificate as its
// signer's. As in the kernel (asymmetric_key_id_same), names are compared by
// their DER, and a certificate without the subjectKeyIdentifier extension
// matches none: there is no identifier computed from the key.
func (s *Signature) Matches(cert *x509.Certificate) bool {
	if s.id.KeyID != "" {
		return s.id == keyIdentifier(cert.SubjectKeyId)
	}
	serial, err := asn1.Marshal(cert.SerialNumber)
	return err == nil && s.id == issuerAndSerial(cert.RawIssuer, serial)
}

func keyIdentifier(keyID []byte) Identifier {
	return Identifier{KeyID: hex.EncodeToString(keyID)}
}

// issuerAndSerial takes a Name and an INTEGER, both as whole DER values; a
// serial number is at most 127 octets here, RFC 5280 §4.1.2.2 allows 20.
func issuerAndSerial(issuer, serial []byte) Identifier {
	return Identifier{
		Issuer: nameText(issuer), Serial: hex.EncodeToString(serial[2:]),
		rawIssuer: string(issuer),
	}
}

// nameText is a DER Name for people: on one line, without control characters.
func nameText(der []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) != 0 {
		return "#" + hex.EncodeToString(der) // RFC 2253 §2.4
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name.String())
}
