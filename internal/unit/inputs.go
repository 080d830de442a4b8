package unit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"pault.ag/go/debian/version"

	"koweld/assemble"
	"koweld/internal/dpkg"
	"koweld/internal/store"
	"koweld/manifest"
)

// The inputs of a unit may come from three packages: objects, signatures, and
// that of the manifest. While dpkg replaces them one after the other they do not
// belong together, and if one is left behind they never will.

// InputState says whether a unit can be formed of its inputs as they are now.
type InputState string

// The states of inputs.
const (
	InputsAgree   InputState = "agree"
	InputsGone    InputState = "gone"    // without what is not there it cannot
	InputsDiffer  InputState = "differ"  // all are there, and do not give what is declared
	InputsUnknown InputState = "unknown" // nobody looked that closely, or the inputs are not at fault
)

// Agreement is what is known of the inputs of a unit.
type Agreement struct {
	State InputState
	// Fingerprint is what [System.Fingerprint] gives; "" if it could not be had.
	Fingerprint string
	// Err says why they do not agree: an *[InputsError] if they are gone or
	// differ, else what kept us from knowing, or nil if nobody tried.
	Err error
}

// Fingerprint tells by size and time, and without reading, whether the inputs of a
// manifest are still those that they were: the SHA-256, hex, of a list of them.
// One that is to be recorded has to be taken before the inputs are read.
func (s *System) Fingerprint(m *manifest.Manifest) (string, error) {
	sum, _, err := s.lookAtInputs(m)
	return sum, err
}

// inputTime is the time of what is formed of inputs: that of the newest, or
// [System.Epoch] if that is before. So it does not tell when it was formed, and two
// roots with the same packages are the same.
func (s *System) inputTime(names []string) time.Time {
	newest := s.Epoch
	for i, name := range names {
		info, err := s.FS.Stat(name)
		if err != nil {
			return s.Epoch // it was read, and has gone since
		}
		if i == 0 || info.Mtime.After(newest) {
			newest = info.Mtime
		}
	}
	if !s.Epoch.IsZero() && s.Epoch.Before(newest) {
		return s.Epoch
	}
	return newest
}

// lookAtInputs gives the fingerprint, and which inputs are not there.
func (s *System) lookAtInputs(m *manifest.Manifest) (fingerprint string, gone map[string]bool, err error) {
	hash := sha256.New()
	gone = make(map[string]bool)
	for _, name := range m.Reads() {
		info, err := s.FS.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
			gone[name] = true
			fmt.Fprintf(hash, "%s\x00gone\n", name)
		case err != nil:
			return "", nil, fmt.Errorf("cannot look at the inputs of %s: %w", m.Package, err)
		default:
			fmt.Fprintf(hash, "%s\x00%d %d\n", name, info.Size, info.Mtime.UnixNano())
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), gone, nil
}

// Agreement says whether the unit of a manifest can be formed of its inputs; r is
// its record, or nil. That costs a look at each if they are those of the record.
// Else the modules are formed in memory, with scratch, a folder below the root,
// for a linker's files; nothing is placed. Without scratch nothing is formed.
func (s *System) Agreement(ctx context.Context, m *manifest.Manifest, r *store.Record, scratch string) Agreement {
	fingerprint, gone, err := s.lookAtInputs(m)
	a := Agreement{State: InputsUnknown, Fingerprint: fingerprint, Err: err}
	if err != nil {
		return a
	}
	if r != nil && r.Inputs == fingerprint && r.Manifest.SHA256 == m.SHA256 {
		a.State = InputsAgree
		return a
	}
	if needed := indispensable(m, gone); len(needed) > 0 {
		a.State, a.Err = InputsGone, s.explain(ctx, m, needed, nil)
		return a
	}
	if scratch == "" {
		return a
	}
	if a.Err = s.blame(ctx, m, s.formInMemory(ctx, m, scratch)); a.Err == nil {
		a.State = InputsAgree
	}
	var blamed *InputsError
	if errors.As(a.Err, &blamed) {
		a.State = blamed.State()
	}
	return a
}

// inputsNow says how the inputs of a record's unit, and its manifest, are not
// those that it was formed of, by a look at each; "" if they are, or if the unit
// is not formed.
func (s *System) inputsNow(r *store.Record) (string, error) {
	if !r.IsPlaced() && r.State != store.Ready {
		return "", nil
	}
	reader := *s
	reader.Trust.Any = true // nothing is done by what it says
	m, err := reader.Load(r.Manifest.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "inputs gone: " + r.Manifest.Path + " is not there", nil
	case err != nil:
		return "inputs unknown: " + err.Error(), nil
	case m.SHA256 != r.Manifest.SHA256:
		return "inputs differ: the manifest is not the one that it was formed by", nil
	}
	fingerprint, gone, err := s.lookAtInputs(m)
	if err != nil {
		return "", err
	}
	needed := indispensable(m, gone)
	switch {
	case len(needed) == 1:
		return "inputs gone: " + needed[0].File + " is not there", nil
	case len(needed) > 1:
		return fmt.Sprintf("inputs gone: %s and %d others are not there", needed[0].File, len(needed)-1), nil
	case r.Inputs == otherInputs:
		return "inputs differ: the unit cannot be formed of them", nil
	case r.Inputs != "" && r.Inputs != fingerprint:
		return "inputs differ from those that it was formed of, by size or time", nil
	}
	return "", nil
}

// formInMemory forms and proves every module, and reads what else is to be
// placed.
func (s *System) formInMemory(ctx context.Context, m *manifest.Manifest, scratch string) error {
	w := s.welder()
	w.Scratch = scratch
	var modules []*manifest.Module
	for i := range m.Modules {
		plain := m.Modules[i]
		plain.Compress = manifest.None // it is the image that decides
		modules = append(modules, &plain)
	}
	if err := w.All(ctx, m, modules, s.Procs, s.Memory, func(int, *assemble.Welded) error { return nil }); err != nil {
		return err
	}
	for i := range m.Files {
		if _, err := s.readInput(m.Files[i].Source); err != nil {
			return &InputError{Target: m.Files[i].Install, Err: err}
		}
	}
	return nil
}

// indispensable are those of the inputs that are gone without which the unit
// cannot be formed. A module with several ways needs only one of them.
func indispensable(m *manifest.Manifest, gone map[string]bool) []assemble.Culprit {
	if len(gone) == 0 {
		return nil
	}
	var names []string
	for _, signer := range m.Signers {
		names = append(names, signer.Certificate)
	}
	for i := range m.Modules {
		mod := &m.Modules[i]
		names = append(names, mod.Signature)
		var ways []string
		for _, f := range mod.Form {
			reads := f.Reads(m.Linker)
			if !slices.ContainsFunc(reads, func(name string) bool { return gone[name] }) {
				ways = nil
				break
			}
			ways = append(ways, reads...)
		}
		names = append(names, ways...)
	}
	for _, f := range m.Files {
		names = append(names, f.Source)
	}
	slices.Sort(names)
	var all []assemble.Culprit
	for _, name := range slices.Compact(names) {
		if gone[name] {
			all = append(all, assemble.Culprit{File: name, Err: fs.ErrNotExist})
		}
	}
	return all
}

// Blame explains the failure of an install by the inputs that are to blame for
// it, and by their packages: an *[InputsError]. Another error is returned as it
// is, and so is one of inputs that dpkg knows nothing of.
func (s *System) Blame(ctx context.Context, m *manifest.Manifest, err error) error {
	blamed := s.blame(ctx, m, err)
	var e *InputsError
	if errors.As(blamed, &e) && len(e.Lacks) == 0 && !slices.ContainsFunc(e.Faults, func(f Fault) bool { return f.Owner != "" }) {
		return err
	}
	return blamed
}

func (s *System) blame(ctx context.Context, m *manifest.Manifest, err error) error {
	culprits := assemble.Culprits(err)
	var in *InputError
	var path *fs.PathError
	if errors.As(err, &in) && errors.Is(in, fs.ErrNotExist) && errors.As(in, &path) {
		culprits = append(culprits, assemble.Culprit{File: path.Path, Err: fs.ErrNotExist})
	}
	if len(culprits) == 0 {
		return err
	}
	if slices.ContainsFunc(culprits, assemble.Culprit.Missing) {
		// The first that is gone ends the run; more of its package may be.
		if _, gone, lerr := s.lookAtInputs(m); lerr == nil {
			culprits = append(culprits, indispensable(m, gone)...)
		}
	}
	return s.explain(ctx, m, culprits, err)
}

// explain says whose the culprits are, and what of the package's dependencies is
// not there. Where dpkg does not answer, it says less.
func (s *System) explain(ctx context.Context, m *manifest.Manifest, culprits []assemble.Culprit, cause error) *InputsError {
	e := &InputsError{Package: m.Package, Err: cause}
	seen := make(map[string]bool)
	for _, c := range culprits {
		if !seen[c.File] {
			seen[c.File] = true
			e.Faults = append(e.Faults, Fault{Culprit: c})
		}
	}
	db, err := s.dpkg()
	if err != nil || db == nil {
		return e
	}
	merged := twins{fs: s.FS, same: make(map[string]bool)}
	var names []string
	for i := range e.Faults {
		names = append(names, merged.spellings(e.Faults[i].File)...)
	}
	owners, err := db.Owners(ctx, names)
	if err != nil {
		return e
	}
	versions := map[string]string{"": ""}
	versionOf := func(pkg string) string {
		if _, known := versions[pkg]; !known {
			versions[pkg] = ""
			if v, there, err := db.Version(ctx, pkg); err == nil && there {
				versions[pkg] = v.String()
			}
		}
		return versions[pkg]
	}
	e.Version = versionOf(e.Package)
	for i := range e.Faults {
		f := &e.Faults[i]
		for _, name := range merged.spellings(f.File) {
			if len(owners[name]) > 0 {
				f.Owner = owners[name][0]
			}
		}
		f.Version = versionOf(f.Owner)
	}
	if e.Lacks, err = db.Unmet(ctx, e.Package); err != nil {
		e.Lacks = nil
	}
	return e
}

// Fault is an input that is to blame, and whose it is.
type Fault struct {
	assemble.Culprit
	Owner   string // package that dpkg assigns it to; "" for none
	Version string // of Owner
}

// InputsError says that a unit cannot be formed since inputs are not there or are
// not those that its manifest was written for.
type InputsError struct {
	Package string       // of the manifest
	Version string       // that dpkg knows; "" for none
	Faults  []Fault      // at least one, no file twice
	Lacks   []dpkg.Unmet // what Package needs and is not there
	Err     error        // what forming the unit said; nil if nobody tried
}

// State says whether what is to blame is gone or differs.
func (e *InputsError) State() InputState {
	if slices.ContainsFunc(e.Faults, func(f Fault) bool { return !f.Missing() }) {
		return InputsDiffer
	}
	return InputsGone
}

func (e *InputsError) Error() string {
	var said []string
	for _, group := range e.groups() {
		said = append(said, e.text(group))
	}
	var lacks []string
	for i := range e.Lacks {
		lacks = append(lacks, e.lack(&e.Lacks[i]))
	}
	if len(lacks) > 0 {
		said = append(said, named(e.Package, e.Version)+" needs "+strings.Join(lacks, ", and "))
	}
	return fmt.Sprintf("cannot form %s: %s", named(e.Package, e.Version), strings.Join(said, "; "))
}

// Unwrap returns what forming the unit said.
func (e *InputsError) Unwrap() error { return e.Err }

// groups are the faults by their owner and by whether the file is there, in the
// order of the first of each.
func (e *InputsError) groups() [][]Fault {
	var all [][]Fault
	for _, f := range e.Faults {
		i := slices.IndexFunc(all, func(g []Fault) bool { return g[0].Owner == f.Owner && g[0].Missing() == f.Missing() })
		if i < 0 {
			all = append(all, nil)
			i = len(all) - 1
		}
		all[i] = append(all[i], f)
	}
	return all
}

// text tells of the faults of one group.
func (e *InputsError) text(group []Fault) string {
	f := group[0]
	var files []string
	for i := range group {
		files = append(files, group[i].File)
	}
	beside := beside(files)
	owner := named(f.Owner, f.Version)
	switch {
	case f.Missing() && f.Owner != "":
		return fmt.Sprintf("%s is listed by package %s but not there: excluded or damaged%s", f.File, owner, beside)
	case f.Missing():
		return fmt.Sprintf("%s is not there%s", f.File, beside)
	case f.Owner == "":
		return fmt.Sprintf("%s: %v%s", f.File, f.Err, beside)
	case e.lacksOwner(f.Owner):
		return fmt.Sprintf("%s is of %s%s", f.File, owner, beside)
	}
	return fmt.Sprintf("%s of %s: %v%s", f.File, owner, f.Err, beside)
}

// beside tells of the files behind the first, of which the same holds.
func beside(files []string) string {
	switch n := len(files) - 1; n {
	case 0:
		return ""
	case 1:
		return " (also " + files[1] + ")"
	default:
		return fmt.Sprintf(" (also %d other files)", n)
	}
}

// lacksOwner reports whether another version of a package is needed than the one
// that is there.
func (e *InputsError) lacksOwner(pkg string) bool {
	return slices.ContainsFunc(e.Lacks, func(u dpkg.Unmet) bool { return u.Package == pkg })
}

// lack tells of a dependency.
func (e *InputsError) lack(u *dpkg.Unmet) string {
	told := slices.ContainsFunc(e.Faults, func(f Fault) bool { return f.Owner == u.Package })
	switch {
	case u.Have != "" && told:
		return u.Text
	case u.Have != "":
		return u.Text + " where " + u.Have + " is installed"
	case u.Status == "half-installed":
		return u.Text + ", which is half-installed"
	}
	return u.Text + ", which is not installed"
}

// named is a package with its version, if that is known.
func named(pkg, version string) string { return strings.TrimSpace(pkg + " " + version) }

// Hint says what to install.
func (e *InputsError) Hint() string {
	var words []string
	for i := range e.Lacks {
		words = append(words, wanted(&e.Lacks[i]))
	}
	if len(words) > 0 {
		hint := "apt-get install " + strings.Join(words, " ")
		if slices.ContainsFunc(e.Lacks, isNewer) {
			return "upgrade " + e.Package + ", or " + hint
		}
		return hint
	}
	var missing bool
	for _, f := range e.Faults {
		if f.Owner != "" {
			words = append(words, f.Owner)
			missing = missing || f.Missing()
		}
	}
	slices.Sort(words)
	words = slices.Compact(words)
	switch {
	case len(words) == 0 && e.Version == "":
		return "install again the packages of " + e.Faults[0].File + " and of the manifest"
	case len(words) == 0:
		return "install the package that ships " + e.Faults[0].File + ", in the version that belongs to " + named(e.Package, e.Version)
	case missing:
		return "apt-get install --reinstall " + strings.Join(words, " ") + ", and let no path-exclude of dpkg.cfg(5) drop it"
	}
	return "apt-get install --reinstall " + strings.Join(words, " ")
}

// wanted is what to give to apt-get install.
func wanted(u *dpkg.Unmet) string {
	if u.Relation == "=" {
		return u.Package + "=" + u.Version
	}
	return u.Package
}

// isNewer reports whether a later version is there than the one that is needed.
func isNewer(u dpkg.Unmet) bool {
	have, err := version.Parse(u.Have)
	need, nerr := version.Parse(u.Version)
	return err == nil && nerr == nil && version.Compare(have, need) > 0
}
