package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// recordOf says what is wrong with koweld's record for what is placed, or "".
func (s *scene) recordOf(name string) string {
	at := filepath.Join(s.root, recordDir, packages["modules"])
	text, err := os.ReadFile(at + ".json")
	switch {
	case errors.Is(err, fs.ErrNotExist) && name == "none":
		if _, err := os.Lstat(at + ".sha256"); err == nil {
			return ", with a list of files and no record"
		}
		return ""
	case err != nil:
		return fmt.Sprintf(", without a record: %v", err)
	case name == "none":
		return ", with a record"
	}
	var record struct{ State string }
	if err := json.Unmarshal(text, &record); err != nil {
		return fmt.Sprintf(", with a record that is none: %v", err)
	}
	if _, parked := strings.CutPrefix(name, "parked "); parked != (record.State == "removed") {
		return fmt.Sprintf(", with a record that is %q", record.State)
	}
	if strings.HasPrefix(name, "part of ") {
		return ""
	}
	return s.listOf(at + ".sha256")
}

// isPending reports whether something is left to be done for what is recorded.
func (s *scene) isPending() bool {
	var record struct{ Pending []any }
	text, err := os.ReadFile(filepath.Join(s.root, recordDir, packages["modules"]+".json"))
	return err == nil && json.Unmarshal(text, &record) == nil && len(record.Pending) > 0
}

// recordedDirs are the folders that koweld made: they go with the package, not
// with the version that needed them.
func (s *scene) recordedDirs() []string {
	var record struct{ Dirs []string }
	text, err := os.ReadFile(filepath.Join(s.root, recordDir, packages["modules"]+".json"))
	if err != nil || json.Unmarshal(text, &record) != nil {
		return nil
	}
	for i, name := range record.Dirs {
		name = strings.TrimPrefix(name, "/")
		if strings.HasPrefix(name, "lib/") {
			name = "usr/" + name
		}
		record.Dirs[i] = name
	}
	return record.Dirs
}

// listOf says what is wrong with the list that removal by shell alone takes.
func (s *scene) listOf(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Sprintf(", without a list: %v", err)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\x00"), "\x00") {
		want, file, ok := strings.Cut(line, "  ")
		if !ok {
			return fmt.Sprintf(", with a list that says %q", line)
		}
		data, err := os.ReadFile(filepath.Join(s.root, file))
		if err != nil || sum(data) != want {
			return fmt.Sprintf(", with a list that is wrong on %s", file)
		}
	}
	return ""
}
