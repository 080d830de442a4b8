package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"koweld/assemble/modsig"
	"koweld/assemble/pack"
	"koweld/manifest"
)

func newSigShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE…",
		Short: "Show the signature of modules, or detached signatures",
		Long: `Show says of each FILE, a module or a detached signature, how it is signed and
whether a kernel takes a signature of that form. It verifies nothing.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			var errs []error
			for _, path := range args {
				info, err := showFile(path)
				if err != nil {
					errs = append(errs, fmt.Errorf("cannot show %s: %w", path, err))
					continue
				}
				a.result(info, info.print)
			}
			return errors.Join(errs...)
		},
	}
}

// sigInfo is what show says of a file.
type sigInfo struct {
	File        string               `json:"file"`
	Compression manifest.Compression `json:"compression,omitempty"`
	Form        sigForm              `json:"form"`
	Image       *imageInfo           `json:"image,omitempty"`
	Signature   *cmsInfo             `json:"signature,omitempty"`
}

type sigForm string

const (
	formAttached sigForm = "attached"
	formBare     sigForm = "bare"
	formTrailer  sigForm = "trailer"
	formUnsigned sigForm = "unsigned"
)

type imageInfo struct {
	Size          int    `json:"size"` // bytes
	SHA256        string `json:"sha256"`
	AlreadySigned bool   `json:"alreadySigned,omitempty"` // ends with another signature
}

type cmsInfo struct {
	Size         int               `json:"size"` // of the CMS, bytes
	Signer       modsig.Identifier `json:"signer"`
	Hash         string            `json:"hash"`
	Algorithm    string            `json:"algorithm"`
	Certificates []embeddedInfo    `json:"certificates,omitempty"`
	Acceptable   bool              `json:"acceptable"`        // a kernel takes this form, and so does koweld
	Problem      string            `json:"problem,omitempty"` // why not
}

type embeddedInfo struct {
	Subject string `json:"subject,omitempty"`
	SHA256  string `json:"sha256"` // of the DER
}

func showFile(path string) (*sigInfo, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	info := &sigInfo{File: path}
	if format, err := pack.Detect(b); err == nil {
		if b, err = pack.Inflate(b, maxModule); err != nil {
			return nil, err
		}
		if format != manifest.None {
			info.Compression = format
		}
		return info, info.module(b)
	}
	info.Form = formBare
	if modsig.HasTrailer(b) {
		info.Form = formTrailer
	}
	s, err := modsig.InspectDetached(b)
	if err != nil {
		return nil, err
	}
	info.Signature = describeCMS(s)
	return info, nil
}

func (i *sigInfo) module(b []byte) error {
	image, cms, err := modsig.Split(b)
	switch {
	case errors.Is(err, modsig.ErrUnsigned):
		i.Form, i.Image = formUnsigned, describeImage(b)
		return nil
	case err != nil:
		return err
	}
	s, err := modsig.Inspect(cms)
	if err != nil {
		return err
	}
	i.Form, i.Image, i.Signature = formAttached, describeImage(image), describeCMS(s)
	return nil
}

func describeImage(image []byte) *imageInfo {
	sum := sha256.Sum256(image)
	return &imageInfo{
		Size: len(image), SHA256: hex.EncodeToString(sum[:]),
		AlreadySigned: modsig.HasTrailer(image),
	}
}

func describeCMS(s *modsig.Signature) *cmsInfo {
	c := &cmsInfo{
		Size: len(s.CMS()), Signer: s.Identifier(),
		Hash: s.HashName(), Algorithm: s.Algorithm(),
	}
	for _, der := range s.Certificates() {
		sum := sha256.Sum256(der)
		e := embeddedInfo{SHA256: hex.EncodeToString(sum[:])}
		if cert, err := modsig.ParseCertificate(der); err == nil {
			e.Subject = modsig.Subject(cert)
		}
		c.Certificates = append(c.Certificates, e)
	}
	err := s.Check()
	if rejected := (*modsig.RejectedError)(nil); errors.As(err, &rejected) {
		c.Problem = rejected.Msg
	} else if _, err := modsig.ParseHash(s.HashName()); err != nil {
		c.Problem = "it uses " + s.HashName()
	}
	c.Acceptable = c.Problem == ""
	return c
}

func (i *sigInfo) print(w io.Writer) {
	var b bytes.Buffer
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s "+format+"\n", append([]any{key + ":"}, args...)...)
	}
	fmt.Fprintf(&b, "%s: %s", i.File, map[sigForm]string{
		formAttached: "signed module",
		formBare:     "detached signature (bare CMS)",
		formTrailer:  "detached signature (CMS with trailer)",
		formUnsigned: "unsigned module",
	}[i.Form])
	if i.Compression != "" {
		fmt.Fprintf(&b, ", %s", i.Compression)
	}
	b.WriteByte('\n')
	if i.Image != nil {
		line("image", "%d bytes, sha256 %s", i.Image.Size, i.Image.SHA256)
		if i.Image.AlreadySigned {
			line("", "ends with another signature")
		}
	}
	if c := i.Signature; c != nil {
		line("signature", "%d bytes, %s, %s", c.Size, c.Algorithm, c.Hash)
		line("signer", "%v", c.Signer)
		for _, e := range c.Certificates {
			line("certificate", "%s, sha256 %s (embedded, not trusted)", e.Subject, e.SHA256)
		}
		if c.Acceptable {
			line("acceptable", "yes")
		} else {
			line("acceptable", "no: %s", c.Problem)
		}
	}
	b.WriteTo(w)
}
