package scenario

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// A fault is what is done to a call of a script.
type fault struct {
	kind  kind
	point int // of a kill of koweld: at which of its system calls
}

type kind string

const (
	none           kind = ""
	failBefore     kind = "fails before koweld"
	failAfter      kind = "fails after koweld"
	killBefore     kind = "dpkg is killed before koweld"
	killAfter      kind = "dpkg is killed after koweld"
	killRename     kind = "dpkg is killed at a rename"
	killKoweld     kind = "koweld is killed"
	countCalls     kind = "koweld's system calls are counted"
	orderGo             = "go"
	orderFail           = "fail"
	orderKill           = "kill"
	orderKillCount      = "kill 0"
)

// atBegin does it before the snippet of a script, whose parent is dpkg, and
// returns the answer to the script.
func (f fault) atBegin(parent string) (string, error) {
	switch f.kind {
	case failBefore:
		return orderFail, nil
	case killBefore:
		return orderFail, killProcess(parent)
	case killKoweld:
		return fmt.Sprintf("%s %d", orderKill, f.point), nil
	case countCalls:
		return orderKillCount, nil
	}
	return orderGo, nil
}

// atEnd does it after the snippet.
func (f fault) atEnd(parent string) (string, error) {
	switch f.kind {
	case failAfter:
		return orderFail, nil
	case killAfter:
		return orderFail, killProcess(parent)
	}
	return orderGo, nil
}

func killProcess(pid string) error {
	n, err := strconv.Atoi(pid)
	if err != nil || n <= 1 {
		return fmt.Errorf("cannot kill %q", pid)
	}
	return unix.Kill(n, unix.SIGKILL)
}
