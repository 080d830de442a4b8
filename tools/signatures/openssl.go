package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"koweld/assemble/modsig"
)

// openssl is the second judge: the program of this path.
type openssl struct{ path string }

// exitInvalid is how `openssl cms` says that a message does not verify
// (openssl-cms(1), EXIT CODES); other codes say that it did not come so far.
const exitInvalid = 4

// takes returns an error unless the signature verifies over image.
func (o *openssl) takes(ctx context.Context, image []byte, s *modsig.Signature, signer *x509.Certificate) error {
	ok, err := o.verify(ctx, image, s.CMS(), signer)
	if err == nil && !ok {
		err = errors.New("openssl refuses it")
	}
	return err
}

// refuses returns an error unless the signature does not verify over image.
func (o *openssl) refuses(ctx context.Context, image []byte, s *modsig.Signature, signer *x509.Certificate) error {
	ok, err := o.verify(ctx, image, s.CMS(), signer)
	if err == nil && ok {
		err = errors.New("openssl takes it with a byte changed")
	}
	return err
}

func (o *openssl) verify(ctx context.Context, image, cms []byte, signer *x509.Certificate) (bool, error) {
	dir, err := os.MkdirTemp("", "koweld-signatures-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	for name, data := range map[string][]byte{
		"image": image, "cms": cms,
		"signer": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signer.Raw}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return false, err
		}
	}
	// As the kernel, without a chain: -noverify; and by this certificate, not
	// by one that the CMS brings: -nointern.
	cmd := exec.CommandContext(ctx, o.path, "cms", "-verify", "-binary", "-inform", "DER", "-in", "cms",
		"-content", "image", "-certfile", "signer", "-nointern", "-noverify", "-out", os.DevNull)
	cmd.Dir = dir
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &exit) && exit.ExitCode() == exitInvalid:
		return false, nil
	}
	return false, fmt.Errorf("cannot ask openssl: %v: %s", err, bytes.TrimSpace(said))
}
