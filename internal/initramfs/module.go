package initramfs

import (
	"path"
	"strings"
)

// Module is a kernel module, touched or to be judged.
type Module struct {
	Name string // with _ for -
	// Dir is its folder below that of the kernel, e.g. kernel/drivers/net;
	// "" if it is not known.
	Dir string
}

// ParseModule takes a name, or the path of a module below the kernel's folder.
func ParseModule(name string) Module {
	m := Module{Name: plainName(path.Base(name))}
	if strings.Contains(name, "/") {
		m.Dir = path.Dir(strings.TrimPrefix(name, "/"))
	}
	return m
}

// plainName is the name of a module of a file or of a word: modprobe does not
// tell - from _.
func plainName(file string) string {
	if base, _, isModule := cutModule(file); isModule {
		file = base
	}
	return strings.ReplaceAll(file, "-", "_")
}

// cutModule cuts the name of a module's file at .ko; what follows may be a
// compression.
func cutModule(file string) (base, compression string, isModule bool) {
	for _, compression := range []string{"", ".gz", ".xz", ".zst"} {
		if base, isModule := strings.CutSuffix(file, ".ko"+compression); isModule {
			return base, compression, true
		}
	}
	return "", "", false
}
