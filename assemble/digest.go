package assemble

import (
	"crypto"
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384 and SHA-512, by way of crypto.Hash
	"encoding/hex"
	"hash"
)

// digests hash an image while it is read, once by each algorithm.
type digests struct {
	sha256 hash.Hash // for the manifest and the record
	signed hash.Hash // by the signature's algorithm; sha256 itself if it is that
}

// newDigests prepares for a signature by h. An algorithm that Go has not is
// left to modsig, which refuses the signature whatever the digest.
func newDigests(h crypto.Hash) *digests {
	d := &digests{sha256: sha256.New()}
	d.signed = d.sha256
	if h != crypto.SHA256 && h.Available() {
		d.signed = h.New()
	}
	return d
}

// Write implements io.Writer; it never fails.
func (d *digests) Write(p []byte) (int, error) {
	d.sha256.Write(p)
	if d.signed != d.sha256 {
		d.signed.Write(p)
	}
	return len(p), nil
}

// image is the SHA-256 of what was written, hex.
func (d *digests) image() string { return hex.EncodeToString(d.sha256.Sum(nil)) }

// continued is the SHA-256 of what was written and tail, hex; the state for
// what was written is kept.
func (d *digests) continued(tail []byte) (string, error) {
	state, err := d.sha256.(hash.Cloner).Clone()
	if err != nil {
		return "", err
	}
	state.Write(tail)
	return hex.EncodeToString(state.Sum(nil)), nil
}
