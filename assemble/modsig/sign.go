package modsig

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// SignOptions are what a signer may choose.
type SignOptions struct {
	Hash  crypto.Hash // SHA-256, SHA-384 or SHA-512
	KeyID bool        // name the signer by subjectKeyIdentifier: sign-file -k
}

// Sign makes the signature over an image with this digest, by opts.Hash. With
// an RSA key its bytes are those of the kernel's scripts/sign-file. The result
// has been verified with cert.
func Sign(rand io.Reader, key crypto.Signer, cert *x509.Certificate, digest []byte, opts SignOptions) (*Signature, error) {
	hash, ok := digestByHash(opts.Hash)
	if !ok {
		return nil, fmt.Errorf("cannot sign: %v is not for modules", opts.Hash)
	}
	if len(digest) != opts.Hash.Size() {
		return nil, fmt.Errorf("cannot sign: digest has %d bytes, %s has %d", len(digest), hash.name, opts.Hash.Size())
	}
	keyType, err := publicKeyType(cert.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %v", err)
	}
	if err := samePublicKey(key, cert); err != nil {
		return nil, fmt.Errorf("cannot sign: %v", err)
	}
	if opts.KeyID && len(cert.SubjectKeyId) == 0 {
		return nil, fmt.Errorf("cannot sign: certificate %s has no subjectKeyIdentifier", describe(cert))
	}
	value, err := key.Sign(rand, digest, opts.Hash)
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %v", err)
	}
	cms, err := build(cert, hash, algorithmFor(keyType, opts.Hash), value, opts.KeyID)
	if err != nil {
		return nil, fmt.Errorf("cannot sign: %v", err)
	}
	s, err := Parse(cms)
	if err != nil {
		return nil, err
	}
	if err := s.Verify(digest, cert); err != nil {
		return nil, err
	}
	return s, nil
}

// build writes ContentInfo, SignedData and SignerInfo (RFC 5652 §3, §5.1,
// §5.3) as sign-file does: no certificates, no attributes, no content, digest
// algorithms without parameters.
func build(cert *x509.Certificate, hash digest, alg algorithm, value []byte, keyID bool) ([]byte, error) {
	version := int64(1)
	if keyID {
		version = 3
	}
	b := cryptobyte.NewBuilder(nil)
	nest := func(tag cbasn1.Tag, content func(b *cryptobyte.Builder)) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) { b.AddASN1(tag, content) }
	}
	hashID := nest(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(hash.oid) })
	algorithmID := nest(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(alg.oid)
		if alg.key == keyRSA { // RFC 3370 §3.2; RFC 5758 §3.2 has none for ECDSA
			b.AddASN1NULL()
		}
	})
	signerInfo := nest(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(version)
		if keyID {
			b.AddASN1(context0, func(b *cryptobyte.Builder) { b.AddBytes(cert.SubjectKeyId) })
		} else {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(cert.RawIssuer)
				b.AddASN1BigInt(cert.SerialNumber)
			})
		}
		hashID(b)
		algorithmID(b)
		b.AddASN1OctetString(value)
	})
	signedData := nest(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(version)
		b.AddASN1(cbasn1.SET, hashID)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
		b.AddASN1(cbasn1.SET, signerInfo)
	})
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(context0.Constructed(), signedData)
	})
	return b.Bytes()
}
