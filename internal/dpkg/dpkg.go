// Package dpkg reads what dpkg knows: who owns a path, which version of a
// package is there. It asks dpkg-query, which sees the journal of a dpkg that
// is running, and never reads dpkg's files: during a run they are stale.
package dpkg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pault.ag/go/debian/version"

	"koweld/internal/tool"
)

// DB is the database of one root.
type DB struct {
	Tool tool.Runner
	// AdminDir is its folder on the host, e.g. /srv/image/var/lib/dpkg.
	AdminDir string
}

// batch bounds the paths of one dpkg-query, well below ARG_MAX.
const batch = 1000

// Owners returns, for each of the paths that dpkg assigns to packages, their
// names without architecture. Paths are compared as dpkg does: as strings.
func (db *DB) Owners(ctx context.Context, paths []string) (map[string][]string, error) {
	owners := make(map[string][]string)
	for len(paths) > 0 {
		n := min(batch, len(paths))
		args := []string{"--admindir=" + db.AdminDir, "--search", "--"}
		for _, p := range paths[:n] {
			args = append(args, pattern(p))
		}
		paths = paths[n:]
		res, err := db.Tool.Run(ctx, tool.Cmd{Path: "dpkg-query", Args: args})
		var failed *tool.FailedError
		// 1: some path has no owner, which is what we hope for.
		if err != nil && !(errors.As(err, &failed) && failed.Code == 1) {
			return nil, fmt.Errorf("cannot ask dpkg who owns a file: %w", err)
		}
		parseSearch(string(res.Stdout), owners)
	}
	return owners, nil
}

// pattern quotes a path for dpkg-query --search, which takes glob patterns.
func pattern(p string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p)
}

// parseSearch reads lines such as "pkg-a, pkg-b:amd64: /path". Lines about
// diversions name no owner.
func parseSearch(out string, owners map[string][]string) {
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		names, file, ok := strings.Cut(line, ": /")
		if !ok || strings.HasPrefix(line, "diversion by ") || strings.HasPrefix(line, "local diversion ") {
			continue
		}
		file = "/" + file
		for name := range strings.SplitSeq(names, ", ") {
			name, _, _ = strings.Cut(name, ":")
			if !slices.Contains(owners[file], name) { // of two architectures
				owners[file] = append(owners[file], name)
			}
		}
	}
}

// Version returns the version of a package whose files are there, configured
// or not yet; false if they are not.
func (db *DB) Version(ctx context.Context, pkg string) (version.Version, bool, error) {
	res, err := db.Tool.Run(ctx, tool.Cmd{
		Path: "dpkg-query",
		Args: []string{"--admindir=" + db.AdminDir, "--show", "--showformat=${db:Status-Status} ${Version}\n", "--", pkg},
	})
	var failed *tool.FailedError
	if errors.As(err, &failed) && failed.Code == 1 {
		return version.Version{}, false, nil
	}
	if err != nil {
		return version.Version{}, false, fmt.Errorf("cannot ask dpkg for the version of %s: %w", pkg, err)
	}
	line, _, _ := strings.Cut(string(res.Stdout), "\n")
	status, text, _ := strings.Cut(line, " ")
	if text == "" || status == "not-installed" || status == "config-files" {
		return version.Version{}, false, nil
	}
	v, err := version.Parse(text)
	if err != nil {
		return version.Version{}, false, fmt.Errorf("cannot read version %q of %s: %w", text, pkg, err)
	}
	return v, true, nil
}

// aliased are the top folders that a merged /usr makes one with their twin
// in /usr.
var aliased = []string{"bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"}

// Twin returns the other spelling that a path has where /usr is merged:
// /lib/x for /usr/lib/x and the reverse; "" for a path that has none.
func Twin(name string) string {
	short, inUsr := strings.CutPrefix(name, "/usr/")
	short = strings.TrimPrefix(short, "/")
	top, rest, _ := strings.Cut(short, "/")
	if rest == "" || !slices.Contains(aliased, top) {
		return ""
	}
	if inUsr {
		return "/" + short
	}
	return "/usr/" + short
}
