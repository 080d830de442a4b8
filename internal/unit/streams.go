package unit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"pault.ag/go/debian/version"

	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/manifest"
)

// Units of one group provide the same for one kernel: streams of a driver side by
// side. One of them is active, and the others lie ready under parked names. depmod
// would take one module of this and one of that.

// providesOf is what a manifest provides, for a record.
func providesOf(m *manifest.Manifest) *store.Provides {
	if m.Provides == nil {
		return nil
	}
	return &store.Provides{Group: m.Provides.Group, Version: m.Provides.Version, Priority: m.Provides.Priority}
}

// group are the units of a group for a kernel that are active or ready, without
// one package.
func (s *System) group(p *store.Provides, kernel, without string) ([]*store.Record, error) {
	if p == nil {
		return nil, nil
	}
	records, err := s.store().LoadAll()
	return slices.DeleteFunc(records, func(r *store.Record) bool {
		return r.Package == without || r.Kernel != kernel || r.Provides == nil || r.Provides.Group != p.Group ||
			!r.IsPlaced() && r.State != store.Ready
	}), err
}

func packagesOf(records []*store.Record) []string {
	var names []string
	for _, r := range records {
		names = append(names, r.Package)
	}
	return names
}

// heir is the unit of its group that comes into the place of one that goes, or
// nil.
func (s *System) heir(ctx context.Context, old *store.Record) (*store.Record, error) {
	others, err := s.group(old.Provides, old.Kernel, old.Package)
	if err != nil || len(others) == 0 {
		return nil, err
	}
	selection, err := s.selection(old.Provides.Group)
	if err != nil {
		return nil, err
	}
	return s.choose(ctx, others, selection)
}

// A claim is how well a unit is entitled to be active.
type claim struct {
	rec       *store.Record
	selected  bool // by the admin
	userspace int  // 2: its userspace is installed in its version; 1: in another
}

// choose returns the unit, of at least one, that is to be active. The admin's word
// counts first, then the userspace that is installed, the priority and the version.
func (s *System) choose(ctx context.Context, units []*store.Record, selection string) (*store.Record, error) {
	var claims []claim
	for _, r := range units {
		c := claim{rec: r, selected: selects(selection, r)}
		var err error
		if c.userspace, err = s.hasUserspace(ctx, r); err != nil {
			return nil, err
		}
		claims = append(claims, c)
	}
	return slices.MaxFunc(claims, claim.compare).rec, nil
}

func (a claim) compare(b claim) int {
	rank := func(yes bool) int {
		if yes {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(rank(a.selected), rank(b.selected)),
		cmp.Compare(a.userspace, b.userspace),
		cmp.Compare(a.rec.Provides.Priority, b.rec.Provides.Priority),
		compareVersions(a.rec.Provides.Version, b.rec.Provides.Version),
		cmp.Compare(a.rec.Package, b.rec.Package),
	)
}

// compareVersions compares upstream versions as dpkg does; none is the lowest.
func compareVersions(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	return version.Compare(version.Version{Version: a}, version.Version{Version: b})
}

// hasUserspace says whether the userspace of a unit is installed.
func (s *System) hasUserspace(ctx context.Context, r *store.Record) (rank int, err error) {
	db, err := s.dpkg()
	if err != nil || db == nil {
		return 0, err
	}
	for _, pkg := range r.Userspace {
		v, there, err := db.Version(ctx, pkg)
		switch {
		case err != nil:
			return 0, err
		case there && v.Version == r.Provides.Version:
			return 2, nil
		case there:
			rank = 1
		}
	}
	return rank, nil
}

// elect makes the unit active that is to be, if it is not; selection is the
// admin's choice. It reports whether another was.
func (s *System) elect(ctx context.Context, c *Change, p *store.Provides, kernel, selection string, opts Options) (switched bool, err error) {
	units, err := s.group(p, kernel, "")
	if err != nil || len(units) == 0 {
		return false, err
	}
	next, err := s.choose(ctx, units, selection)
	if err != nil {
		return false, err
	}
	var active *store.Record
	for _, r := range units {
		if r.IsPlaced() {
			active = r
		}
	}
	if active == next {
		return false, nil
	}
	return true, s.swap(ctx, c, active, store.Ready, next, opts)
}

// electAgain is elect by the choice that is noted.
func (s *System) electAgain(ctx context.Context, c *Change, p *store.Provides, kernel string, opts Options) error {
	selection, err := s.selection(p.Group)
	if err != nil {
		return err
	}
	_, err = s.elect(ctx, c, p, kernel, selection, opts)
	return err
}

// Where the admin's choice for each group lies.
func (s *System) selectionPath(group string) string { return s.store().Dir + "/selected/" + group }

// selection is what the admin chose for a group, or "".
func (s *System) selection(group string) (string, error) {
	data, err := fsys.ReadFile(s.FS, s.selectionPath(group), 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read what is selected for %s: %w", group, err)
	}
	return strings.TrimSpace(string(data)), nil
}

// noteSelection writes it down, or forgets it.
func (s *System) noteSelection(ctx context.Context, group, choice string) error {
	name := s.selectionPath(group)
	f, p := s.stateOnly(), &plan{}
	blocker, err := s.lookAbove(f, name)
	if err != nil {
		return err
	}
	if blocker != "" {
		return &TargetError{Path: name, Reason: blocker + " is not a folder"}
	}
	there, err := lstat(s.FS, name)
	switch {
	case err != nil:
		return fmt.Errorf("cannot look at %s: %w", name, err)
	case choice != "":
		f.mkdirs(p, path.Dir(name))
		p.add(txn.Op{Kind: txn.Place, Path: name, Mode: 0o644, UID: f.uid, GID: f.gid, Was: seen(there)},
			source{state: dataFile, data: []byte(choice + "\n")})
	case there != nil:
		p.add(txn.Op{Kind: txn.Remove, Path: name, Was: seen(there)}, source{})
		p.add(txn.Op{Kind: txn.Rmdir, Path: path.Dir(name)}, source{})
	default:
		return nil
	}
	return s.apply(ctx, nil, p, &Change{Package: group})
}

// selects reports whether a choice means a unit: by its package, or by its
// version or the first parts of that.
func selects(choice string, r *store.Record) bool {
	v := r.Provides.Version
	return choice != "" && (choice == r.Package || choice == v || strings.HasPrefix(v, choice+"."))
}

// Group is what status says of a group for one kernel.
type Group struct {
	Group    string        `json:"group"`
	Kernel   string        `json:"kernel"`
	Selected string        `json:"selected,omitempty"` // by the admin
	Units    []GroupMember `json:"units"`
}

// GroupMember is one unit of a group.
type GroupMember struct {
	Package string      `json:"package"`
	Version string      `json:"version,omitempty"`
	State   store.State `json:"state"`
}

// Groups lists the groups that there are. It needs no lock.
func (s *System) Groups() ([]Group, error) {
	records, err := s.store().LoadAll()
	errs := []error{err}
	var all []Group
	for _, r := range records {
		if r.Provides == nil {
			continue
		}
		i := slices.IndexFunc(all, func(g Group) bool { return g.Group == r.Provides.Group && g.Kernel == r.Kernel })
		if i < 0 {
			choice, err := s.selection(r.Provides.Group)
			errs = append(errs, err)
			all = append(all, Group{Group: r.Provides.Group, Kernel: r.Kernel, Selected: choice})
			i = len(all) - 1
		}
		all[i].Units = append(all[i].Units, GroupMember{r.Package, r.Provides.Version, r.State})
	}
	slices.SortStableFunc(all, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kernel, b.Kernel))
	})
	return all, errors.Join(errs...)
}

// NoStreamError says that a choice means no unit of a group.
type NoStreamError struct {
	Group, Choice string
	Have          []string // what there is
}

func (e *NoStreamError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("cannot select for %s: no unit provides it", e.Group)
	}
	return fmt.Sprintf("cannot select %s for %s: no unit is that", e.Choice, e.Group)
}

// Hint says what there is.
func (e *NoStreamError) Hint() string {
	if len(e.Have) == 0 {
		return "koweld select lists what there is"
	}
	return "there is " + strings.Join(e.Have, ", ")
}

// Select notes the admin's choice for a group, "" for none, and makes what it
// means active for each kernel.
func (s *System) Select(ctx context.Context, group, choice string, opts Options) ([]Change, error) {
	var kernels []string
	list := func() ([]string, error) {
		records, err := s.store().LoadAll()
		if err != nil {
			return nil, err
		}
		none := &NoStreamError{Group: group, Choice: choice}
		meant := choice == ""
		for _, r := range records {
			if r.Provides != nil && r.Provides.Group == group {
				none.Have = append(none.Have, strings.TrimSpace(r.Provides.Version+" ("+r.Package+")"))
				kernels = append(kernels, r.Kernel)
				meant = meant || selects(choice, r)
			}
		}
		if !meant || len(kernels) == 0 && choice != "" {
			return nil, none
		}
		slices.Sort(kernels)
		kernels = slices.Compact(kernels)
		if opts.DryRun {
			return kernels, nil
		}
		return kernels, s.noteSelection(ctx, group, choice)
	}
	changes, err := s.changeEach(ctx, opts.DryRun, list, func(kernel string) (*Change, error) {
		c := &Change{Package: group, Kernel: kernel, Action: Unchanged}
		if opts.DryRun {
			c.Action = Planned
		}
		switched, err := s.elect(ctx, c, &store.Provides{Group: group}, kernel, choice, opts)
		if switched && !opts.DryRun {
			c.Action = Activated
		}
		return c, err
	})
	return changes, errors.Join(err, s.runEffects(ctx, changes, opts))
}
