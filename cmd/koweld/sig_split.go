package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"koweld/assemble/modsig"
)

func newSigSplitCommand(a *app) *cobra.Command {
	var imagePath, signaturePath string
	var bare bool
	cmd := &cobra.Command{
		Use:   "split MODULE",
		Short: "Cut a signed module into image and detached signature",
		Long: `Split writes the image of a signed MODULE, its signature, or both. The signature
is written with the trailer that ends a module, or without it as sign-file -d
does.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if imagePath == "" && signaturePath == "" {
				return missing("image or --signature")
			}
			module, err := readModule(args[0])
			if err != nil {
				return err
			}
			image, cms, err := modsig.Split(module)
			if err != nil {
				return fmt.Errorf("cannot split %s: %w", args[0], err)
			}
			if imagePath != "" {
				if err := a.writeFile(imagePath, image); err != nil {
					return err
				}
			}
			if signaturePath == "" {
				return nil
			}
			if !bare {
				cms = module[len(image):]
			}
			return a.writeFile(signaturePath, cms)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&imagePath, "image", "", "write the image to `OUT`")
	flags.StringVar(&signaturePath, "signature", "", "write the signature to `OUT`")
	flags.BoolVar(&bare, "bare", false, "write the signature as bare CMS, without trailer")
	return cmd
}
