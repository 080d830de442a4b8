package fsys

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one walk follows (MAXSYMLINKS in
// include/linux/namei.h).
const maxLinks = 40

// step is one component of a walk: an O_PATH descriptor, never of a symbolic
// link.
type step struct {
	fd   int
	name string // resolved, below the root
	dir  bool
}

// trail holds the steps of a walk from the root, which is the first and is
// borrowed. Going back to a parent drops a step instead of opening "..":
// a directory that somebody moves out of the root meanwhile has a ".." outside.
type trail struct {
	steps []step
}

func (t *trail) top() step { return t.steps[len(t.steps)-1] }

// keep drops all but the first n steps.
func (t *trail) keep(n int) {
	for _, s := range t.steps[n:] {
		unix.Close(s.fd)
	}
	t.steps = t.steps[:n]
}

func (t *trail) close() { t.keep(1) }

// take gives the last step's descriptor to the caller.
func (t *trail) take() handle {
	last := len(t.steps) - 1
	fd := t.steps[last].fd
	if last == 0 {
		return handle{fd: fd}
	}
	t.steps = t.steps[:last]
	return handle{fd, true}
}

// observer is told of each inode that a walk passes, the root and symbolic
// links among them, by its resolved name.
type observer func(name string, st *unix.Stat_t)

// walk follows a path from the root, one component at a time, as a process
// would whose root directory this is: every symbolic link is followed, an
// absolute one from the root, and ".." at the root stays there. Magic links of
// procfs are read as text, never followed. The caller closes the trail.
func (r *Root) walk(name string, see observer) (*trail, error) {
	t := &trail{steps: []step{{r.fd, "/", true}}}
	if err := t.walk(name, see); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *trail) walk(name string, see observer) error {
	if see != nil {
		var st unix.Stat_t
		if err := unix.Fstat(t.top().fd, &st); err != nil {
			return err
		}
		see("/", &st)
	}
	todo := components(name)
	for links := 0; len(todo) > 0; {
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !t.top().dir {
			return unix.ENOTDIR
		}
		switch c {
		case "", ".": // also what follows a trailing slash
			continue
		case "..":
			t.keep(max(1, len(t.steps)-1))
			continue
		}
		target, err := t.enter(c, see)
		if err != nil {
			return err
		}
		if target == "" {
			continue
		}
		if links++; links > maxLinks {
			return unix.ELOOP
		}
		if target[0] == '/' {
			t.keep(1)
		}
		todo = append(todo, components(target)...)
	}
	return nil
}

// enter opens one component and appends it to the trail or, if it is a
// symbolic link, returns its target, which is never empty.
func (t *trail) enter(c string, see observer) (target string, err error) {
	at := t.top()
	fd, err := openat(at.fd, c, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", err
	}
	next := step{fd: fd, name: path.Join(at.name, c)}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return "", err
	}
	if see != nil {
		see(next.name, &st)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err = readlinkat(fd, "")
		unix.Close(fd)
		if err == nil && target == "" { // symlink(2) makes none
			err = unix.ENOENT
		}
		return target, err
	case unix.S_IFDIR:
		next.dir = true
	}
	t.steps = append(t.steps, next)
	return "", nil
}

// components cuts a path at its slashes, the last component first.
func components(name string) []string {
	c := strings.Split(name, "/")
	slices.Reverse(c)
	return c
}

// reopen opens the last step for use: an O_PATH descriptor only names it. The
// caller closes the descriptor.
func (t *trail) reopen(flags int) (int, error) {
	s := t.top()
	if s.dir {
		return openQuiet(s.fd, ".", flags)
	}
	return openQuiet(t.steps[len(t.steps)-2].fd, path.Base(s.name), flags)
}
