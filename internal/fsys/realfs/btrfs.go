package realfs

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"koweld/internal/tool"
)

// Referenced is how many bytes the quota group of a subvolume is charged with.
func (v *Volume) Referenced(subvolume string) int64 {
	res, err := tool.Exec{Environ: tool.Environ(os.Environ())}.Run(context.Background(), tool.Cmd{
		Path: "btrfs", Args: []string{"qgroup", "show", "--raw", "-f", subvolume},
	})
	require.NoError(v.t, err)
	for line := range strings.Lines(string(res.Stdout)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(fields[0], "0/") {
			continue
		}
		bytes, err := strconv.ParseInt(fields[1], 10, 64)
		require.NoError(v.t, err)
		return bytes
	}
	require.Fail(v.t, "no quota group", "%s", res.Output())
	return 0
}
