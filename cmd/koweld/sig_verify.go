package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"koweld/assemble/modsig"
)

func newSigVerifyCommand(a *app) *cobra.Command {
	var signature string
	var certificates []string
	cmd := &cobra.Command{
		Use:   "verify --certificate CERT… [--signature SIG] FILE…",
		Short: "Verify the signature of modules",
		Long: `Verify checks that each FILE, a signed module, is signed by one of the
certificates; or that SIG is such a signature over FILE, an image. It exits with
3 when one is not, and with 65 when a signature is malformed.

As kernels do, it does not look at the dates of certificates but to warn, and
not at their issuers or usages.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(certificates) == 0 {
				return missing("certificate")
			}
			if signature != "" && len(args) != 1 {
				return &usageError{err: fmt.Errorf("cannot verify %d files with one --signature", len(args))}
			}
			certs, err := a.readCertificates(certificates)
			if err != nil {
				return err
			}
			var errs []error
			for _, path := range args {
				v, err := verifyFile(path, signature, certs)
				if err != nil {
					errs = append(errs, fmt.Errorf("cannot verify %s: %w", path, err))
					continue
				}
				a.result(v, v.print)
			}
			return errors.Join(errs...)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&certificates, "certificate", nil, "certificate of a signer `CERT`, PEM or DER; repeat for several")
	flags.StringVar(&signature, "signature", "", "detached signature `SIG` over FILE, in either form")
	return cmd
}

// sigVerified is what verify says of a good signature.
type sigVerified struct {
	File        string            `json:"file"`
	Signer      modsig.Identifier `json:"signer"`
	Subject     string            `json:"subject"`
	Certificate string            `json:"certificate"` // sha256 of the DER
	Hash        string            `json:"hash"`
	Image       string            `json:"image"` // sha256
}

func verifyFile(path, signature string, certs []*x509.Certificate) (*sigVerified, error) {
	module, err := readModule(path)
	if err != nil {
		return nil, err
	}
	var s *modsig.Signature
	var cert *x509.Certificate
	image := module
	if signature == "" {
		if s, cert, err = modsig.VerifyModule(module, certs); err != nil {
			return nil, err
		}
		image = module[:len(module)-len(s.Container())]
	} else {
		if s, err = readSignature(signature); err != nil {
			return nil, err
		}
		if cert, err = modsig.VerifyAny(s, s.Digest(image), certs); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(image)
	return &sigVerified{
		File: path, Signer: s.Identifier(), Subject: modsig.Subject(cert),
		Certificate: modsig.Fingerprint(cert), Hash: s.HashName(),
		Image: hex.EncodeToString(sum[:]),
	}, nil
}

func (v *sigVerified) print(w io.Writer) {
	fmt.Fprintf(w, "%s: signed by %s, certificate sha256 %s\n", v.File, v.Subject, v.Certificate)
}
