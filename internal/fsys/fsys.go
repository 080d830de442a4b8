// Package fsys is the file system below one root directory.
//
// Every path is absolute, clean and slash-separated, and names a place below
// the root: with the root /srv/image, the name /lib/modules is
// /srv/image/lib/modules on the host. A symbolic link met on the way, absolute
// or not, is followed inside the root, as openat2(2) does with
// RESOLVE_IN_ROOT; ".." at the root stays at the root. So no name leaves the
// root, whatever the tree holds and whoever changes it meanwhile: each call
// walks from the root's descriptor to the parent directory and acts there on
// the last component.
//
// The interface has one method a system call, so that a wrapper can count,
// refuse or record each of them. Nothing else in koweld calls os or unix on a
// target path.
package fsys

import (
	"io"
	"io/fs"
	"time"
)

// FS is the file system below one root. Errors are *fs.PathError (or
// *os.LinkError) whose paths are below the root and whose Err is the
// unix.Errno, so that errors.Is works with fs.ErrNotExist and with errnos.
// Unless said otherwise the last component is not followed if it is a
// symbolic link. A name that is not absolute and clean is EINVAL. An FS is safe
// for concurrent use.
type FS interface {
	// Host returns the path by which a program on the host, outside the
	// root, finds name. It does not touch the disk; where absolute links
	// may lie on the way, the name should come from Resolve.
	Host(name string) string
	// Resolve returns name with all symbolic links followed inside the
	// root, those of the last component too; every component must exist.
	Resolve(name string) (string, error)

	Lstat(name string) (Info, error)
	// Stat is Lstat of what name resolves to.
	Stat(name string) (Info, error)
	Readlink(name string) (string, error)
	// IsMount reports whether something is mounted on name, a file or a
	// directory: neither can be renamed or removed. A kernel before Linux 5.8
	// does not tell, which is false.
	IsMount(name string) (bool, error)
	// ReadDir returns the entries of a directory sorted by name, with
	// their Info as of then. A symbolic link is ENOTDIR.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Space returns the bytes and inodes that a write below what name
	// resolves to may still use, without those reserved for root.
	Space(name string) (Space, error)

	// Open opens a regular file or a directory for reading. It never
	// blocks on a FIFO: whatever is neither is EOPNOTSUPP, a symbolic link
	// is ELOOP.
	Open(name string) (File, error)
	// OpenTrusted opens a regular file for reading, following symbolic
	// links inside the root. The file, and each directory and link on the
	// way from the root, must be owned by uid 0 or by t.UID and must not
	// be writable by others (a sticky directory may be). What is wrong is
	// a *TrustError.
	OpenTrusted(name string, t Trust) (File, error)
	// Create makes a new regular file for reading and writing (O_EXCL) with exactly
	// the permission bits perm, whatever the umask.
	Create(name string, perm fs.FileMode) (File, error)
	// OpenAppend opens a regular file for reading and appending, and
	// makes it, with exactly the permission bits perm, if there is none.
	OpenAppend(name string, perm fs.FileMode) (File, error)

	// Mkdir makes a directory with exactly the permission bits perm.
	Mkdir(name string, perm fs.FileMode) error
	Rmdir(name string) error
	// Unlink removes a name that is not a directory.
	Unlink(name string) error
	Symlink(target, name string) error
	// Link makes newname a hard link to oldname.
	Link(oldname, newname string) error
	// Rename replaces newname if it exists.
	Rename(oldname, newname string) error
	// RenameNoReplace fails with EEXIST if newname exists. Where the file
	// system lacks RENAME_NOREPLACE it links and unlinks.
	RenameNoReplace(oldname, newname string) error
	// Exchange swaps two names atomically; EINVAL or ENOSYS where the file
	// system cannot.
	Exchange(a, b string) error
	// SyncDir makes the entries of the directory that name resolves to
	// durable.
	SyncDir(name string) error
	// OpenVolume opens the file system of the directory that name resolves
	// to, before it is written to, to make all that durable at once. It is
	// EOPNOTSUPP where a write that fails meanwhile could go unseen.
	OpenVolume(name string) (Volume, error)
}

// Volume is a file system that is being written to.
type Volume interface {
	// Dev is the device, as in Info.
	Dev() uint64
	// Sync makes durable all that was written to the file system, by
	// anybody, since it was opened. After an error none of it may be, and
	// to try again proves nothing: the kernel tells of an error once.
	Sync() error
	Close() error
}

// File is an open file. Write appends at the file's position; it writes all or
// says why not.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Closer
	// Name is the name it was opened by.
	Name() string
	Stat() (Info, error)
	// Sync makes contents and metadata durable.
	Sync() error
	// WriteOut begins to write the contents to the disk and tells if no
	// place is found for them there, which Volume.Sync may not: ext4 drops
	// them then. It makes nothing durable.
	WriteOut() error
	Truncate(size int64) error
	Chmod(mode fs.FileMode) error
	Chown(uid, gid int) error
	SetMtime(t time.Time) error
	// Reserve allocates blocks so that the file can grow to size bytes
	// without ENOSPC; the size does not change. A file system that cannot
	// is not an error.
	Reserve(size int64) error
	// Xattrs returns all extended attributes that can be read; none where
	// the file system has none.
	Xattrs() (map[string][]byte, error)
	SetXattr(name string, value []byte) error
	// Lock takes an exclusive flock(2) without waiting: EWOULDBLOCK if
	// another open file holds it. Close releases it.
	Lock() error
	// LockRecord takes a write lock on the whole file as fcntl(2) does, and
	// as dpkg does, without waiting: EWOULDBLOCK if another process holds
	// one, with its ID, or 0 where the kernel does not tell. The process
	// loses it when it closes any descriptor of the file.
	LockRecord() (holder int, err error)
	// Fd is the descriptor, owned by the File; to hand to a program.
	Fd() uintptr
}

// Info describes a file, as stat(2) does.
type Info struct {
	Dev, Ino uint64
	Nlink    uint64
	Mode     fs.FileMode // type and permission bits, as in os
	UID, GID int
	Size     int64 // bytes
	Mtime    time.Time
}

// IsRegular reports whether it is a regular file.
func (i Info) IsRegular() bool { return i.Mode.IsRegular() }

// IsDir reports whether it is a directory.
func (i Info) IsDir() bool { return i.Mode.IsDir() }

// SameFile reports whether two Infos describe one inode.
func (i Info) SameFile(j Info) bool { return i.Dev == j.Dev && i.Ino == j.Ino }

// Space is what a file system has left for the caller.
type Space struct {
	Bytes  uint64
	Inodes uint64 // 0 with InodesUnlimited where the file system does not count
	// InodesUnlimited says that the file system does not count inodes.
	InodesUnlimited bool
	// ReadOnly says that nothing can be written: the file system, or its
	// mount, is read-only.
	ReadOnly bool
}

// Trust names who, beside uid 0, may own what is read as input.
type Trust struct {
	UID int
	// Any trusts everybody: for a build tree, never for a target.
	Any bool
}

// TrustError says why a file must not be used as input.
type TrustError struct {
	Path   string // the file or the directory that is at fault
	Reason string // e.g. "is owned by uid 1000", "is writable by others", "is a directory"
}

func (e *TrustError) Error() string { return "cannot trust " + e.Path + ": it " + e.Reason }

// Hint says how to mend it.
func (e *TrustError) Hint() string {
	return "inputs and the folders on the way to them must be regular files and directories of root that nobody else can write"
}
