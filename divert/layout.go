package divert

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
)

// Usr is how the top folders and their twins in /usr lie.
type Usr string

// The layouts.
const (
	// Split: no top folder is the one in /usr.
	Split Usr = "split"
	// Merged: each top folder that is there is the one in /usr, by a link.
	Merged Usr = "merged"
	// Bind is merged, of some by a mount.
	Bind Usr = "bind"
	// Converting: usrmerge has begun and not ended. Its package says that
	// nothing may be installed meanwhile.
	Converting Usr = "converting"
	// Partial: some are merged and some are not, or one is broken.
	Partial Usr = "partial"
)

// TopState is how one top folder lies.
type TopState string

// The states of a top folder.
const (
	TopAbsent TopState = "absent"
	TopSplit  TopState = "split"
	TopMerged TopState = "merged" // a link into /usr, or a link in /usr to it
	TopBind   TopState = "bind"   // a mount of the one in /usr
	TopBroken TopState = "broken" // a link to elsewhere or to nothing, or no folder
)

// Top is a top folder that a merged /usr makes one with its twin.
type Top struct {
	Name  string   `json:"name"` // e.g. lib64
	State TopState `json:"state"`
	// Target is the folder that a link leads to, e.g. /usr/lib64. systemd-nspawn
	// makes lib64 a link to /usr/lib/x86_64-linux-gnu.
	Target string `json:"target,omitempty"`
	// Why says what is wrong with a broken one.
	Why string `json:"why,omitempty"`
}

// Layout is how /usr of a system lies.
type Layout struct {
	Usr  Usr   `json:"usr"`
	Tops []Top `json:"tops"`
	// Why says by what it is known to be converting or partial.
	Why string `json:"why,omitempty"`
}

// tops are the folders that a merged /usr has as links.
var tops = []string{"bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"}

// Top returns the top folder that a path is in; nil if it is in none.
func (l *Layout) Top(name string) *Top {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(name, "/usr"), "/"), "/")
	for i := range l.Tops {
		if l.Tops[i].Name == first {
			return &l.Tops[i]
		}
	}
	return nil
}

// MeasureLayout looks at the top folders: each is compared with its twin by
// device and inode, since a mount makes them one as well as a link. usrmerge is
// the state in which dpkg has the package of that name, which converts, or "".
func MeasureLayout(fsx fsys.FS, usrmerge string) (Layout, error) {
	l := Layout{}
	count := make(map[TopState]int)
	for _, name := range tops {
		top, err := measureTop(fsx, name)
		if err != nil {
			return Layout{}, fmt.Errorf("cannot look at /%s: %w", name, err)
		}
		count[top.State]++
		l.Tops = append(l.Tops, top)
		if top.State == TopBroken && l.Why == "" {
			l.Why = "/" + name + " " + top.Why
		}
	}
	one := count[TopMerged] + count[TopBind]
	switch {
	case count[TopBroken] > 0, one > 0 && count[TopSplit] > 0:
		l.Usr = Partial
		if l.Why == "" {
			l.Why = "some folders are merged and some are not"
		}
	case one == 0:
		l.Usr = Split
	case count[TopBind] > 0:
		l.Usr = Bind
	default:
		l.Usr = Merged
	}
	why, err := converting(fsx, usrmerge)
	if why != "" {
		l.Usr, l.Why = Converting, why
	}
	return l, err
}

func measureTop(fsx fsys.FS, name string) (Top, error) {
	top := Top{Name: name, State: TopAbsent}
	at, err := fsx.Lstat("/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return top, nil
	}
	if err != nil {
		return top, err
	}
	twin, err := fsx.Stat("/usr/" + name)
	hasTwin := err == nil
	if err != nil && !isNothing(err) {
		return top, err
	}
	switch {
	case at.IsDir() && hasTwin && twin.SameFile(at):
		link, err := fsx.Lstat("/usr/" + name)
		if err != nil {
			return top, err
		}
		if top.State = TopBind; link.Mode&fs.ModeSymlink != 0 {
			top.State = TopMerged
		}
	case at.IsDir():
		top.State = TopSplit
	case at.Mode&fs.ModeSymlink == 0:
		top.State, top.Why = TopBroken, "is not a folder"
	default:
		return measureLink(fsx, top, twin, hasTwin)
	}
	return top, nil
}

// measureLink judges a top folder that is a link.
func measureLink(fsx fsys.FS, top Top, twin fsys.Info, hasTwin bool) (Top, error) {
	to, err := fsx.Stat("/" + top.Name)
	if isNothing(err) {
		top.State, top.Why = TopBroken, "is a link to nothing"
		return top, nil
	}
	if err != nil {
		return top, err
	}
	if top.Target, err = fsx.Resolve("/" + top.Name); err != nil {
		return top, err
	}
	inUsr := strings.HasPrefix(top.Name, "lib") && top.Name != "lib" && strings.HasPrefix(top.Target, "/usr/lib")
	switch {
	case !to.IsDir():
		top.State, top.Why = TopBroken, "is a link to what is no folder"
	case hasTwin && twin.SameFile(to), inUsr:
		top.State = TopMerged
	default:
		top.State, top.Why = TopBroken, "is a link to "+top.Target
	}
	return top, nil
}

// isNothing reports whether an error says that a path leads nowhere.
func isNothing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// What convert-usrmerge has while it is at work: names that end so, of which it
// makes new files and to which it renames a folder before the link is there.
var leftovers = []string{"~~tmp~usrmerge~~", "~~delete~usrmerge~~"}

// converting says by what usrmerge is known to be at work, "" if it is not.
func converting(fsx fsys.FS, usrmerge string) (string, error) {
	switch usrmerge {
	case "unpacked", "half-configured", "half-installed":
		return "the package usrmerge is " + usrmerge, nil
	}
	for _, name := range tops {
		for _, suffix := range leftovers {
			left := path.Join("/", name+suffix)
			there, err := fsys.Exists(fsx, left)
			if err != nil {
				return "", fmt.Errorf("cannot look at %s: %w", left, err)
			}
			if there {
				return "there is " + left, nil
			}
		}
	}
	return "", nil
}
