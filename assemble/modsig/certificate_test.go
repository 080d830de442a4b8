package modsig_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/assemble/modsig"
)

func TestParseCertificateTakesPEMAndDER(t *testing.T) {
	text := read(t, "rsa2048.crt")
	fromPEM := certificate(t, "rsa2048")
	fromDER, err := modsig.ParseCertificate(fromPEM.Raw)
	require.NoError(t, err)
	assert.Equal(t, fromPEM, fromDER)

	both, err := modsig.ParseCertificate(append(read(t, "rsa2048.key"), text...))
	require.NoError(t, err, "certs/signing_key.pem of a kernel tree")
	assert.Equal(t, fromPEM, both)
}

func TestParseCertificateRefuses(t *testing.T) {
	text := read(t, "p256.crt")
	der := certificate(t, "p256").Raw
	tests := []struct {
		name string
		in   []byte
		msg  string
	}{
		{"empty", nil, "malformed"},
		{"garbage", []byte("certificate"), "malformed"},
		{"two", append(bytes.Clone(text), read(t, "p384.crt")...), "more than one CERTIFICATE block"},
		{"key", read(t, "p256.key"), "without a CERTIFICATE block"},
		{"truncated", der[:len(der)-1], "malformed"},
		{"byte after", append(bytes.Clone(der), 0), "trailing data"},
		{"CMS", read(t, "p256-sha256.p7s"), "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := modsig.ParseCertificate(tt.in)
			var fe *modsig.FormatError
			require.ErrorAs(t, err, &fe)
			assert.ErrorContains(t, err, "cannot read certificate: ")
			assert.ErrorContains(t, err, tt.msg)
		})
	}
}

func TestFingerprintIsOfTheDER(t *testing.T) {
	// openssl x509 -in foreign.crt -noout -fingerprint -sha256
	assert.Equal(t, "f3c25e090224bbcd9b18179f003ee75b886d231e345071907cba7a816cacffb7", modsig.Fingerprint(certificate(t, "foreign")))
}

func TestDateWarning(t *testing.T) {
	cert := certificate(t, "p256")
	assert.Empty(t, modsig.DateWarning(cert, cert.NotBefore))
	assert.Empty(t, modsig.DateWarning(cert, cert.NotAfter))
	assert.Contains(t, modsig.DateWarning(cert, cert.NotBefore.Add(-time.Second)),
		"not valid before "+cert.NotBefore.Format(time.RFC3339))
	assert.Contains(t, modsig.DateWarning(cert, cert.NotAfter.Add(time.Second)),
		"expired on "+cert.NotAfter.Format(time.RFC3339))
}

func TestDatesDoNotCount(t *testing.T) {
	image := read(t, "image.ko")
	s := sign(t, "p256", image)
	cert := certificate(t, "p256")
	cert.NotAfter = cert.NotBefore
	assert.NoError(t, s.Verify(sum(s.Hash(), image), cert))
}

func TestParsePrivateKey(t *testing.T) {
	rsa := key(t, "rsa2048")
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(asRSA(t, rsa))})
	ec := key(t, "p384").(*ecdsa.PrivateKey)
	sec1, err := x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22}})
	for name, tt := range map[string]struct {
		in   []byte
		want any
	}{
		"PKCS#8":              {read(t, "rsa2048.key"), rsa.Public()},
		"PKCS#1":              {pkcs1, rsa.Public()},
		"EC after parameters": {append(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...), ec.Public()},
		"with a certificate":  {append(read(t, "rsa2048.crt"), read(t, "rsa2048.key")...), rsa.Public()},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := modsig.ParsePrivateKey(tt.in)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.Public())
		})
	}
}

func TestParsePrivateKeyRefuses(t *testing.T) {
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	legacy := &pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte{1}}
	for name, tt := range map[string]struct {
		in  []byte
		msg string
	}{
		"empty":            {nil, "no PEM block"},
		"certificate":      {read(t, "p256.crt"), "no PEM block"},
		"malformed":        {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), "asn1"},
		"encrypted":        {pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}), "encrypted"},
		"legacy encrypted": {pem.EncodeToMemory(legacy), "encrypted"},
		"Ed25519":          {pkcs8(ed), "ed25519"},
		"P-224":            {pkcs8(p224), "P-224"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := modsig.ParsePrivateKey(tt.in)
			var fe *modsig.FormatError
			require.ErrorAs(t, err, &fe)
			assert.ErrorContains(t, err, "cannot read private key: ")
			assert.ErrorContains(t, err, tt.msg)
		})
	}
}
