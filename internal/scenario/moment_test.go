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
	// that belongs to it; anything else says what is wrong.
	set string
	// open is that a run of koweld was killed: names of two sets may be there, and
	// the next run makes them one.
	open bool
	// strange are module names at which no whole module of a known set lies.
	strange []string
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
			gone, isParked := strings.CutPrefix(base, ".weld-gone-")
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
	m.set = s.nameOf(placed, parked)
	if len(staged) > 0 && !m.open {
		m.set += fmt.Sprintf(", left over: %v", staged)
	}
	if !m.open {
		m.set += s.recordOf(m.set)
	}
	return m, nil
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
	return fmt.Sprintf("placed: %s; parked: %s", s.describe(placed), s.describe(parked))
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
