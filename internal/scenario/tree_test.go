package scenario

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A tree is a root without dpkg's database: what each name is.
type tree map[string]string

// tree lists the root: type, mode, owner, what links point at, and of files the
// content, the time and the extended attributes. Of depmod's files and koweld's
// lock, which are written anew, the time counts for nothing.
func (s *scene) tree() tree {
	s.t.Helper()
	found := tree{}
	err := filepath.WalkDir(s.root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.root, name)
		if err != nil {
			return err
		}
		if rel == "var/lib/dpkg" {
			return fs.SkipDir
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " -> " + target
		case e.Type().IsRegular() && rel != stateDir+"/lock":
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", sha256.Sum256(data))
			if !strings.HasPrefix(filepath.Base(name), "modules.") {
				line += fmt.Sprintf(" %d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
			}
			line += note(name)
		}
		found[rel] = line
		return nil
	})
	require.NoError(s.t, err)
	return found
}

// note is the attribute that the admin's file has, where the file system keeps
// such.
func note(name string) string {
	buf := make([]byte, 100)
	n, err := unix.Lgetxattr(name, attribute, buf)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" %s=%q", attribute, buf[:n])
}

const attribute = "user.note"

// since lists what is different from an older tree, as diff does.
func (now tree) since(old tree) []string {
	var lines []string
	for name, line := range old {
		if now[name] != line {
			lines = append(lines, "-"+name+" "+line)
		}
	}
	for name, line := range now {
		if old[name] != line {
			lines = append(lines, "+"+name+" "+line)
		}
	}
	slices.Sort(lines)
	return lines
}

// without is the tree less what koweld keeps for itself once it has run: its
// folders, if they are empty, and the lock.
func (now tree) withoutState() tree {
	left := maps.Clone(now)
	for _, name := range []string{stateDir, recordDir, journalDir, stateDir + "/saved"} {
		if empty := !slices.ContainsFunc(slices.Collect(maps.Keys(left)), func(other string) bool {
			return strings.HasPrefix(other, name+"/") && name != stateDir
		}); empty {
			delete(left, name)
		}
	}
	delete(left, stateDir+"/lock")
	return left
}
