package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"koweld/internal/txn"
)

// What a system call refuses has a hint that names the limit.
func TestHints(t *testing.T) {
	for want, err := range map[string]error{
		"make room":             unix.ENOSPC,
		"make room and":         unix.EDQUOT,
		"mount the file":        unix.EROFS,
		"findmnt":               unix.EBUSY,
		"ulimit -n":             unix.EMFILE,
		"more open files":       unix.ENFILE,
		"ulimit -f":             unix.EFBIG,
		"try again as root":     unix.EACCES,
		"move the journal away": &txn.BrokenError{},
	} {
		assert.Contains(t, hint(fmt.Errorf("cannot do it: %w", err)), want, "%v", want)
	}
	assert.Empty(t, hint(fmt.Errorf("cannot do it: %w", unix.EIO)))
}
