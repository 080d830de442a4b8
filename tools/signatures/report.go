package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"koweld/assemble/modsig"
	"koweld/tools/tap"
)

// sentences say of N modules what a claim is.
var sentences = [claims]string{
	verified:         "verify with a certificate out of vmlinuz",
	imageRefused:     "are refused with one byte of the image changed",
	containerRefused: "are refused with one byte of the signature changed",
	paired:           "are the unsigned module and the signature",
	detached:         "have the signature that the vendor's signer sent",
	seconded:         "are judged so by openssl cms -verify",
}

// report is what was found of one kernel.
type report struct {
	kernel  string
	modules int
	signers []*x509.Certificate
	tallies [claims]tally
	took    time.Duration
}

// tally counts what was looked at and what held; wrong says what did not.
type tally struct {
	asked, held int
	wrong       []string
}

func (r *report) add(name string, o outcome) {
	for c, err := range o.claims {
		t := &r.tallies[c]
		t.asked++
		if err == nil {
			t.held++
		} else {
			t.wrong = append(t.wrong, fmt.Sprintf("%s: %v", name, err))
		}
	}
	if o.signer != nil && !slices.ContainsFunc(r.signers, o.signer.Equal) {
		r.signers = append(r.signers, o.signer)
	}
}

// strays are files that should have a module, and have none.
func (r *report) strays(c claim, names []string, why string) {
	for _, name := range names {
		r.tallies[c].wrong = append(r.tallies[c].wrong, name+": "+why)
	}
}

// mostShown is how many failures of a claim are printed.
const mostShown = 10

// tap prints the claims that were looked at as lines of TAP.
func (r *report) tap(out *tap.Writer) {
	for c, t := range r.tallies {
		if t.asked == 0 && len(t.wrong) == 0 {
			continue
		}
		name := fmt.Sprintf("%s: %d of %d modules %s", r.kernel, t.held, t.asked, sentences[c])
		out.Result(len(t.wrong) == 0, name)
		for i, wrong := range t.wrong {
			if i == mostShown {
				out.Note(fmt.Sprintf("and %d more", len(t.wrong)-mostShown))
				break
			}
			out.Note(wrong)
		}
	}
	for _, cert := range r.signers {
		out.Note(fmt.Sprintf("%s: %s, %s, sha256 %s", r.kernel, modsig.Subject(cert), keyName(cert), modsig.Fingerprint(cert)))
	}
}

// keyName is "RSA-4096", "P-384".
func keyName(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return key.Curve.Params().Name
	default:
		return fmt.Sprintf("%T", key)
	}
}

// table prints a line a kernel. What was not looked at is a dash.
func table(w io.Writer, reports []*report) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	columns := []string{"kernel", "key", "modules", "pairs equal", ".sig equal", "verified", "tampered image refused", "tampered signature refused", "openssl agreed", "seconds"}
	fmt.Fprintln(t, strings.Join(columns, "\t")+"\t")
	for _, r := range reports {
		var keys []string
		for _, cert := range r.signers {
			keys = append(keys, keyName(cert))
		}
		cells := []string{r.kernel, strings.Join(keys, ","), strconv.Itoa(r.modules)}
		for _, c := range []claim{paired, detached, verified, imageRefused, containerRefused, seconded} {
			cell := "-"
			if r.tallies[c].asked > 0 {
				cell = strconv.Itoa(r.tallies[c].held)
			}
			cells = append(cells, cell)
		}
		cells = append(cells, fmt.Sprintf("%.1f", r.took.Seconds()))
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	_ = t.Flush()
}
