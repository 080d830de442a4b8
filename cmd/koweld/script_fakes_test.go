package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A fake fails in one way, whichever tool it stands for. Its parent is koweld.

// fakeFail fails and says why.
func fakeFail() {
	fmt.Fprintln(os.Stderr, "internal error, aborting")
	os.Exit(1)
}

// fakePrint is a depmod that complains of a module and exits 0, as the real
// one does of what it cannot read.
func fakePrint() {
	fmt.Fprintf(os.Stderr, "depmod: WARNING: %s/kernel/acme/acme.ko: bad things\n", strings.Join(os.Args[2:], "/lib/modules/"))
}

// fakeKill kills koweld as nothing can be handled, and waits for its own end.
func fakeKill() {
	_ = unix.Kill(os.Getppid(), unix.SIGKILL)
	_ = unix.Pause()
}

// fakeTerm asks koweld to end, and does not end by itself.
func fakeTerm() {
	_ = unix.Kill(os.Getppid(), unix.SIGTERM)
	_ = unix.Pause()
}
