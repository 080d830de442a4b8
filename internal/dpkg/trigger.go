package dpkg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"koweld/internal/tool"
)

// Listens reports whether a package, which may be unpacked and not configured
// yet, declares an interest in a trigger (deb-triggers(5)). dpkg drops a
// trigger that nobody is interested in, and says nothing.
func (db *DB) Listens(ctx context.Context, pkg, trigger string) (bool, error) {
	res, err := db.Tool.Run(ctx, tool.Cmd{
		Path: "dpkg-query", Args: []string{"--admindir=" + db.AdminDir, "--control-show", pkg, "triggers"},
	})
	var failed *tool.FailedError
	if errors.As(err, &failed) && failed.Code > 0 {
		return false, nil // it is not installed, or has no triggers
	}
	if err != nil {
		return false, fmt.Errorf("cannot ask dpkg for the triggers of %s: %w", pkg, err)
	}
	for line := range strings.Lines(string(res.Stdout)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) > 1 && strings.HasPrefix(words[0], "interest") && slices.Contains(words[1:], trigger) {
			return true, nil
		}
	}
	return false, nil
}

// Activate activates a trigger without awaiting it: who is interested in it is
// called once, at the end of dpkg's run.
func (db *DB) Activate(ctx context.Context, trigger string) error {
	_, err := db.Tool.Run(ctx, tool.Cmd{
		Path: "dpkg-trigger", Args: []string{"--admindir=" + db.AdminDir, "--no-await", trigger},
	})
	if err != nil {
		return fmt.Errorf("cannot activate the trigger %s: %w", trigger, err)
	}
	return nil
}
