package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"koweld/assemble/modsig"
)

// claim is what must hold for each module.
type claim int

const (
	// verified: the signature is over the image, by a key whose certificate is
	// in vmlinuz.
	verified claim = iota
	// imageRefused: with one byte of the image changed it is over other bytes.
	imageRefused
	// containerRefused: with one byte of the container changed, CMS, trailer
	// or magic, there is no valid signature.
	containerRefused
	// paired: the signature attached to the unsigned module gives the bytes of
	// the signed one.
	paired
	// detached: the CMS is the one that the vendor's signer sent.
	detached
	// seconded: `openssl cms -verify` also takes the module, and refuses the
	// one with the changed image.
	seconded
	claims int = iota
)

// outcome says which claims were looked at, and why those that do not hold do
// not; nil is one that holds.
type outcome struct {
	signer *x509.Certificate // nil if not verified
	claims map[claim]error
}

// checkModule looks at one module. Without a valid signature nothing else is
// looked at: that changed bytes are refused would say nothing.
func (k *kernel) checkModule(ctx context.Context, name string, judge *openssl) outcome {
	o := outcome{claims: map[claim]error{}}
	module, err := readModule(k.signed[name])
	if err != nil {
		o.claims[verified] = err
		return o
	}
	signature, signer, err := modsig.VerifyModule(module, k.certs)
	o.claims[verified] = err
	if err != nil {
		return o
	}
	o.signer = signer
	if k.unsigned != nil {
		o.claims[paired] = isPair(k.unsigned[name], signature, module)
	}
	if k.detached != nil {
		o.claims[detached] = isDetached(k.detached[name], signature)
	}

	image := module[:len(module)-len(signature.Container())]
	container := module[len(image):]
	random := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(k.name + "/" + name))))
	changed(random, container, func(at int) {
		o.claims[containerRefused] = k.refused(module, at+len(image), false)
	})
	if judge != nil {
		o.claims[seconded] = judge.takes(ctx, image, signature, signer)
	}
	changed(random, image, func(at int) {
		o.claims[imageRefused] = k.refused(module, at, true)
		if judge != nil && o.claims[seconded] == nil {
			o.claims[seconded] = judge.refuses(ctx, image, signature, signer)
		}
	})
	return o
}

// changed calls f while one byte of b, at a random position, is another.
func changed(random *rand.Rand, b []byte, f func(at int)) {
	at := random.IntN(len(b))
	was := b[at]
	b[at] ^= byte(1 + random.IntN(255))
	f(at)
	b[at] = was
}

// refused returns an error unless a module, with its byte at a position changed,
// is refused: as signed over other bytes, or for any reason.
func (k *kernel) refused(module []byte, at int, otherBytes bool) error {
	_, _, err := modsig.VerifyModule(module, k.certs)
	var rejected *modsig.RejectedError
	var malformed *modsig.FormatError
	switch {
	case err == nil:
		return fmt.Errorf("it is accepted with byte %d changed to %#x", at, module[at])
	case errors.As(err, &rejected) && (!otherBytes || rejected.Reason == modsig.OtherBytes):
		return nil
	case errors.As(err, &malformed) && !otherBytes:
		return nil
	}
	return fmt.Errorf("with byte %d changed to %#x the reason is wrong: %v", at, module[at], err)
}

// isPair returns an error unless signature makes signed of the unsigned module
// in a file.
func isPair(path string, signature *modsig.Signature, signed []byte) error {
	if path == "" {
		return errors.New("it has no unsigned twin")
	}
	image, err := readModule(path)
	if err != nil {
		return err
	}
	if err := modsig.CheckUnsigned(image); err != nil {
		return err
	}
	if !bytes.Equal(modsig.Attach(image, signature), signed) {
		return errors.New("the unsigned module with the signature is not the signed one")
	}
	return nil
}

// isDetached returns an error unless a file holds the CMS of signature.
func isDetached(path string, signature *modsig.Signature) error {
	if path == "" {
		return errors.New("there is no detached signature")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	own, err := modsig.ParseDetached(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(own.CMS(), signature.CMS()) {
		return errors.New("the detached signature is not the attached one")
	}
	return nil
}
