package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// tree NAME: remembers what the root is.
func cmdTree(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 1, "tree NAME")
	lines, err := listTree(ts.MkAbs("root"))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".tree"), []byte(strings.Join(lines, "\n")), 0o644))
}

// unchanged NAME: checks that the root is what it was.
func cmdUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] unchanged NAME")
	}
	was := strings.Split(ts.ReadFile(args[0]+".tree"), "\n")
	is, err := listTree(ts.MkAbs("root"))
	ts.Check(err)
	changes := 0
	for _, line := range was {
		if !slices.Contains(is, line) {
			changes++
			ts.Logf("-%s", line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			changes++
			ts.Logf("+%s", line)
		}
	}
	if neg == (changes == 0) {
		ts.Fatalf("the root has %d changes since %s", changes, args[0])
	}
}

// listTree lists a tree: type, mode, owner and name of each entry, what links
// point at, and of files digest, time and extended attributes. The time of a
// module index, which depmod writes anew, and what is in the lock count for
// nothing.
func listTree(root string) ([]string, error) {
	var lines []string
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(name, root), "/")
		line := fmt.Sprintf("%s %o %d:%d", rel, st.Mode, st.Uid, st.Gid)
		switch {
		case rel == "/var/lib/koweld/lock":
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " -> " + target
		case e.Type().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", sha256.Sum256(data))
			if !strings.HasPrefix(filepath.Base(name), "modules.") {
				line += fmt.Sprintf(" %d.%09d", st.Mtim.Sec, st.Mtim.Nsec)
			}
		}
		attributes, err := xattrs(name)
		lines = append(lines, line+attributes)
		return err
	})
	return lines, err
}

// xattrs lists the extended attributes of a file.
func xattrs(name string) (string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(name, buf)
	if err == unix.ENOTSUP {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	names := strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	text := ""
	for _, attr := range names {
		if attr == "" {
			continue
		}
		if n, err = unix.Lgetxattr(name, attr, buf); err != nil {
			return "", err
		}
		text += fmt.Sprintf(" %s=%q", attr, buf[:n])
	}
	return text, nil
}
