package dpkg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"koweld/internal/tool"
)

// MD5Sums returns the MD5 digests that a package has for its files, by the names
// that it ships (deb-md5sums(5)); nil if it has none. Of several architectures it is
// the first one's.
func (db *DB) MD5Sums(ctx context.Context, pkg string) (map[string]string, error) {
	instances, err := db.Instances(ctx, pkg)
	if err != nil {
		return nil, err
	}
	for _, i := range instances {
		if !i.HasFiles() {
			continue
		}
		res, err := db.Tool.Run(ctx, tool.Cmd{
			Path: "dpkg-query", Args: []string{"--admindir=" + db.AdminDir, "--control-show", pkg + ":" + i.Arch, "md5sums"},
		})
		var failed *tool.FailedError
		if errors.As(err, &failed) && failed.Code > 0 {
			return nil, nil // it has none
		}
		if err != nil {
			return nil, fmt.Errorf("cannot ask dpkg for the digests of %s: %w", pkg, err)
		}
		return parseMD5Sums(string(res.Stdout)), nil
	}
	return nil, nil
}

func parseMD5Sums(out string) map[string]string {
	const digits = 32
	sums := make(map[string]string)
	for line := range strings.Lines(out) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if ok && len(sum) == digits {
			sums["/"+strings.TrimPrefix(strings.TrimPrefix(name, "./"), "/")] = sum
		}
	}
	return sums
}

// Foreign returns the architectures that dpkg has beside its own.
func (db *DB) Foreign(ctx context.Context) ([]string, error) {
	res, err := db.Tool.Run(ctx, tool.Cmd{Path: "dpkg", Args: []string{"--admindir=" + db.AdminDir, "--print-foreign-architectures"}})
	if err != nil {
		return nil, fmt.Errorf("cannot ask dpkg for its architectures: %w", err)
	}
	return strings.Fields(string(res.Stdout)), nil
}
