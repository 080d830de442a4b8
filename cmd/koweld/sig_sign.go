package main

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"koweld/assemble/modsig"
)

func newSigSignCommand(a *app) *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use:   "sign --key KEY --certificate CERT (-o OUT | --detached) IMAGE…",
		Short: "Sign images as the kernel's sign-file does",
		Long: `Sign makes the signature that the kernel's scripts/sign-file makes; with an RSA
key, byte for byte. With -o it writes the signed module of one IMAGE. With
--detached it writes the signature alone, beside each IMAGE: as bare CMS to
IMAGE.p7s, or with --detached=trailer to IMAGE.sig; -o names another file.

Keys are for the machine that builds packages; none belongs on a target.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error { return a.signAll(o, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.key, "key", "", "private key `KEY`, PEM, not encrypted")
	flags.StringVar(&o.certificate, "certificate", "", "certificate of the key `CERT`, PEM or DER")
	flags.StringVar(&o.hash, "hash", "sha256", "`HASH` over the image: sha256, sha384 or sha512")
	flags.BoolVar(&o.keyID, "key-id", false, "name the signer by subjectKeyIdentifier, as sign-file -k")
	flags.StringVarP(&o.out, "output", "o", "", "write to `OUT`")
	flags.StringVar(&o.detached, "detached", "", "write the signature alone, `FORM` bare or trailer")
	flags.Lookup("detached").NoOptDefVal = string(formBare)
	return cmd
}

type signOptions struct {
	key, certificate, hash, out, detached string
	keyID                                 bool
}

// check finds wrong command lines and returns the hash.
func (o signOptions) check(images int) (crypto.Hash, error) {
	switch {
	case o.key == "":
		return 0, missing("key")
	case o.certificate == "":
		return 0, missing("certificate")
	case o.out == "" && o.detached == "":
		return 0, missing("output or --detached")
	case o.out != "" && images != 1:
		return 0, &usageError{err: fmt.Errorf("cannot write %d results to one --output", images)}
	case o.detached != "" && o.detached != string(formBare) && o.detached != string(formTrailer):
		return 0, &usageError{err: fmt.Errorf("cannot write a detached signature as %q: it is neither bare nor trailer", o.detached)}
	}
	hash, err := modsig.ParseHash(o.hash)
	if err != nil {
		return 0, &usageError{err: err}
	}
	return hash, nil
}

func (a *app) signAll(o signOptions, images []string) error {
	hash, err := o.check(len(images))
	if err != nil {
		return err
	}
	keyPEM, err := os.ReadFile(o.key)
	if err != nil {
		return fmt.Errorf("cannot read private key: %w", err)
	}
	key, err := modsig.ParsePrivateKey(keyPEM)
	if err != nil {
		return fmt.Errorf("cannot use %s: %w", o.key, err)
	}
	certs, err := a.readCertificates([]string{o.certificate})
	if err != nil {
		return err
	}
	opts := modsig.SignOptions{Hash: hash, KeyID: o.keyID}
	var errs []error
	for _, path := range images {
		if err := a.signFile(path, o, key, certs[0], opts); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (a *app) signFile(path string, o signOptions, key crypto.Signer, cert *x509.Certificate, opts modsig.SignOptions) error {
	image, err := readModule(path)
	if err != nil {
		return err
	}
	if err := modsig.CheckUnsigned(image); err != nil {
		return fmt.Errorf("cannot sign %s: %w", path, err)
	}
	digest := opts.Hash.New()
	digest.Write(image)
	s, err := modsig.Sign(rand.Reader, key, cert, digest.Sum(nil), opts)
	if err != nil {
		return fmt.Errorf("cannot sign %s: %w", path, err)
	}
	out, data := o.out, []byte(nil)
	switch sigForm(o.detached) {
	case formBare:
		data = s.CMS()
		if out == "" {
			out = path + ".p7s"
		}
	case formTrailer:
		data = s.Container()
		if out == "" {
			out = path + ".sig"
		}
	default:
		data = modsig.Attach(image, s)
	}
	return a.writeFile(out, data)
}
