package fsys

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// checkName refuses a name that has more than one spelling: it must be
// absolute and clean. The errors are errnos, as those of the kernel.
func checkName(name string) error {
	switch {
	case name == "" || name[0] != '/' || path.Clean(name) != name:
		return unix.EINVAL
	case strings.IndexByte(name, 0) >= 0:
		return unix.EINVAL
	case len(name) >= unix.PathMax:
		return unix.ENAMETOOLONG
	}
	return nil
}

// split cuts a checked name into its parent, as a path relative to the root
// ("" is the root itself), and its last component ("." for the root).
func split(name string) (parent, base string) {
	i := strings.LastIndexByte(name, '/')
	if base = name[i+1:]; base == "" {
		return "", "."
	}
	return strings.TrimPrefix(name[:i], "/"), base
}
