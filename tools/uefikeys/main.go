// Command uefikeys adds certificates to a file of UEFI variables as OVMF keeps
// them:
//
//	uefikeys -in FILE -out FILE [-db CERT]... [-mok CERT]...
//
// -db adds to the variable db, by which firmware under Secure Boot trusts; -mok
// to MokListRT, which shim would make of the keys that a machine's owner has
// enrolled (MOK). The kernel trusts the signers of modules that are in either.
// Nothing is asked of the firmware: this file is what it would have written
// after it had verified the change.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

type names []string

func (n *names) String() string     { return fmt.Sprint(*n) }
func (n *names) Set(s string) error { *n = append(*n, s); return nil }

// run is main with its surroundings as values; it returns the exit code.
func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("uefikeys", flag.ContinueOnError)
	flags.SetOutput(stderr)
	in := flags.String("in", "", "variables to begin with")
	out := flags.String("out", "", "file to write")
	var db, mok names
	flags.Var(&db, "db", "PEM or DER certificate for db")
	flags.Var(&mok, "mok", "PEM or DER certificate for MokListRT")
	if err := flags.Parse(args); err != nil {
		return 64
	}
	if *in == "" || *out == "" || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "usage: uefikeys -in FILE -out FILE [-db CERT]... [-mok CERT]...")
		return 64
	}
	if err := add(*in, *out, db, mok); err != nil {
		fmt.Fprintln(stderr, "uefikeys:", err)
		return 1
	}
	return 0
}

func add(in, out string, db, mok []string) error {
	image, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	for _, want := range []struct {
		certificates []string
		variable     variable
	}{{db, securityDatabase}, {mok, mokList}} {
		if len(want.certificates) == 0 {
			continue
		}
		var lists []byte
		for _, name := range want.certificates {
			der, err := certificate(name)
			if err != nil {
				return err
			}
			lists = append(lists, signatureList(der)...)
		}
		if err := appendTo(image, want.variable, lists); err != nil {
			return fmt.Errorf("cannot add to %s of %s: %v", want.variable.name, in, err)
		}
	}
	return os.WriteFile(out, image, 0o600)
}

// certificate reads one as DER.
func certificate(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	if _, err := x509.ParseCertificate(data); err != nil {
		return nil, errors.New("cannot use " + name + ": it is no certificate")
	}
	return data, nil
}
