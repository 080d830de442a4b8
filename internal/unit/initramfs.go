package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/initramfs"
	"koweld/internal/tool"
	"koweld/internal/txn"
	"koweld/manifest"
)

// initramfsOf is where Debian's makers leave the image of a kernel.
func initramfsOf(kernel string) string { return path.Join("/boot", "initrd.img-"+kernel) }

// wantsInitramfs reports whether the kernel's initramfs has to be made anew
// after a plan, which places or removes some of the modules. A kernel without
// an initramfs gets one with what is placed.
func (s *System) wantsInitramfs(ctx context.Context, when manifest.Initramfs, kernel string, modules []string, p *plan) (bool, error) {
	placed, removed := p.touched(kernel, modules)
	if when == manifest.InitramfsNever || len(placed)+len(removed) == 0 {
		return false, nil
	}
	images, err := s.initramfsImages(kernel)
	if err != nil || len(images) == 0 || when == manifest.InitramfsYes {
		return len(images) > 0, err
	}
	holds, err := s.imagesHold(ctx, images, append(removed, placed...))
	if err != nil || holds {
		return holds, err
	}
	return s.imageWould(kernel, placed), nil
}

// touched returns those of the modules of a kernel that a plan places and those
// that it removes.
func (p *plan) touched(kernel string, modules []string) (placed, removed []initramfs.Module) {
	ours := make(map[string]bool, len(modules))
	for _, name := range modules {
		ours[initramfs.ParseModule(name).Name] = true
	}
	for _, o := range p.ops {
		rel, below := strings.CutPrefix(o.Path, path.Join(modulesDir, kernel)+"/")
		m := initramfs.ParseModule(rel)
		switch {
		case !below || !isModuleOp(o) || !ours[m.Name]:
		case o.Kind == txn.Remove:
			removed = append(removed, m)
		default:
			placed = append(placed, m)
		}
	}
	return placed, removed
}

// imagesHold reports whether an image holds one of the modules. One that cannot
// be listed may, if there is something to make it anew.
func (s *System) imagesHold(ctx context.Context, images []string, modules []initramfs.Module) (bool, error) {
	for _, image := range images {
		listed, holds, err := s.listInitramfs(ctx, image, modules)
		if err != nil || holds {
			return holds, err
		}
		if !listed && (s.has(mkinitramfsPath) || s.has(dracutPath)) {
			return true, nil
		}
	}
	return false, nil
}

// imageWould reports whether an image would hold one of the modules.
func (s *System) imageWould(kernel string, modules []initramfs.Module) bool {
	if len(modules) == 0 {
		return false
	}
	index := s.moduleIndex(kernel)
	return slices.ContainsFunc(s.initramfsClaims(), func(c *initramfs.Claims) bool { return c.Claimed(modules, index) })
}

// initramfsImages lists the images of a kernel that are there and may be made
// anew, by their names below the root: where update-initramfs and dracut(8)
// leave them. What links to another one is left out.
func (s *System) initramfsImages(kernel string) ([]string, error) {
	names := []string{
		initramfsOf(kernel),
		path.Join("/boot", "initramfs-"+kernel+".img"),
		path.Join(modulesDir, kernel, "initrd"),
	}
	// Of the Boot Loader Specification.
	id, err := s.readFollowing("/etc/machine-id")
	if machine := strings.TrimSpace(string(id)); err == nil && machineID.MatchString(machine) {
		for _, dir := range []string{"/efi", "/boot", "/boot/efi"} {
			names = append(names, path.Join(dir, machine, kernel, "initrd"))
		}
	}
	var images []string
	seen := make(map[string]bool)
	for _, name := range names {
		file, err := s.FS.Resolve(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot look at %s: %w", name, err)
		}
		if !seen[file] && !(name == initramfsOf(kernel) && s.initramfsHeldBack()) {
			images = append(images, name)
		}
		seen[file] = true
	}
	return images, nil
}

var machineID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// initramfsHeldBack reports whether the administrator lets update-initramfs -u
// do nothing: see update-initramfs.conf(5).
func (s *System) initramfsHeldBack() bool {
	conf, err := s.readFollowing("/etc/initramfs-tools/update-initramfs.conf")
	if err != nil || !s.has("/usr/sbin/update-initramfs") {
		return false
	}
	value, _, certain := initramfs.Setting(conf, "update_initramfs")
	return certain && value == "no"
}

// listInitramfs looks for modules in an image. What a program that is there
// cannot list may hold them.
func (s *System) listInitramfs(ctx context.Context, image string, modules []initramfs.Module) (listed, holds bool, err error) {
	file, err := s.FS.Resolve(image)
	if err != nil {
		return false, false, fmt.Errorf("cannot look into %s: %w", image, err)
	}
	listers := []string{"lsinitramfs", "lsinitrd"}
	if s.has(dracutPath) {
		listers = []string{"lsinitrd", "lsinitramfs"} // which knows the images within
	}
	for _, lister := range listers {
		res, err := s.Tool.Run(ctx, tool.Cmd{Path: lister, Args: []string{s.FS.Host(file)}})
		var absent *tool.MissingError
		if errors.As(err, &absent) {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return false, false, fmt.Errorf("cannot look into %s: %w", image, err)
		}
		listed = true
		if err != nil || len(res.Stdout) >= tool.OutputLimit {
			holds = true // if no other one can
			continue
		}
		var hidden bool
		holds, hidden = initramfs.Holds(res.Stdout, modules)
		if holds || !hidden {
			return true, holds, nil
		}
		holds = true
	}
	return listed, holds, nil
}

// has reports whether a file is there.
func (s *System) has(name string) bool {
	_, err := s.FS.Stat(name)
	return err == nil
}

// readFollowing reads a small file, through links inside the root.
func (s *System) readFollowing(name string) ([]byte, error) {
	file, err := s.FS.Resolve(name)
	if err != nil {
		return nil, err
	}
	return fsys.ReadFile(s.FS, file, fileLimit)
}
