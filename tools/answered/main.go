// Command answered runs a program some of whose system calls the kernel answers
// at once, without doing them:
//
//	answered 0|ENOSYS|EPERM CALL[,CALL...] PROGRAM [ARG...]
//
// With 0 they seem to succeed: without fsync, fdatasync, sync_file_range, sync and
// syncfs a benchmark can tell the time to the last byte written from the time to
// make it durable, on the same file system and with the same program. With ENOSYS
// or EPERM they are denied, as an old kernel or a sandbox does: so tests, with go
// test -exec, see what is done where openat2 and renameat2 are not to be had. What
// the program starts is answered so too. A seccomp filter does it (seccomp(2)),
// which costs next to nothing, where a tracer would stop the program thousands of
// times.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: answered 0|ENOSYS|EPERM CALL[,CALL...] PROGRAM [ARG...]")
		os.Exit(64)
	}
	fmt.Fprintln(os.Stderr, "answered:", run(os.Args[1], os.Args[2], os.Args[3:]))
	os.Exit(1)
}

var errnos = map[string]unix.Errno{"0": 0, "ENOSYS": unix.ENOSYS, "EPERM": unix.EPERM}

var numbers = map[string]uint32{
	"fsync": unix.SYS_FSYNC, "fdatasync": unix.SYS_FDATASYNC, "sync_file_range": unix.SYS_SYNC_FILE_RANGE,
	"sync": unix.SYS_SYNC, "syncfs": unix.SYS_SYNCFS,
	"openat2": unix.SYS_OPENAT2, "renameat2": unix.SYS_RENAMEAT2,
}

// run becomes the program; it returns only when it cannot.
func run(answer, calls string, args []string) error {
	errno, ok := errnos[answer]
	if !ok {
		return fmt.Errorf("cannot answer %s", answer)
	}
	var some []uint32
	for name := range strings.SplitSeq(calls, ",") {
		number, ok := numbers[name]
		if !ok {
			return fmt.Errorf("cannot answer %s: its number is not known", name)
		}
		some = append(some, number)
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("cannot find %s: %v", args[0], errors.Unwrap(err))
	}
	// A filter is of a thread, and the thread that calls execve keeps its own.
	runtime.LockOSThread()
	if err := install(filter(errno, some...)); err != nil {
		return fmt.Errorf("cannot answer system calls: %v", err)
	}
	return fmt.Errorf("cannot run %s: %v", program, syscall.Exec(program, args, os.Environ()))
}

// install installs a filter for this thread. Without privileges it needs the
// promise not to gain any.
func install(filter []unix.SockFilter) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

// filter is the program, in the kernel's classic BPF, that has these calls answered
// and lets all others pass. It does not look at the architecture of a call: what
// runs here is not hostile.
func filter(errno unix.Errno, calls ...uint32) []unix.SockFilter {
	const number = 0 // offset in struct seccomp_data
	code := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	for _, call := range calls {
		code = append(code,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)})
	}
	return append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
}
