package dpkg

import (
	"fmt"
	"strings"
)

// AptHook is what apt tells a program of DPkg::Pre-Install-Pkgs (apt.conf(5)): its
// configuration, and the packages that a run of dpkg is about to change.
type AptHook struct {
	Version int
	// Config is apt's configuration by the names of its options; of one that is
	// a list the last value.
	Config  map[string]string
	Changes []AptChange
}

// AptChange is one package of a run. One that is unpacked and configured in the
// same run is there twice.
type AptChange struct {
	Package string
	// Old and New are versions; "" if it was not there, or goes.
	Old, New string
	// OldArch and NewArch are their architectures; "" where apt does not say, as
	// that of version 2.
	OldArch, NewArch string
	Do               AptDo
	File             string // of [AptUnpack]
}

// AptDo is what dpkg is to do with a package.
type AptDo string

// What dpkg can be told.
const (
	AptUnpack    AptDo = "unpack"
	AptConfigure AptDo = "configure"
	AptRemove    AptDo = "remove"
)

// AptHookError says that what apt told cannot be read.
type AptHookError struct {
	Line int
	Text string
}

func (e *AptHookError) Error() string {
	return fmt.Sprintf("cannot read what apt tells, line %d: %s", e.Line, e.Text)
}

// Hint says how apt is asked.
func (e *AptHookError) Hint() string {
	return `apt is to be told: DPkg::Tools::Options::COMMAND::Version "3", where COMMAND is the first word of the hook`
}

// ParseAptHook reads what apt tells by the versions 2 and 3 of its protocol. The
// error is an *AptHookError.
func ParseAptHook(data []byte) (*AptHook, error) {
	h := &AptHook{Config: make(map[string]string)}
	n, config := 0, true
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSuffix(line, "\n")
		wrong := func(text string) error { return &AptHookError{n, text} }
		switch {
		case n == 1:
			switch line {
			case "VERSION 2":
				h.Version = 2
			case "VERSION 3":
				h.Version = 3
			default:
				return nil, wrong("it is neither of version 2 nor of version 3 of the protocol")
			}
		case config && line == "":
			config = false
		case config:
			name, value, _ := strings.Cut(line, "=")
			h.Config[unquoteApt(name)] = unquoteApt(value)
		case line == "":
		default:
			c, why := h.change(line)
			if why != "" {
				return nil, wrong(why)
			}
			h.Changes = append(h.Changes, c)
		}
	}
	if config {
		// A package that is not told of would be one that stays.
		return nil, &AptHookError{n, "it ends before the packages"}
	}
	return h, nil
}

// change reads a line about a package; why says what is wrong with it, "" if
// nothing.
func (h *AptHook) change(line string) (c AptChange, why string) {
	const last = 4 // of version 2: name, old version, order, new version, file
	fields := last + 1
	if h.Version == 3 {
		fields += 4 // an architecture and a Multi-Arch field behind each version
	}
	f := strings.SplitN(line, " ", fields)
	if len(f) != fields {
		return c, fmt.Sprintf("it has %d words instead of %d", len(f), fields)
	}
	version := func(s string) string {
		if s == "-" {
			return ""
		}
		return s
	}
	order := f[2]
	c = AptChange{Package: f[0], Old: version(f[1]), New: version(f[3])}
	if h.Version == 3 {
		order = f[4]
		c = AptChange{Package: f[0], Old: version(f[1]), OldArch: version(f[2]), New: version(f[5]), NewArch: version(f[6])}
	}
	if order != "<" && order != "=" && order != ">" {
		return c, fmt.Sprintf("%q stands where versions are compared", order)
	}
	if !IsPackageName(c.Package) {
		return c, fmt.Sprintf("%q is no name of a package", c.Package)
	}
	switch file := f[fields-1]; {
	case file == "**CONFIGURE**":
		c.Do = AptConfigure
	case file == "**REMOVE**":
		c.Do = AptRemove
	case strings.HasPrefix(file, "/"):
		c.Do, c.File = AptUnpack, file
	default:
		return c, fmt.Sprintf("%q is no file", file)
	}
	if (c.Do == AptRemove) != (c.New == "") {
		return c, "its new version does not fit"
	}
	return c, ""
}

// unquoteApt undoes apt's QuoteString: two hex digits behind a percent sign.
func unquoteApt(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2]); hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
