// Package realfs mounts small real file systems for tests, and fills them to
// the last block: what a full disk, one out of inodes and one that has become
// read-only really answer, and when, no fake knows.
//
// It needs CAP_SYS_ADMIN, and for ext4 a loop device and mkfs.ext4; a test that
// cannot have them is skipped.
package realfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/tool"
)

// Kind is a type of file system.
type Kind string

// The kinds. A block of each has 4096 bytes.
const (
	Tmpfs Kind = "tmpfs"
	Ext4  Kind = "ext4" // without a journal: what is written stays written
	// Btrfs is for its quota groups: it is not filled, and its inodes are
	// not counted.
	Btrfs Kind = "btrfs"
)

const block = 4096

// ballast is the name, in the top folder of a volume, of what fills it.
const ballast = "ballast"

// A Volume is a file system that is mounted on Dir until the test ends.
type Volume struct {
	Dir string

	t       testing.TB
	kind    Kind
	image   string // of Ext4
	options string
	mounted bool
}

// New makes an empty file system and mounts it on dir, which it makes. It has
// room for so many blocks and inodes or a few less.
func New(t testing.TB, kind Kind, dir string, blocks, inodes int) *Volume {
	t.Helper()
	v := &Volume{Dir: dir, t: t, kind: kind}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	switch kind {
	case Tmpfs:
		v.options = fmt.Sprintf("mode=755,size=%d,nr_inodes=%d", blocks*block, inodes)
	case Ext4, Btrfs:
		v.image = v.format(blocks, inodes)
	}
	if err := v.mount(); err != nil {
		t.Skipf("a small %s is not tested, it needs CAP_SYS_ADMIN and, for the others, a loop device: %v", kind, err)
	}
	t.Cleanup(v.Unmount)
	if kind == Ext4 {
		require.NoError(t, os.Remove(filepath.Join(dir, "lost+found")))
	}
	return v
}

// format makes the image of an ext4. Nothing is reserved for root.
func (v *Volume) format(blocks, inodes int) string {
	f, err := os.CreateTemp("/dev/shm", "koweld-ext4-")
	if err != nil {
		f, err = os.CreateTemp("", "koweld-ext4-")
	}
	require.NoError(v.t, err)
	v.t.Cleanup(func() { _ = os.Remove(f.Name()) })
	require.NoError(v.t, f.Close())
	v.makeImage(f.Name(), blocks, inodes)
	return f.Name()
}

func (v *Volume) makeImage(name string, blocks, inodes int) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(v.t, err)
	require.NoError(v.t, f.Truncate(int64(blocks)*block))
	require.NoError(v.t, f.Close())
	format := tool.Cmd{Path: "mkfs.ext4", Args: []string{
		"-q", "-F", "-I", "256", "-b", fmt.Sprint(block), "-m", "0", "-O", "^has_journal,^resize_inode", "-N", fmt.Sprint(inodes), name,
	}}
	if v.kind == Btrfs {
		format = tool.Cmd{Path: "mkfs.btrfs", Args: []string{"-q", "-f", name}}
	}
	_, err = tool.Exec{Environ: tool.Environ(os.Environ())}.Run(context.Background(), format)
	if missing := (*tool.MissingError)(nil); errors.As(err, &missing) {
		v.t.Skipf("a small %s is not tested: %v", v.kind, err)
	}
	require.NoError(v.t, err)
}

// mount mounts the volume.
func (v *Volume) mount() error {
	if v.kind == Tmpfs {
		err := unix.Mount("none", v.Dir, "tmpfs", 0, v.options)
		v.mounted = err == nil
		return err
	}
	device, err := attach(v.image)
	if err != nil {
		return err
	}
	defer device.Close() // with the last user, the mount, it is detached
	if err := unix.Mount(device.Name(), v.Dir, string(v.kind), 0, ""); err != nil {
		return err
	}
	v.mounted = true
	if v.kind != Ext4 {
		return nil
	}
	// ext4 keeps blocks back for what it has promised: then the last ones
	// that it shows as free could not be had, or others could.
	reserve := filepath.Join("/sys/fs/ext4", filepath.Base(device.Name()), "reserved_clusters")
	return os.WriteFile(reserve, []byte("0"), 0)
}

// attach makes a file a block device: loop(4).
func attach(image string) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	file, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, err
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd())}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		if err = unix.IoctlLoopConfigure(int(device.Fd()), &config); err == nil {
			return device, nil
		}
		_ = device.Close()
		if !errors.Is(err, unix.EBUSY) { // another took it meanwhile
			return nil, err
		}
	}
}

// Unmount takes the volume away; it may be away already.
func (v *Volume) Unmount() {
	if v.mounted {
		require.NoError(v.t, unix.Unmount(v.Dir, unix.MNT_DETACH))
		v.mounted = false
	}
}

// Leave fills the volume until exactly so many blocks are free.
func (v *Volume) Leave(blocks int) {
	v.Sync() // what is promised and not yet placed may still need metadata
	for n := 0; v.free() != blocks; n++ {
		require.Less(v.t, n, 64, "the volume cannot be filled to the block: %d are free, not %d", v.free(), blocks)
		// One file is not enough: ext4 may want a block of metadata to
		// make it larger, and for another file none.
		v.resize(fmt.Sprintf("%s.%d", ballast, n%8), blocks)
	}
}

// resize brings the free blocks as near to a number as one file can.
func (v *Volume) resize(name string, blocks int) {
	f, err := os.OpenFile(filepath.Join(v.Dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(v.t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(v.t, err)
	more := int64(v.free()-blocks) * block
	if more < 0 {
		require.NoError(v.t, f.Truncate(max(0, info.Size()+more)))
		return
	}
	for ; more > 0; more = more / 2 / block * block {
		err := unix.Fallocate(int(f.Fd()), 0, info.Size(), more)
		if err == nil {
			return
		}
		require.ErrorIs(v.t, err, unix.ENOSPC)
		require.NoError(v.t, f.Truncate(info.Size()))
	}
}

// Sync makes durable what is on the volume.
func (v *Volume) Sync() {
	f, err := os.Open(v.Dir)
	require.NoError(v.t, err)
	defer f.Close()
	require.NoError(v.t, unix.Syncfs(int(f.Fd())))
}

func (v *Volume) free() int { return int(v.statfs().Bavail) }

// LeaveInodes uses up inodes until exactly so many are free.
func (v *Volume) LeaveInodes(inodes int) {
	for {
		free := int(v.statfs().Ffree)
		name := func(n int) string { return filepath.Join(v.Dir, fmt.Sprintf("%s-%d", ballast, n)) }
		switch {
		case free == inodes:
			return
		case free > inodes:
			require.NoError(v.t, os.WriteFile(name(free), nil, 0o600))
		default:
			require.NoError(v.t, os.Remove(name(free+1)))
		}
	}
}

// Empty takes away all that fills the volume.
func (v *Volume) Empty() {
	names, err := filepath.Glob(filepath.Join(v.Dir, ballast+"*"))
	require.NoError(v.t, err)
	for _, name := range names {
		require.NoError(v.t, os.Remove(name))
	}
}

// IsBallast tells what fills a volume from what a test put there.
func IsBallast(name string) bool { return strings.HasPrefix(filepath.Base(name), ballast) }

func (v *Volume) statfs() (st unix.Statfs_t) {
	require.NoError(v.t, unix.Statfs(v.Dir, &st))
	return st
}

// Break makes the volume read-only at once, whoever writes to it: ext4 does so
// when it meets an error (errors=remount-ro).
func (v *Volume) Break() {
	require.Equal(v.t, Ext4, v.kind, "only an ext4 can be broken")
	require.NoError(v.t, unix.Mount("", v.Dir, "", unix.MS_REMOUNT, "abort"))
}

// IsWhole reports whether all folders can be read. What the file system was about to
// write when it broke may have damaged one, which only e2fsck(8) would mend: it has no
// journal.
func (v *Volume) IsWhole() bool {
	err := filepath.WalkDir(v.Dir, func(_ string, _ fs.DirEntry, err error) error { return err })
	if !errors.Is(err, unix.EBADMSG) {
		require.NoError(v.t, err)
	}
	return err == nil
}

// Again mounts the volume anew, as a reboot does.
func (v *Volume) Again() {
	require.NoError(v.t, unix.Unmount(v.Dir, 0))
	v.mounted = false
	require.NoError(v.t, v.mount())
}
