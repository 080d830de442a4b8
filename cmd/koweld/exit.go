package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"koweld/assemble"
	"koweld/assemble/modsig"
	"koweld/assemble/recipe"
	"koweld/divert"
	"koweld/internal/dpkg"
	"koweld/internal/store"
	"koweld/internal/txn"
	"koweld/internal/unit"
	"koweld/manifest"
	"koweld/quirks"
)

// Exit codes are an interface: maintainer scripts branch on them. 2 is how a
// Go program dies and is never returned on purpose.
const (
	exitOK        = 0
	exitFailed    = 1  // what was begun has been taken back
	exitRefused   = 3  // signature, kernel, owner, policy
	exitDiffers   = 4  // a reading command found a difference
	exitOpen      = 5  // not taken back, or a newer koweld's record or journal
	exitUsage     = 64 // EX_USAGE
	exitMalformed = 65 // EX_DATAERR
	exitLocked    = 75 // EX_TEMPFAIL
)

// severity orders the codes of several units: the first that occurred wins.
var severity = []int{exitOpen, exitFailed, exitRefused, exitMalformed, exitLocked, exitDiffers, exitUsage}

// errSaid marks an error whose text the command has printed already.
var errSaid = errors.New("said")

// errDiffers says that a reading command found a difference.
var errDiffers = &codeError{code: exitDiffers}

// codeError carries an exit code and has nothing to say.
type codeError struct{ code int }

func (e *codeError) Error() string     { return "" }
func (e *codeError) Is(err error) bool { return err == errSaid }

// usageError is a wrong command line.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Hint() string {
	if e.hint == "" {
		return "see koweld help"
	}
	return e.hint
}

// exitCode chooses the code of an error, joined or not.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	occurred := map[int]bool{}
	for _, e := range flatten(err) {
		occurred[codeOf(e)] = true
	}
	for _, code := range severity {
		if occurred[code] {
			return code
		}
	}
	return exitFailed
}

func codeOf(err error) int {
	switch {
	case is[*codeError](err):
		return as[*codeError](err).code
	case is[*usageError](err):
		return exitUsage
	case is[*txn.OpenError](err), is[*txn.NewerError](err), is[*txn.BrokenError](err), is[*store.NewerError](err):
		return exitOpen
	case is[*modsig.RejectedError](err), is[*assemble.SignatureError](err) && !is[*modsig.FormatError](err),
		is[*assemble.SignerError](err), is[*assemble.KernelError](err), is[*unit.TargetError](err),
		is[*divert.RefusedError](err), is[*divert.FormatError](err),
		is[*unit.QuirkRefusedError](err), is[*unit.AbortError](err):
		return exitRefused
	case is[manifest.ErrorList](err), is[*manifest.Error](err), is[*manifest.NeedsError](err),
		is[*modsig.FormatError](err), is[*recipe.FormatError](err), is[*recipe.NewerError](err),
		is[*quirks.ParseError](err), is[*quirks.NeedsError](err), is[*quirks.TwiceError](err), is[*dpkg.AptHookError](err),
		is[*otherPackageError](err):
		return exitMalformed
	case is[*store.LockedError](err):
		return exitLocked
	case errors.Is(err, context.Canceled):
		return exitFailed
	}
	return exitFailed
}

func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func as[T error](err error) T {
	var target T
	errors.As(err, &target)
	return target
}

// hint is what to do about an error, or "".
func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		return h.Hint()
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "make room and try again"
	case errors.Is(err, unix.EROFS):
		return "mount the file system writable and try again"
	case errors.Is(err, unix.EPERM) && os.Geteuid() == 0:
		return "a file or its folder may be immutable, which lsattr shows; mend that and try again"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "try again as root"
	case errors.Is(err, unix.EBUSY):
		return "something may be mounted on it, which findmnt shows; unmount that and try again"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "allow more open files, see ulimit -n, and try again"
	case errors.Is(err, unix.EFBIG):
		return "allow larger files, see ulimit -f, and try again"
	}
	return ""
}
