package unit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/internal/txn"
)

// Difference is one way in which a target is not what the record says.
type Difference struct {
	Path    string `json:"path,omitempty"`
	Problem string `json:"problem"`
	// Checks, of a file, is the first column of dpkg -V and rpm -V:
	// [Missing], or one character for each of size, mode, digest, device,
	// link, user, group, mtime and capabilities. That is the letter of what
	// differs, a dot for what does not, and ? for what was not looked at.
	Checks string `json:"checks,omitempty"`
}

// Missing is the first column of dpkg -V for what is not there.
const Missing = "missing"

// Verification is what verify found of one package.
type Verification struct {
	Package     string       `json:"package"`
	Kernel      string       `json:"kernel,omitempty"`
	Files       int          `json:"files"` // that were read
	Bytes       int64        `json:"bytes"`
	Differences []Difference `json:"differences"`
	// Warnings tell of what is no difference yet: the inputs are not those that
	// the unit was formed of.
	Warnings []string `json:"warnings,omitempty"`
}

// Verify reads every placed byte again. It needs no lock and changes nothing.
func (s *System) Verify(ctx context.Context, pkgs []string) ([]Verification, error) {
	everything := len(pkgs) == 0
	pkgs, err := s.known(pkgs)
	if err != nil {
		return nil, err
	}
	inFlight, err := s.txn().InFlight()
	errs := []error{err}
	if everything {
		pkgs = union(pkgs, inFlight)
	}
	var all []Verification
	for _, pkg := range pkgs {
		v, err := s.verify(ctx, pkg, inFlight)
		var none *NoRecordError
		if everything && errors.As(err, &none) {
			continue // another run has removed it since it was listed
		}
		errs = append(errs, err)
		if v != nil {
			all = append(all, *v)
		}
	}
	return all, errors.Join(errs...)
}

// union is what is in either list, sorted.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

var interrupted = Difference{Problem: "a run was interrupted; koweld repair ends it"}

var halfRemoved = Difference{Problem: "was taken back for a removal that did not end; dpkg, or koweld repair, ends it or puts it back"}

// known returns the packages to look at: those given, or all with a record.
func (s *System) known(pkgs []string) ([]string, error) {
	if len(pkgs) > 0 {
		return pkgs, nil
	}
	return s.store().List()
}

func (s *System) verify(ctx context.Context, pkg string, inFlight []string) (*Verification, error) {
	r, err := s.store().Load(pkg)
	if err != nil {
		return nil, err
	}
	if r == nil && slices.Contains(inFlight, pkg) {
		return &Verification{Package: pkg, Differences: []Difference{interrupted}}, nil
	}
	if r == nil {
		return nil, &NoRecordError{Package: pkg}
	}
	v := &Verification{Package: pkg, Kernel: r.Kernel, Differences: []Difference{}}
	inputs, err := s.inputsNow(r)
	if err != nil {
		inputs = err.Error()
	}
	if inputs != "" {
		v.Warnings = append(v.Warnings, inputs)
	}
	if slices.Contains(inFlight, pkg) {
		v.Differences = append(v.Differences, interrupted)
	}
	for i := range r.Files {
		rec := &r.Files[i]
		if r.State == store.Removed && rec.Parked == "" {
			continue
		}
		t := &target{path: rec.At()}
		if t.there, err = lstat(s.FS, rec.At()); err == nil {
			err = s.compare(t, rec, byBytes)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot verify %s: %w", rec.At(), err)
		}
		v.Files++
		v.Bytes += rec.Size
		if problem := t.problem(); problem != "" {
			v.Differences = append(v.Differences, Difference{Path: rec.At(), Problem: problem, Checks: t.checks()})
		}
	}
	sums, err := s.verifySums(r)
	if err != nil {
		return nil, err
	}
	v.Differences = append(v.Differences, sums...)
	for _, e := range r.Pending {
		v.Differences = append(v.Differences, Difference{Problem: string(e) + " is still to be done"})
	}
	diverts, err := s.verifyDiverts(ctx, r, v)
	if err != nil {
		return nil, err
	}
	v.Differences = append(v.Differences, diverts...)
	if !r.IsPlaced() {
		if r.State == store.Removed && r.IsParked() {
			v.Differences = append(v.Differences, halfRemoved)
		}
		return v, nil
	}
	index, err := s.verifyIndex(r)
	v.Differences = append(v.Differences, index...)
	return v, err
}

// verifySums compares the digests beside a record with it.
func (s *System) verifySums(r *store.Record) ([]Difference, error) {
	problem, err := s.sumsProblem(r)
	d := Difference{Path: s.store().SumsPath(r.Package), Problem: problem, Checks: "??5??????"}
	switch problem {
	case "":
		return nil, err
	case isMissing:
		d.Checks = Missing
	}
	return []Difference{d}, err
}

// isMissing is the problem of a file that is not there.
const isMissing = "is missing"

// sumsProblem says how the digests beside a record differ from it, or "".
func (s *System) sumsProblem(r *store.Record) (string, error) {
	sums, err := fsys.ReadFile(s.FS, s.store().SumsPath(r.Package), fileLimit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return isMissing, nil
	case err != nil:
		return "", fmt.Errorf("cannot verify the digests of %s: %w", r.Package, err)
	case !bytes.Equal(sums, store.EncodeSums(r)):
		return "does not say what the record says", nil
	}
	return "", nil
}

// problem says how a target differs from its record, or "".
func (t *target) problem() string {
	switch {
	case t.there == nil:
		return isMissing
	case !t.there.IsRegular():
		return "is not a regular file"
	case !t.ours:
		return "has other bytes"
	case t.intact:
		return ""
	case t.there.Mode&specialBits != 0:
		return "has a setuid, setgid or sticky bit"
	case t.there.Mode.Perm() != fs.FileMode(t.rec.Mode):
		return fmt.Sprintf("has mode %04o, not %04o", uint32(t.there.Mode.Perm()), uint32(t.rec.Mode))
	}
	return fmt.Sprintf("is owned by %d:%d, not %d:%d", t.there.UID, t.there.GID, t.rec.UID, t.rec.GID)
}

// checks is [Difference.Checks] of a target that was compared by bytes.
func (t *target) checks() string {
	if t.there == nil {
		return Missing
	}
	checks := []byte("?????????")
	if !t.there.IsRegular() {
		checks[1] = 'M' // the type is of the mode
		return string(checks)
	}
	for _, c := range []struct {
		at     int
		letter byte
		same   bool
	}{
		{0, 'S', t.there.Size == t.rec.Size},
		{1, 'M', t.there.Mode&modeBits == fs.FileMode(t.rec.Mode)},
		{2, '5', t.ours},
		{5, 'U', t.there.UID == t.rec.UID},
		{6, 'G', t.there.GID == t.rec.GID},
		{7, 'T', t.there.Mtime.UnixNano() == t.rec.Mtime},
	} {
		if checks[c.at] = c.letter; c.same {
			checks[c.at] = '.'
		}
	}
	return string(checks)
}

// verifyIndex looks for the modules of a record in modules.dep.
func (s *System) verifyIndex(r *store.Record) ([]Difference, error) {
	if !r.Depmod || slices.Contains(r.Pending, store.EffectDepmod) {
		return nil, nil
	}
	folder := path.Join(modulesDir, r.Kernel)
	dep, err := fsys.ReadFile(s.FS, path.Join(folder, "modules.dep"), indexLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return []Difference{{Path: path.Join(folder, "modules.dep"), Problem: isMissing}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot verify the module index: %w", err)
	}
	_, err = txn.JudgeIndex(dep, modulesBelow(r, folder))
	var left *txn.DepmodError
	if errors.As(err, &left) {
		return []Difference{{Path: path.Join(folder, left.Module), Problem: "is not in modules.dep"}}, nil
	}
	return nil, err
}

// indexLimit bounds what is read of modules.dep, in bytes.
const indexLimit = 256 << 20

// modulesBelow are the modules of a record, relative to a kernel's folder.
func modulesBelow(r *store.Record, folder string) []string {
	var names []string
	for i := range r.Files {
		if rel, below := strings.CutPrefix(r.Files[i].Path, folder+"/"); below && r.Files[i].Module != nil {
			names = append(names, rel)
		}
	}
	return names
}
