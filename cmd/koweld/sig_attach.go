package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"koweld/assemble/modsig"
)

func newSigAttachCommand(a *app) *cobra.Command {
	var signature, out string
	var certificates []string
	cmd := &cobra.Command{
		Use:   "attach --signature SIG [--certificate CERT]… -o OUT IMAGE",
		Short: "Attach a detached signature to an image",
		Long: `Attach writes the signed module of IMAGE and SIG. With certificates it verifies
first, and writes nothing when none of them made the signature over IMAGE. A
kernel never loads a module with a trusted signature over other bytes, not even
one that loads unsigned modules.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case signature == "":
				return missing("signature")
			case out == "":
				return missing("output")
			}
			s, err := readSignature(signature)
			if err != nil {
				return err
			}
			certs, err := a.readCertificates(certificates)
			if err != nil {
				return err
			}
			image, err := readModule(args[0])
			if err != nil {
				return err
			}
			if err := modsig.CheckUnsigned(image); err != nil {
				return fmt.Errorf("cannot attach to %s: %w", args[0], err)
			}
			if len(certs) == 0 {
				a.infof("%s is not verified: there is no --certificate", signature)
			} else if _, err := modsig.VerifyAny(s, s.Digest(image), certs); err != nil {
				return fmt.Errorf("cannot attach to %s: %w", args[0], err)
			}
			return a.writeFile(out, modsig.Attach(image, s))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&signature, "signature", "", "detached signature `SIG`, in either form")
	flags.StringArrayVar(&certificates, "certificate", nil, "verify with `CERT`, PEM or DER; repeat for several")
	flags.StringVarP(&out, "output", "o", "", "write the signed module to `OUT`")
	return cmd
}
