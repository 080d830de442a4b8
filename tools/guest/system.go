package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// initramfs loads modules and makes the file system on /dev/vda the root.
func initramfs() error {
	for _, m := range []mount{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := m.mount(); err != nil {
			return err
		}
	}
	order, err := os.ReadFile("/modules/order")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(order)) {
		if err := load("/modules/" + name); err != nil {
			return fmt.Errorf("cannot load %s: %v", name, err)
		}
	}
	const root = "/root"
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/dev/vda", root, "ext4", 0, ""); err != nil {
		return fmt.Errorf("cannot mount the disk: %v", err)
	}
	// As switch_root(8), but for the files of the initramfs, which stay.
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if err := unix.Mount(dir, root+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("cannot move %s: %v", dir, err)
		}
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("cannot move the root: %v", err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return os.Chdir("/")
}

// load loads a module; that it is there already is no error.
func load(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

type mount struct{ kind, at string }

// mount mounts a file system unless one of its kind is there.
func (m mount) mount() error {
	if err := os.MkdirAll(m.at, 0o755); err != nil {
		return err
	}
	err := unix.Mount(m.kind, m.at, m.kind, 0, "")
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("cannot mount %s: %v", m.at, err)
	}
	return nil
}

// mountAll mounts what a system has, as far as it is not there.
func mountAll() error {
	for _, m := range []mount{
		{"devtmpfs", "/dev"},
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"securityfs", "/sys/kernel/security"},
		{"devpts", "/dev/pts"},
		{"tmpfs", "/run"},
		{"tmpfs", "/tmp"},
	} {
		if err := m.mount(); err != nil {
			return err
		}
	}
	// What the firmware has written to the ports comes before this; it may end within
	// a line.
	for _, port := range []string{"/dev/ttyS1", "/dev/ttyS2"} {
		out, err := serial(port)
		if err != nil {
			return err
		}
		_, err = out.WriteString("\nvm: begin\n")
		if closeErr := out.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// serial opens a serial port that changes no byte.
func serial(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err == nil {
		t.Oflag &^= unix.OPOST
		t.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
		err = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot set up %s: %v", name, err)
	}
	return f, nil
}

// assertSecureBoot fails unless the kernel was started under Secure Boot and is
// locked down: on another machine each module that loads would prove nothing.
func assertSecureBoot() error {
	const lockdown = "/sys/kernel/security/lockdown"
	state, err := os.ReadFile(lockdown)
	if err != nil {
		return fmt.Errorf("cannot read %s: %v", lockdown, err)
	}
	if !strings.Contains(string(state), "[integrity]") && !strings.Contains(string(state), "[confidentiality]") {
		return fmt.Errorf("cannot prove anything: the kernel is not locked down: %s", strings.TrimSpace(string(state)))
	}
	log, err := kernelLog()
	if err != nil {
		return fmt.Errorf("cannot read the kernel's log: %v", err)
	}
	if !strings.Contains(log, "Secure boot enabled") {
		return errors.New("cannot prove anything: the kernel has found no Secure Boot")
	}
	return nil
}

func kernelLog() (string, error) {
	size, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil)
	if err != nil {
		return "", err
	}
	text := make([]byte, size)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, text)
	if err != nil {
		return "", err
	}
	return string(text[:n]), nil
}

// unpack unpacks a tar archive of files and folders.
func unpack(device, dir string) error {
	f, err := os.Open(device)
	if err != nil {
		return err
	}
	defer f.Close()
	return unpackTar(f, dir)
}

func unpackTar(r io.Reader, dir string) error {
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("cannot unpack %s", header.Name)
		}
		name := filepath.Join(dir, header.Name)
		switch header.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(name, 0o755)
		case tar.TypeReg:
			err = unpackFile(archive, name, header.FileInfo().Mode().Perm())
		default:
			err = fmt.Errorf("cannot unpack %s: it is no file", header.Name)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(r io.Reader, name string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
