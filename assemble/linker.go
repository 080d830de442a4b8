package assemble

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"koweld/internal/tool"
	"koweld/manifest"
)

// findLinker returns the path on the host of the recorded linker, if it is
// there, else of ld.bfd: gold and lld never give what ld.bfd gave.
func (w *Welder) findLinker(recorded manifest.Recorded) (string, error) {
	if recorded.Path != "" {
		f, err := w.FS.OpenTrusted(recorded.Path, w.Trust)
		switch {
		case err == nil:
			_ = f.Close()
			resolved, err := w.FS.Resolve(recorded.Path)
			if err != nil {
				return "", err
			}
			return w.Tool.Look(w.FS.Host(resolved))
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("cannot run linker: %w", err)
		}
	}
	return w.Tool.Look("ld.bfd")
}

// versionLine is the first line of what a linker says of itself. It is asked
// once.
func (w *Welder) versionLine(ctx context.Context, ld string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if line, ok := w.lines[ld]; ok {
		return line, nil
	}
	res, err := w.Tool.Run(ctx, tool.Cmd{Path: ld, Args: []string{"--version"}})
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(res.Stdout), "\n")
	if w.lines == nil {
		w.lines = make(map[string]string)
	}
	w.lines[ld] = line
	return line, nil
}

// sameLinker compares a version line, e.g. "GNU ld (GNU Binutils for Debian)
// 2.40", with what the manifest records; nothing recorded fits any.
func sameLinker(line string, want manifest.Recorded) bool {
	fields := strings.Fields(line)
	return want.Version == "" ||
		len(fields) > 0 && fields[len(fields)-1] == want.Version && strings.HasPrefix(line, want.Name)
}
