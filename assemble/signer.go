package assemble

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"

	"koweld/assemble/modsig"
	"koweld/manifest"
)

// maxSignature bounds signatures and certificates, in bytes. Those of today
// have less than 3 KiB, ML-DSA ones less than 20.
const maxSignature = 64 << 10

// LoadSigners reads the certificates of a manifest's signers and checks their
// fingerprints: a *SignerError where one differs, an *InputError where it
// cannot be read. They are read once for each manifest.
func (w *Welder) LoadSigners(man *manifest.Manifest) ([]*x509.Certificate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if certs, ok := w.signers[man]; ok {
		return certs, nil
	}
	var certs []*x509.Certificate
	for _, s := range man.Signers {
		data, err := w.readSmall(s.Certificate, maxSignature)
		if err != nil {
			return nil, &InputError{File: s.Certificate, Err: err}
		}
		cert, err := modsig.ParseCertificate(data)
		if err != nil {
			return nil, &InputError{File: s.Certificate, Err: err}
		}
		if got := modsig.Fingerprint(cert); got != s.SHA256 {
			return nil, &SignerError{File: s.Certificate, Got: got, Want: s.SHA256}
		}
		certs = append(certs, cert)
	}
	if w.signers == nil {
		w.signers = make(map[*manifest.Manifest][]*x509.Certificate)
	}
	w.signers[man] = certs
	return certs, nil
}

// readSignature reads the detached signature of a module; digest is the
// SHA-256 of its file.
func (w *Welder) readSignature(m *manifest.Module) (sig *modsig.Signature, digest string, err error) {
	data, err := w.readSmall(m.Signature, maxSignature)
	if err != nil {
		return nil, "", &InputError{Module: m.Name, File: m.Signature, Err: err}
	}
	sig, err = modsig.ParseDetached(data)
	if err != nil {
		return nil, "", &SignatureError{Module: m.Name, File: m.Signature, Err: err}
	}
	sum := sha256.Sum256(data)
	return sig, hex.EncodeToString(sum[:]), nil
}
