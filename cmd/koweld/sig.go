package main

import (
	"crypto/x509"
	"fmt"
	"os"
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
