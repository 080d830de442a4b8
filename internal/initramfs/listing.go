package initramfs

import (
	"path"
	"strings"
)

// Holds reports whether a listing of an image, by lsinitramfs or lsinitrd, names
// one of the modules. hidden says that the image holds another one (of dracut's
// squash and erofs modules), and that the listing does not show what is in it.
func Holds(listing []byte, modules []Module) (holds, hidden bool) {
	ours := make(map[string]bool, len(modules))
	for _, m := range modules {
		ours[m.Name] = true
	}
	shown := false
	for line := range strings.Lines(string(listing)) {
		// lsinitrd writes what ls -l does, and a link with its target.
		line, _, _ = strings.Cut(line, " -> ")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		file := words[len(words)-1]
		base := path.Base(file)
		if _, _, isModule := cutModule(base); isModule && ours[plainName(base)] {
			return true, false
		}
		switch base {
		case "squash-root.img", "squashfs-root.img", "erofs-root.img":
			hidden = true
		}
		shown = shown || strings.Contains(file, "squashfs-root/") || strings.Contains(file, "erofs-root/")
	}
	return false, hidden && !shown
}
