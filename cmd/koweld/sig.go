package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"koweld/assemble/modsig"
	"koweld/assemble/pack"
)

func newSigCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sig",
		Short: "Show, split, attach, verify and make module signatures",
		Long: `The sig commands work on signatures of kernel modules, attached or detached.

A detached signature is either a bare CMS (sign-file -d, Debian's .sig) or a CMS
with the trailer that ends a signed module (Ubuntu's .sig); both are read. Modules
may be compressed by gzip, xz or zstd when they are read, and are written
uncompressed. No command writes to a file that it reads half-way: output goes to
a temporary file that is renamed.`,
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newSigShowCommand(a),
		newSigSplitCommand(a),
		newSigAttachCommand(a),
		newSigVerifyCommand(a),
		newSigSignCommand(a),
	)
	return cmd
}

// maxModule bounds what a compressed module may inflate to, in bytes.
const maxModule = 1 << 30

// missing is a usage error for a flag that must be given.
func missing(flag string) error {
	return &usageError{err: fmt.Errorf("cannot go on without --%s", flag)}
}

// readModule reads a module or image and inflates it.
func readModule(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read module: %w", err)
	}
	module, err := pack.Inflate(b, maxModule)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return module, nil
}

// readSignature reads a detached signature that the kernel would take.
func readSignature(path string) (*modsig.Signature, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read signature: %w", err)
	}
	s, err := modsig.ParseDetached(b)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", path, err)
	}
	return s, nil
}

// readCertificates reads certificates and warns of those that are out of date.
func (a *app) readCertificates(paths []string) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read certificate: %w", err)
		}
		cert, err := modsig.ParseCertificate(b)
		if err != nil {
			return nil, fmt.Errorf("cannot use %s: %w", path, err)
		}
		if w := modsig.DateWarning(cert, time.Now()); w != "" {
			a.warnf("%s: %s", path, w)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// sigWritten is the result of a command that writes a file.
type sigWritten struct {
	File   string `json:"file"`
	Size   int    `json:"size"` // bytes
	DryRun bool   `json:"dryRun,omitempty"`
}

// writeSig puts data at path: whole, or not at all. The temporary file lies
// beside it under a name without .ko, which depmod would index.
func (a *app) writeSig(path string, data []byte) error {
	if !a.dryRun {
		if err := replaceFile(path, data); err != nil {
			return fmt.Errorf("cannot write %s: %w", path, err)
		}
	}
	a.result(sigWritten{path, len(data), a.dryRun}, func(io.Writer) {
		if a.dryRun {
			a.infof("would write %s, %d bytes", path, len(data))
		}
	})
	return nil
}

func replaceFile(path string, data []byte) (err error) {
	if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".koweld-sig-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
