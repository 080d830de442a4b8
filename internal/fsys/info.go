package fsys

import (
	"io/fs"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// newInfo translates what the kernel says of an inode.
func newInfo(st *unix.Stat_t) Info {
	return Info{
		Dev:   uint64(st.Dev),
		Ino:   uint64(st.Ino),
		Nlink: uint64(st.Nlink),
		Mode:  fileMode(st.Mode),
		UID:   int(st.Uid),
		GID:   int(st.Gid),
		Size:  int64(st.Size),
		Mtime: time.Unix(int64(st.Mtim.Sec), int64(st.Mtim.Nsec)),
	}
}

// bits pairs the bits of st_mode (inode(7)) with those of fs.FileMode.
var bits = []struct {
	unix uint32
	mode fs.FileMode
}{
	{unix.S_ISUID, fs.ModeSetuid},
	{unix.S_ISGID, fs.ModeSetgid},
	{unix.S_ISVTX, fs.ModeSticky},
}

// types pairs the values of S_IFMT with those of fs.ModeType.
var types = map[uint32]fs.FileMode{
	unix.S_IFREG:  0,
	unix.S_IFDIR:  fs.ModeDir,
	unix.S_IFLNK:  fs.ModeSymlink,
	unix.S_IFIFO:  fs.ModeNamedPipe,
	unix.S_IFSOCK: fs.ModeSocket,
	unix.S_IFBLK:  fs.ModeDevice,
	unix.S_IFCHR:  fs.ModeDevice | fs.ModeCharDevice,
}

func fileMode(mode uint32) fs.FileMode {
	t, ok := types[mode&unix.S_IFMT]
	if !ok {
		t = fs.ModeIrregular
	}
	m := t | fs.FileMode(mode)&fs.ModePerm
	for _, b := range bits {
		if mode&b.unix != 0 {
			m |= b.mode
		}
	}
	return m
}

// unixPerm returns the permission bits of m, set-id and sticky bits included,
// as chmod(2) takes them.
func unixPerm(m fs.FileMode) uint32 {
	p := uint32(m & fs.ModePerm)
	for _, b := range bits {
		if m&b.mode != 0 {
			p |= b.unix
		}
	}
	return p
}

// FileInfo returns i as the standard library knows it, under the last
// component of name. Its Sys is i.
func (i Info) FileInfo(name string) fs.FileInfo { return fileInfo{path.Base(name), i} }

type fileInfo struct {
	name string
	info Info
}

func (f fileInfo) Name() string       { return f.name }
func (f fileInfo) Size() int64        { return f.info.Size }
func (f fileInfo) Mode() fs.FileMode  { return f.info.Mode }
func (f fileInfo) ModTime() time.Time { return f.info.Mtime }
func (f fileInfo) IsDir() bool        { return f.info.IsDir() }
func (f fileInfo) Sys() any           { return f.info }
