package modsig

import (
	"crypto"
	"crypto/x509"
	"errors"
	"strings"
)

// ParsePrivateKey reads a private key from PEM: PKCS#8, PKCS#1 or SEC 1 (EC).
// Other blocks are passed over, see [ParseCertificate]. The error is a
// [*FormatError].
func ParsePrivateKey(b []byte) (crypto.Signer, error) {
	for _, block := range pemBlocks(b) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
				return nil, encryptedKey()
			}
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
				return nil, encryptedKey()
			}
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, encryptedKey()
		default:
			continue
		}
		if err != nil {
			return nil, &FormatError{Object: "private key", Msg: err.Error()}
		}
		return signer(key)
	}
	return nil, &FormatError{Object: "private key", Msg: "no PEM block with a private key"}
}

func signer(key any) (crypto.Signer, error) {
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, &FormatError{Object: "private key", Msg: "it cannot sign"}
	}
	if _, err := publicKeyType(s.Public()); err != nil {
		return nil, &FormatError{Object: "private key", Msg: err.Error()}
	}
	return s, nil
}

func encryptedKey() error {
	return &FormatError{
		Object: "private key", Msg: "it is encrypted",
		hint: "`openssl pkey` decrypts it",
	}
}

// samePublicKey reports whether a key and a certificate belong together.
func samePublicKey(key crypto.Signer, cert *x509.Certificate) error {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return errors.New("the private key is not that of certificate " + describe(cert))
	}
	return nil
}
