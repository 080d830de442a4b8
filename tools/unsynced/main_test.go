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
const role = "UNSYNCED_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "run":
		os.Setenv(role, "report")
		fmt.Println(run([]string{os.Args[0]}))
		os.Exit(1)
	case "report":
		// No sync of a descriptor that is not open can succeed.
		fmt.Println(unix.Fsync(-1), unix.Fdatasync(-1), unix.Syncfs(-1), unix.Close(-1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestSyncsAndNoOtherCallsAreVoid(t *testing.T) {
	tests := []struct {
		name, role string
		want       string
	}{
		{"without", "report", "bad file descriptor bad file descriptor bad file descriptor bad file descriptor\n"},
		{"with", "run", "<nil> <nil> <nil> bad file descriptor\n"},
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

func TestAProgramThatIsNotThereIsAnError(t *testing.T) {
	assert.ErrorContains(t, run([]string{"no-such-program"}), "cannot find no-such-program")
}
