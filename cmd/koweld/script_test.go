package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestMain makes koweld, and tools that fail in one way each, commands of the
// scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"koweld":       main,
		"koweld-batch": batch,
		"fake-fail":    fakeFail,
		"fake-print":   fakePrint,
		"fake-kill":    fakeKill,
		"fake-term":    fakeTerm,
	})
}

// TestScript runs the command line as a packager, dpkg and an admin do:
// testdata/script/CATEGORY_CASE.txtar. Real ld and depmod work in all that is
// meant to succeed.
func TestScript(t *testing.T) {
	data, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	if dir := memoryDir(t); dir != "" {
		t.Setenv("GOTMPDIR", dir)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join(data, "script"),
		Setup: func(e *testscript.Env) error {
			e.Values[stateKey{}] = &state{data: data}
			e.Setenv("PKG", acmePackage)
			e.Setenv("KERNEL", acmeKernel)
			e.Setenv("MODULES", "root/lib/modules/"+acmeKernel)
			e.Setenv("OBJECTS", "root/usr/lib/linux-objects/acme/"+acmeKernel)
			e.Setenv("SIGNATURES", "root/usr/lib/linux-signatures/acme/"+acmeKernel)
			e.Setenv("MANIFEST", "root/usr/share/koweld/manifests/"+acmePackage+".yaml")
			e.Setenv("ACME", filepath.Join(data, "acme"))
			e.Setenv("STATE", "root/var/lib/koweld")
			return nil
		},
		Condition:          condition,
		RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"root":        cmdRoot,
			"links":       cmdLinks,
			"exits":       cmdExits,
			"json":        cmdJSON,
			"tree":        cmdTree,
			"unchanged":   cmdUnchanged,
			"flip":        cmdFlip,
			"edit":        cmdEdit,
			"fake":        cmdFake,
			"only":        cmdOnly,
			"lock":        cmdLock,
			"unlock":      cmdUnlock,
			"mount":       cmdMount,
			"certificate": cmdCertificate,
		},
	})
}

// What testdata/acme is for, and the linker that linked it before it was
// signed: only that one gives the signed bytes again.
const (
	acmePackage = "linux-modules-acme-6.1.0-56-amd64"
	acmeKernel  = "6.1.0-56-amd64"
	acmeLinker  = "2.40"
)

// condition answers what a script asks of the machine.
func condition(name string) (bool, error) {
	switch name {
	case "acme":
		out, err := exec.Command("ld.bfd", "--version").Output()
		line, _, _ := strings.Cut(string(out), "\n")
		words := strings.Fields(line)
		_, noDepmod := exec.LookPath("depmod")
		return err == nil && noDepmod == nil && len(words) > 0 && words[len(words)-1] == acmeLinker, nil
	case "depmod", "dpkg":
		_, err := exec.LookPath(name)
		return err == nil, nil
	case "uid0":
		return os.Geteuid() == 0, nil
	case "mounts":
		return mayMount(), nil
	}
	return false, errors.New("no such condition")
}

// memoryDir is a folder in memory, where a sync costs nothing, or "" if there
// is none with attributes and programs.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "koweld-script-")
	if err != nil {
		return ""
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "true")
	if os.Chmod(dir, 0o755) != nil || os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755) != nil || exec.Command(program).Run() != nil ||
		unix.Setxattr(program, "user.note", []byte("x"), 0) != nil {
		return ""
	}
	return dir
}

// mayMount reports whether file systems can be mounted, by trying.
func mayMount() bool {
	dir, err := os.MkdirTemp("", "mount")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if unix.Mount("none", dir, "tmpfs", 0, "") != nil {
		return false
	}
	return unix.Unmount(dir, 0) == nil
}
