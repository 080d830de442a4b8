package unit

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/initramfs"
)

// Where the makers are, by which their configuration is in force.
const (
	mkinitramfsPath = "/usr/sbin/mkinitramfs"
	dracutPath      = "/usr/bin/dracut"
)

// initramfsClaims reads the configuration of each maker that is there.
func (s *System) initramfsClaims() []*initramfs.Claims {
	var all []*initramfs.Claims
	if s.has(mkinitramfsPath) {
		all = append(all, s.initramfsToolsClaims())
	}
	if s.has(dracutPath) {
		all = append(all, s.dracutClaims())
	}
	return all
}

// initramfsToolsClaims reads what mkinitramfs(8) does.
func (s *System) initramfsToolsClaims() *initramfs.Claims {
	const etc, usr = "/etc/initramfs-tools", "/usr/share/initramfs-tools"
	c := &initramfs.Claims{}
	s.claim(c, c.AddList, path.Join(etc, "modules"))
	s.claim(c, c.AddList, s.dropIns("", path.Join(usr, "modules.d"))...)
	s.claim(c, c.AddScript, s.dropIns("", path.Join(etc, "hooks"))...)
	s.claim(c, c.AddScript, s.dropIns("", path.Join(usr, "hooks"))...)

	// Its functions have the modules and folders of "most" in them, and what
	// "dep" takes is rarely beside those.
	listOnly := false
	confs := append([]string{path.Join(etc, "initramfs.conf")}, s.dropIns("", path.Join(etc, "conf.d"), path.Join(usr, "conf.d"))...)
	s.claim(c, func(text []byte) {
		value, set, certain := initramfs.Setting(text, "MODULES")
		switch {
		case !certain:
			listOnly = false
		case set:
			listOnly = value == "list"
		}
	}, append(confs, s.dropIns("", path.Join(usr, "conf-hooks.d"))...)...)
	if !listOnly {
		s.claim(c, c.AddScript, path.Join(usr, "hook-functions"))
	}
	return c
}

// dracutClaims reads what dracut.conf(5) says and what dracut's own modules
// install.
func (s *System) dracutClaims() *initramfs.Claims {
	const lib = "/usr/lib/dracut"
	c := &initramfs.Claims{Loaded: func(name string) bool {
		return !s.has("/sys/module") || s.has(path.Join("/sys/module", name))
	}}
	s.claim(c, c.AddDracut, "/etc/dracut.conf")
	s.claim(c, c.AddDracut, s.dropIns(".conf", "/etc/dracut.conf.d", path.Join(lib, "dracut.conf.d"), "/run/initramfs/dracut.conf.d")...)
	for _, dir := range s.dropIns("", path.Join(lib, "modules.d")) {
		s.claim(c, c.AddScript, path.Join(dir, "module-setup.sh"))
		if strings.HasSuffix(dir, "kernel-modules-extra") {
			var all []byte
			s.claim(c, func(text []byte) { all = append(append(all, text...), '\n') },
				s.dropIns(".conf", "/run/depmod.d", "/etc/depmod.d", "/lib/depmod.d")...)
			c.AddDepmod(all)
		}
	}
	return c
}

// claim reads files, those that are there. One that cannot be read may claim
// anything.
func (s *System) claim(c *initramfs.Claims, add func(text []byte), names ...string) {
	for _, name := range names {
		text, err := s.readFollowing(name)
		switch {
		case err == nil:
			add(text)
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.EISDIR):
			c.Unknown()
		}
	}
}

// dropIns lists the files in folders by their base names, as both makers read
// them: of files with one name, the first folder's. A folder that cannot be
// read is a name that cannot be read either.
func (s *System) dropIns(suffix string, dirs ...string) []string {
	from := make(map[string]string)
	var names, unread []string
	for _, dir := range dirs {
		real, err := s.FS.Resolve(dir)
		var entries []fs.DirEntry
		if err == nil {
			entries, err = s.FS.ReadDir(real)
		}
		if err != nil {
			unread = append(unread, dir)
		}
		for _, e := range entries {
			name := e.Name()
			if _, masked := from[name]; masked || !strings.HasSuffix(name, suffix) || strings.Contains(name, ".dpkg-") {
				continue
			}
			from[name] = path.Join(real, name)
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = from[name]
	}
	return append(names, unread...)
}

// moduleIndex is what depmod wrote, as far as it can be read.
func (s *System) moduleIndex(kernel string) *initramfs.Index {
	folder := path.Join(modulesDir, kernel)
	dep, _ := fsys.ReadFile(s.FS, path.Join(folder, "modules.dep"), 256<<20)
	soft, _ := fsys.ReadFile(s.FS, path.Join(folder, "modules.softdep"), fileLimit)
	return initramfs.ParseIndex(dep, soft)
}
