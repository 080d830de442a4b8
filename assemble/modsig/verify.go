package modsig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Verify checks that the key of cert made the signature over an image with
// this digest, which is by s.Hash(). A [*RejectedError] says that it did not,
// or that the form, hash or key is not acceptable.
//
// The dates and the usages of the certificate do not count, as in the kernel:
// see [DateWarning].
func (s *Signature) Verify(digest []byte, cert *x509.Certificate) error {
	_, err := VerifyAny(s, digest, []*x509.Certificate{cert})
	return err
}

// VerifyAny is [Signature.Verify] with several certificates. It returns the
// one that made the signature.
func VerifyAny(s *Signature, digest []byte, certs []*x509.Certificate) (*x509.Certificate, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.digest.weak {
		return nil, s.reject(WeakHash, "it uses "+s.digest.name, "sign again with sha256, sha384 or sha512")
	}
	if len(digest) != s.digest.hash.Size() {
		return nil, fmt.Errorf("cannot verify signature: digest has %d bytes, %s has %d",
			len(digest), s.digest.name, s.digest.hash.Size())
	}
	var first error
	for _, cert := range certs {
		if !s.Matches(cert) {
			continue
		}
		err := s.verifyKey(digest, cert)
		if err == nil {
			return cert, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = s.unknownSigner(certs)
	}
	return nil, first
}

// VerifyModule splits a module and verifies its signature with the
// certificates. It returns the signature and the signer's certificate. Beside
// the errors of [Split], [Parse] and [VerifyAny], a module that is not signed is
// a [*RejectedError].
func VerifyModule(module []byte, certs []*x509.Certificate) (*Signature, *x509.Certificate, error) {
	image, cms, err := Split(module)
	if errors.Is(err, ErrUnsigned) {
		return nil, nil, &RejectedError{Reason: NotSigned, Msg: "it is not signed"}
	} else if err != nil {
		return nil, nil, err
	}
	s, err := Parse(cms)
	if err != nil {
		return nil, nil, err
	}
	cert, err := VerifyAny(s, s.Digest(image), certs)
	if err != nil {
		return nil, nil, err
	}
	return s, cert, nil
}

func (s *Signature) reject(r Reason, msg, hint string) error {
	return &RejectedError{Reason: r, Signer: s.id, Msg: msg, hint: hint}
}

func (s *Signature) unknownSigner(certs []*x509.Certificate) error {
	if len(certs) == 0 {
		return s.reject(UnknownSigner, "there is no certificate to check it with", "")
	}
	var names []string
	for _, c := range certs {
		names = append(names, describe(c))
	}
	return s.reject(UnknownSigner,
		"the signer is none of the certificates given: "+strings.Join(names, "; "),
		"name the certificate of this signer, or take a signature by one of those certificates")
}

// verifyKey checks the signature value with the key of cert.
func (s *Signature) verifyKey(digest []byte, cert *x509.Certificate) error {
	if t, err := publicKeyType(cert.PublicKey); err != nil {
		return s.reject(BadKey, err.Error(), "")
	} else if t != s.algorithm.key {
		return s.reject(BadKey, fmt.Sprintf("signature algorithm %s with the %s key of %s", s.algorithm.name, t, describe(cert)), "")
	}
	var good bool
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		err := rsa.VerifyPKCS1v15(key, s.digest.hash, digest, s.value)
		if err != nil && !errors.Is(err, rsa.ErrVerification) {
			return s.reject(BadKey, "the key of "+describe(cert)+" is not usable: "+err.Error(), "")
		}
		good = err == nil
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(key, digest, s.value)
	}
	if !good {
		return s.reject(OtherBytes, "signature is over other bytes",
			"the image is not the one that was signed: take the signature of this very build")
	}
	return nil
}

// publicKeyType tells RSA from ECDSA, for keys that kernels verify with: RSA of
// the sizes in crypto/rsa.c (rsa_check_key_length), ECDSA on the curves of
// crypto/ecdsa.c (P-521 since Linux 6.10).
func publicKeyType(key any) (keyType, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		switch bits := k.Size() * 8; bits {
		case 1024, 1536, 2048, 3072, 4096:
			return keyRSA, nil
		default:
			return "", fmt.Errorf("no kernel verifies with an RSA key of %d bits", bits)
		}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return keyECDSA, nil
		default:
			return "", fmt.Errorf("no kernel verifies with an ECDSA key on %s", k.Curve.Params().Name)
		}
	}
	return "", fmt.Errorf("no kernel verifies with a key of type %T", key)
}
