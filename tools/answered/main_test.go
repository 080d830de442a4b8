package main

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// In a copy of the test's program the environment says what to do.
const role = "ANSWERED_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "0", "ENOSYS", "EPERM":
		answer := os.Getenv(role)
		os.Setenv(role, "report")
		fmt.Println(run(answer, "fsync,fdatasync,syncfs", []string{os.Args[0]}))
		os.Exit(1)
	case "report":
		// No sync of a descriptor that is not open can succeed.
		fmt.Println(unix.Fsync(-1), unix.Fdatasync(-1), unix.Syncfs(-1), unix.Close(-1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTheseCallsAreAnsweredAndNoOthers(t *testing.T) {
	tests := []struct {
		name, role string
		want       string
	}{
		{"without", "report", "bad file descriptor bad file descriptor bad file descriptor bad file descriptor\n"},
		{"void", "0", "<nil> <nil> <nil> bad file descriptor\n"},
		{"not known", "ENOSYS", "function not implemented function not implemented function not implemented bad file descriptor\n"},
		{"not allowed", "EPERM", "operation not permitted operation not permitted operation not permitted bad file descriptor\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), role+"="+tt.role)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Equal(t, tt.want, string(out))
		})
	}
}

func TestWhatCannotBeAnsweredIsAnError(t *testing.T) {
	assert.ErrorContains(t, run("0", "sync", []string{"no-such-program"}), "cannot find no-such-program")
	assert.ErrorContains(t, run("EIO", "sync", []string{"true"}), "cannot answer EIO")
	assert.ErrorContains(t, run("0", "sync,mmap", []string{"true"}), "cannot answer mmap")
}
