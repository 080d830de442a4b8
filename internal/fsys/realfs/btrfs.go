package realfs

import (
	"os/exec"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
)

// Referenced is how many bytes the quota group of a subvolume is charged with.
func (v *Volume) Referenced(subvolume string) int64 {
	out, err := exec.Command("btrfs", "qgroup", "show", "--raw", "-f", subvolume).Output()
	require.NoError(v.t, err)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(fields[0], "0/") {
			continue
		}
		bytes, err := strconv.ParseInt(fields[1], 10, 64)
		require.NoError(v.t, err)
		return bytes
	}
	require.Fail(v.t, "no quota group", "%s", out)
	return 0
}
