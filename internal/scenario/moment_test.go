package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A moment is what lies in the root at a point of time.
type moment struct {
	// set names what is placed: "1.0", "none", or "parked 1.0", with the record
	// that belongs to it, or "part of 1.0"; anything else says what is wrong.
	set string
	// open is that a run of koweld was killed: names of two sets may be there, and
	// the next run makes them one.
	open bool
	// strange are module names at which no whole module of a known set lies, names
	// that no package, no set and no admin explains, and what is missing.
	strange []string
	// stale are names in depmod's index of files that are gone, unindexed are those of
	// modules that it lacks.
	stale, unindexed []string
}

// What koweld keeps.
const (
	stateDir   = "var/lib/koweld"
	recordDir  = stateDir + "/packages"
	journalDir = stateDir + "/journal"
)

// look is the moment that is now.
func (s *scene) look() (moment, error) {
	var m moment
	placed, parked, staged := set{}, set{}, []string(nil)
	for _, top := range []string{folder, path.Dir(conf)} {
		err := fs.WalkDir(os.DirFS(s.root), top, func(name string, e fs.DirEntry, err error) error {
			base := path.Base(name)
			if err != nil || e.IsDir() || strings.HasPrefix(base, "modules.") && path.Dir(name) == folder {
				return err
			}
			data, err := os.ReadFile(filepath.Join(s.root, name))
			if err != nil {
				return err
			}
			// Behind the prefix comes what tells packages apart.
			gone, isParked := strings.CutPrefix(base, ".weld-gone-")
			_, gone, _ = strings.Cut(gone, "-")
			switch {
			case isParked:
				name = path.Join(path.Dir(name), strings.NewReplacer("%2e", ".", "%25", "%").Replace(gone))
				parked[name], err = s.seen.of(name, data)
			case strings.HasPrefix(base, ".weld"):
				staged = append(staged, name)
			default:
				placed[name], err = s.seen.of(name, data)
				if strings.Contains(base, ".ko") && !s.known(name, placed[name]) {
					m.strange = append(m.strange, name)
				}
			}
			return err
		})
		if err != nil {
			return m, err
		}
	}
	journals, err := os.ReadDir(filepath.Join(s.root, journalDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	m.open = len(journals) > 0
	if m.stale, m.unindexed, err = s.index(placed); err != nil {
		return m, err
	}
	if !m.open {
		unexplained, err := s.unexplained(placed, parked)
		if err != nil {
			return m, err
		}
		m.strange = append(m.strange, unexplained...)
	}
	m.set = s.nameOf(placed, parked)
	if strings.HasPrefix(m.set, "part of ") {
		m.stale = nil // nobody told depmod that a file was removed
	}
	if len(staged) > 0 && !m.open {
		m.set += fmt.Sprintf(", left over: %v", staged)
	}
	if !m.open {
		m.set += s.recordOf(m.set)
	}
	return m, nil
}

// index compares modules.dep with the modules that are there.
func (s *scene) index(placed set) (stale, unindexed []string, err error) {
	text, err := os.ReadFile(filepath.Join(s.root, folder, "modules.dep"))
	if err != nil {
		return nil, nil, err
	}
	indexed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		name = folder + "/" + name
		if indexed[name] = true; placed[name] == "" {
			stale = append(stale, name)
		}
	}
	for name := range placed {
		if strings.Contains(path.Base(name), ".ko") && !indexed[name] {
			unindexed = append(unindexed, name)
		}
	}
	return stale, unindexed, nil
}

// unexplained lists the names that neither the root had before, nor a package or
// a set has, and those of before that are gone.
func (s *scene) unexplained(placed, parked set) ([]string, error) {
	explained := map[string]bool{}
	for _, files := range []set{placed, parked} {
		for name := range files {
			for ; name != "."; name = path.Dir(name) {
				explained[name] = true
			}
		}
	}
	for _, name := range s.recordedDirs() {
		explained[name] = true
	}
	var lines []string
	found := map[string]bool{}
	err := fs.WalkDir(os.DirFS(s.root), ".", func(name string, _ fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == "var/lib/dpkg" || name == stateDir:
			found[name] = true
			return fs.SkipDir
		case strings.HasPrefix(path.Base(name), ".weld"): // counted with the sets
			return nil
		}
		found[name] = true
		shipped := strings.TrimSuffix(strings.TrimSuffix(name, ".dpkg-new"), ".dpkg-tmp")
		if s.base[name] == "" && !s.shipped[shipped] && !explained[name] {
			lines = append(lines, "+"+name)
		}
		return nil
	})
	for name := range s.base {
		if !found[name] && !strings.HasPrefix(name, stateDir) {
			lines = append(lines, "-"+name)
		}
	}
	slices.Sort(lines)
	return lines, err
}

// known reports whether some set has that module.
func (s *scene) known(name, sum string) bool {
	for _, known := range s.sets {
		if known[name] == sum {
			return true
		}
	}
	return false
}

// nameOf names the set that is placed, or parked where none is.
func (s *scene) nameOf(placed, parked set) string {
	for version, known := range s.sets {
		if maps.Equal(placed, known) && len(parked) == 0 {
			return version
		}
		without := maps.Clone(known)
		if without[conf] == s.sets["none"][conf] {
			delete(without, conf)
		}
		if maps.Equal(placed, s.sets["none"]) && len(parked) > 0 && maps.Equal(parked, without) {
			return "parked " + version
		}
	}
	for version, known := range s.sets {
		if len(parked) == 0 && isPart(placed, known) {
			return "part of " + version
		}
	}
	return fmt.Sprintf("placed: %s; parked: %s", s.describe(placed), s.describe(parked))
}

// isPart reports whether all of part is in whole.
func isPart(part, whole set) bool {
	for name, sum := range part {
		if whole[name] != sum {
			return false
		}
	}
	return true
}

// describe says of each file which versions it belongs to.
func (s *scene) describe(files set) string {
	var words []string
	for name, sum := range files {
		var of []string
		for version, known := range s.sets {
			if known[name] == sum {
				of = append(of, version)
			}
		}
		slices.Sort(of)
		words = append(words, fmt.Sprintf("%s of %v", strings.TrimPrefix(name, folder+"/"), of))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
