// Command unsynced runs a program whose syncs do nothing:
//
//	unsynced PROGRAM ARG...
//
// fsync, fdatasync, sync_file_range, sync and syncfs return 0 at once, in the
// program and in all that it starts. So a benchmark can tell the time to the
// last byte written from the time to make it durable, on the same file system
// and with the same program. A seccomp filter does it (seccomp(2),
// SECCOMP_RET_ERRNO with 0), which costs the program next to nothing, where a
// tracer would stop it thousands of times.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: unsynced PROGRAM ARG...")
		os.Exit(64)
	}
	fmt.Fprintln(os.Stderr, "unsynced:", run(os.Args[1:]))
	os.Exit(1)
}

// run becomes the program; it returns only when it cannot.
func run(args []string) error {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("cannot find %s: %v", args[0], errors.Unwrap(err))
	}
	// A filter is of a thread, and the thread that calls execve keeps its own.
	runtime.LockOSThread()
	if err := voidSyncs(); err != nil {
		return fmt.Errorf("cannot void the syncs: %v", err)
	}
	return fmt.Errorf("cannot run %s: %v", program, syscall.Exec(program, args, os.Environ()))
}

// voidSyncs makes this thread's syncs return 0 and do nothing. The filter does
// not look at the architecture of a call: what runs here is not hostile.
func voidSyncs() error {
	filter := filter(unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE, unix.SYS_SYNC, unix.SYS_SYNCFS)
	// Without privileges, a filter needs the promise not to gain any.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

// filter is the program, in the kernel's classic BPF, that has these calls
// return 0 and lets all others pass.
func filter(calls ...uint32) []unix.SockFilter {
	const number = 0 // offset in struct seccomp_data
	code := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	for _, call := range calls {
		code = append(code,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO})
	}
	return append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
}
