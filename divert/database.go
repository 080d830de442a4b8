package divert

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"koweld/internal/fsys"
)

// maxLine is the longest line that dpkg reads, in bytes without its end
// (MAXDIVERTFILENAME in lib/dpkg/db-fsys-divert.c).
const maxLine = 1022

// maxDatabase bounds the file, in bytes.
const maxDatabase = 64 << 20

// FormatError says that dpkg's record of diversions is damaged.
type FormatError struct {
	File   string // its path below the root
	Line   int    // counted from 1
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("cannot trust the diversions of dpkg: %s:%d: %s", e.File, e.Line, e.Reason)
}

// Hint says where an older one is.
func (e *FormatError) Hint() string {
	return "nothing was changed; dpkg-divert keeps the file before its last change as " + e.File + "-old"
}

// Load reads the diversions from dpkg's folder, a path below the root. There are
// none if the file is not there. A damaged file is a *FormatError.
//
// Other files of dpkg are stale while it runs; this one is not: only dpkg-divert
// writes it, each time a whole new one. And its --list is prose, translated and
// reworded, from which a name with blanks in it cannot be read.
func Load(fsx fsys.FS, admin string) ([]Diversion, error) {
	name := path.Join(admin, "diversions")
	data, err := fsys.ReadFile(fsx, name, maxDatabase)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the diversions of dpkg: %w", err)
	}
	return Parse(name, data)
}

// Parse reads a file of diversions: three lines each, the name, the name it is
// diverted to, and the package, ":" for a local one. What dpkg would refuse is a
// *FormatError, and so are names that dpkg-divert never writes. file is for the
// error.
func Parse(file string, data []byte) ([]Diversion, error) {
	var all []Diversion
	used := make(map[string]bool)
	for line := 1; len(data) > 0; {
		fault := func(format string, args ...any) error {
			return &FormatError{file, line, fmt.Sprintf(format, args...)}
		}
		var fields [3]string
		for i := range fields {
			text, rest, ended := bytes.Cut(data, []byte("\n"))
			switch {
			case i > 0 && len(data) == 0:
				return nil, fault("the file ends within a diversion")
			case bytes.IndexByte(text, 0) >= 0:
				return nil, fault("a zero byte, as a power cut leaves them")
			case len(text) > maxLine:
				return nil, fault("a line of %d bytes, more than dpkg reads", len(text))
			case !ended:
				return nil, fault("the last line does not end")
			case len(text) == 0:
				return nil, fault("an empty line")
			case i < 2 && text[0] != '/':
				return nil, fault("%q is not absolute", text)
			}
			fields[i], data = string(text), rest
			if i < 2 {
				// dpkg drops what comes before the first name in a path
				// (path_skip_slash_dotslash).
				fields[i] = "/" + skipRoot(fields[i])
				if used[fields[i]] {
					return nil, fault("%s is in a diversion already", fields[i])
				}
				used[fields[i]] = true
			}
			line++
		}
		d := Diversion{From: fields[0], To: fields[1], Package: fields[2]}
		if d.Package == ":" {
			d.Package = ""
		}
		all = append(all, d)
	}
	return all, nil
}

func skipRoot(name string) string {
	for {
		switch {
		case strings.HasPrefix(name, "/"):
			name = name[1:]
		case strings.HasPrefix(name, "./"):
			name = name[2:]
		default:
			return name
		}
	}
}
