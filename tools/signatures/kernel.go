package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// kernel is the packages of one kernel, unpacked into one directory:
//
//	signed/    modules, and the vmlinuz that loads them
//	unsigned/  the same modules from the build without signatures, if any
//	detached/  NAME.ko.sig: the signatures as the vendor's signer sent them, if any
type kernel struct {
	name     string
	certs    []*x509.Certificate // compiled into vmlinuz
	signed   tree
	unsigned tree // nil: there is none
	detached tree // nil: there is none
}

func readKernel(ctx context.Context, dir string) (*kernel, error) {
	k := &kernel{name: filepath.Base(dir)}
	var err error
	if k.certs, err = readCertificates(ctx, filepath.Join(dir, "signed")); err != nil {
		return nil, err
	}
	if k.signed, err = readTree(filepath.Join(dir, "signed"), ".ko", ".ko.xz"); err != nil {
		return nil, err
	}
	if len(k.signed) == 0 {
		return nil, fmt.Errorf("cannot find a module in %s", dir)
	}
	if k.unsigned, err = optional(readTree(filepath.Join(dir, "unsigned"), ".ko", ".ko.xz")); err != nil {
		return nil, err
	}
	k.detached, err = optional(readTree(filepath.Join(dir, "detached"), ".ko.sig"))
	return k, err
}

func optional(t tree, err error) (tree, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return t, err
}

// readCertificates takes them out of the one vmlinuz in a tree of packages.
func readCertificates(ctx context.Context, dir string) ([]*x509.Certificate, error) {
	var images []string
	for _, pattern := range []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz"} { // the latter in linux-binary-*
		matches, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		images = append(images, matches...)
	}
	if len(images) != 1 {
		return nil, fmt.Errorf("cannot tell which is the vmlinuz in %s: there are %d", dir, len(images))
	}
	bzImage, err := os.ReadFile(images[0])
	if err != nil {
		return nil, err
	}
	certs, err := builtinCertificates(ctx, bzImage)
	if err != nil {
		return nil, fmt.Errorf("cannot take the certificates out of %s: %v", images[0], err)
	}
	return certs, nil
}

// extent says how much of a kernel is checked.
type extent struct {
	sample  int // modules, 0 for all
	openssl int // of them also by openssl
	workers int
}

// check checks the modules of a kernel, several at once, and returns what was
// found. The error is only that of ctx.
func (k *kernel) check(ctx context.Context, judge *openssl, e extent) (*report, error) {
	start := time.Now()
	names := k.signed.shuffled()
	if e.sample > 0 {
		names = names[:min(e.sample, len(names))]
	}
	outcomes := make([]outcome, len(names))
	var group errgroup.Group
	group.SetLimit(e.workers)
	for i, name := range names {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var second *openssl
			if i < e.openssl {
				second = judge
			}
			outcomes[i] = k.checkModule(ctx, name, second)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	r := &report{kernel: k.name, modules: len(names)}
	for i, name := range names {
		r.add(name, outcomes[i])
	}
	if k.unsigned != nil {
		r.strays(paired, k.unsigned.without(k.signed), "it has no signed twin")
	}
	if k.detached != nil {
		r.strays(detached, k.detached.without(k.signed), "there is no such module")
	}
	r.took = time.Since(start)
	return r, nil
}
