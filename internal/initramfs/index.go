package initramfs

import (
	"path"
	"strings"
)

// Index is what depmod knows of the modules of a kernel.
type Index struct {
	dirs  map[string]string   // by name: the folder
	needs map[string][]string // by name: what is installed with it
}

// ParseIndex reads modules.dep and modules.softdep; either may be empty.
func ParseIndex(dep, softdep []byte) *Index {
	x := &Index{dirs: make(map[string]string), needs: make(map[string][]string)}
	for line := range strings.Lines(string(dep)) {
		file, needs, isModule := strings.Cut(line, ":")
		if !isModule {
			continue
		}
		m := ParseModule(file)
		x.dirs[m.Name] = m.Dir
		for _, need := range strings.Fields(needs) {
			x.needs[m.Name] = append(x.needs[m.Name], plainName(path.Base(need)))
		}
	}
	for line := range strings.Lines(string(softdep)) {
		words := strings.Fields(line) // softdep NAME pre: A B post: C
		if len(words) < 2 || words[0] != "softdep" {
			continue
		}
		name := plainName(words[1])
		for _, need := range words[2:] {
			if !strings.HasSuffix(need, ":") {
				x.needs[name] = append(x.needs[name], plainName(need))
			}
		}
	}
	return x
}
