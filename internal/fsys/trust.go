package fsys

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// OpenTrusted implements FS. A name that does not exist is a *fs.PathError
// even where something on the way is not to be trusted. Being writable by
// others is to have a write bit for others, or one for a group that is not
// gid 0.
func (r *Root) OpenTrusted(name string, t Trust) (File, error) {
	fd, err := r.openTrusted(name, t)
	if fault := (*TrustError)(nil); errors.As(err, &fault) {
		return nil, fault
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return newFile(fd, name), nil
}

func (r *Root) openTrusted(name string, t Trust) (fd int, err error) {
	if err := checkName(name); err != nil {
		return -1, err
	}
	// Each inode is judged by the descriptor that the walk goes on from.
	var fault *TrustError
	judge := func(at string, st *unix.Stat_t) {
		if why := t.fault(st); why != "" && fault == nil {
			fault = &TrustError{Path: at, Reason: why}
		}
	}
	way, err := r.walk(name, judge)
	if err != nil {
		return -1, err
	}
	defer way.close()

	isInput := func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		judge(way.top().name, &st)
		if fault == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
			fault = &TrustError{Path: way.top().name, Reason: "is a " + kind(st.Mode)}
		}
		if fault != nil {
			return fault
		}
		return nil
	}
	if err := isInput(way.top().fd); err != nil {
		return -1, err
	}
	fd, err = way.reopen(unix.O_RDONLY)
	if err != nil {
		return -1, err
	}
	// The name may have got another meaning: judge what is handed out.
	if err := isInput(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// fault says what is wrong with an inode on the way to an input, "" if nothing.
func (t Trust) fault(st *unix.Stat_t) string {
	if t.Any {
		return ""
	}
	is := ""
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		is = "a symbolic link "
	}
	if st.Uid != 0 && int(st.Uid) != t.UID {
		return fmt.Sprintf("is %sowned by uid %d", is, st.Uid)
	}
	if is != "" { // its mode means nothing
		return ""
	}
	sticky := st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&unix.S_ISVTX != 0
	others := st.Mode&unix.S_IWOTH != 0
	group := st.Mode&unix.S_IWGRP != 0 && st.Gid != 0
	if (others || group) && !sticky {
		return "is writable by others"
	}
	return ""
}

// kind names the type of an inode that is not a regular file.
func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFIFO:
		return "FIFO"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "device"
}
