package unit_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/internal/dpkg"
	"koweld/internal/store"
	"koweld/internal/tool"
	"koweld/internal/unit"
)

// initramfsTools stands for the makers of an initramfs, beside depmod.
type initramfsTools struct {
	tool.Runner
	s       *scene
	listing string   // of lsinitramfs and lsinitrd
	lacks   []string // the programs that are not there
	fails   string   // the program that fails
	idle    bool     // the maker succeeds and makes nothing
	// during happens while the first maker runs.
	during func()
	ran    []string
}

// initramfsToolsOnly is all that a system without dracut lacks.
var initramfsToolsOnly = []string{"dracut", "lsinitrd"}

func (i *initramfsTools) Run(ctx context.Context, c tool.Cmd) (tool.Result, error) {
	if c.Path == "depmod" {
		return i.Runner.Run(ctx, c)
	}
	if slices.Contains(i.lacks, c.Path) {
		return tool.Result{}, &tool.MissingError{Name: c.Path}
	}
	i.ran = append(i.ran, c.Path+" "+strings.ReplaceAll(strings.Join(c.Args, " "), i.s.dir, ""))
	if c.Path == i.fails {
		return tool.Result{}, &tool.FailedError{Cmd: c, Code: 1, Output: "no space"}
	}
	if during := i.during; during != nil && !strings.HasPrefix(c.Path, "lsinit") {
		i.during = nil
		during()
	}
	if i.idle {
		return tool.Result{Stdout: []byte("Generating\nW: Not updating\n")}, nil
	}
	switch c.Path {
	case "update-initramfs":
		i.replace("/boot/initrd.img-" + c.Args[2])
	case "dracut":
		i.replace(c.Args[2])
	}
	return tool.Result{Stdout: []byte(i.listing)}, nil
}

// made is what ran and did not only look.
func (i *initramfsTools) made() []string {
	return slices.DeleteFunc(slices.Clone(i.ran), func(c string) bool { return strings.HasPrefix(c, "lsinit") })
}

// replace puts another file at a name, as the makers do.
func (i *initramfsTools) replace(image string) {
	i.s.write(image+".new", "a new initramfs")
	require.NoError(i.s.t, os.Rename(i.s.host(image+".new"), i.s.host(image)))
}

// declareWith declares one module, with the initramfs made anew as said.
func (s *scene) declareWith(initramfs string) string {
	path := s.declare("acme", "1", []item{{path: "updates/one.ko", module: true, compress: "none"}})
	text, err := os.ReadFile(s.host(path))
	require.NoError(s.t, err)
	s.write(path, strings.Replace(string(text), "initramfs: never", "initramfs: "+initramfs, 1))
	return path
}

func TestInitramfsIsMadeAnewWhenItHoldsAModule(t *testing.T) {
	const update = "update-initramfs -u -k " + kernel
	tests := []struct {
		name    string
		when    string
		listing string
		fails   string
		image   bool
		idle    bool
		outside bool
		want    bool   // update-initramfs ran
		pending bool   // it is still to be done
		warning string // of the change
	}{
		{name: "auto, held", when: "auto", listing: "usr/lib/modules/x/updates/one.ko\n", image: true, want: true},
		{name: "auto, held compressed", when: "auto", listing: "usr/lib/modules/x/updates/one.ko.xz\n", image: true, want: true},
		{name: "auto, not held", when: "auto", listing: "usr/lib/modules/x/one.conf\nusr/lib/two.ko\n", image: true},
		{name: "auto, not to be listed", when: "auto", fails: "lsinitramfs", image: true, want: true},
		{name: "auto, no initramfs", when: "auto", listing: "one.ko\n"},
		{name: "always", when: "always", image: true, want: true},
		{name: "always, no initramfs", when: "always"},
		{name: "never", when: "never", listing: "one.ko\n", image: true},
		{name: "it fails", when: "always", fails: "update-initramfs", image: true, want: true, pending: true, warning: "exit code 1: no space; koweld repair will try again"},
		{name: "it makes nothing", when: "always", idle: true, image: true, want: true, pending: true, warning: "update-initramfs left it as it was: W: Not updating; koweld repair will try again"},
		{name: "another root", when: "always", outside: true, image: true, pending: true, warning: "from outside its root"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, t.TempDir(), true)
			defer s.close()
			if tt.image {
				s.write("/boot/initrd.img-"+kernel, "an initramfs")
			}
			path := s.declareWith(tt.when)

			sys := s.sound()
			sys.Running = !tt.outside
			tools := &initramfsTools{Runner: sys.Tool, s: s, listing: tt.listing, lacks: initramfsToolsOnly, fails: tt.fails, idle: tt.idle}
			sys.Tool = tools
			changes, err := sys.Install(t.Context(), []string{path}, unit.Options{})
			require.NoError(t, err)
			require.Len(t, changes, 1)
			assert.Equal(t, tt.want, strings.Contains(strings.Join(tools.ran, "\n"), update), "%v", tools.ran)
			if tt.warning == "" {
				assert.Empty(t, changes[0].Warnings)
			} else if assert.Len(t, changes[0].Warnings, 1) {
				assert.Contains(t, changes[0].Warnings[0], tt.warning)
			}
			all, err := sys.Status(nil)
			require.NoError(t, err)
			if !tt.pending {
				assert.Equal(t, store.Active, all[0].State)
				s.verified()
				return
			}
			assert.Equal(t, store.Pending, all[0].State)
			assert.Equal(t, []store.Effect{store.EffectInitramfs}, all[0].Pending)

			// It is retried, by repair and by the next install.
			sys.Running, tools.fails, tools.idle, tools.ran = true, "", false, nil
			_, err = sys.Repair(t.Context(), nil, unit.Options{})
			require.NoError(t, err)
			assert.Equal(t, []string{update}, tools.ran)
			s.verified()
		})
	}
}

func TestInitramfsIsMadeAnewWithoutWhatIsRemoved(t *testing.T) {
	const update = "update-initramfs -u -k " + kernel
	tests := []struct {
		name, when, listing, fails string
		named                      bool // by the configuration
		ran                        bool
		warning                    string
	}{
		{name: "auto, held", when: "auto", listing: "updates/one.ko\n", ran: true},
		{name: "auto, not held", when: "auto", listing: "updates/two.ko\n"},
		{name: "auto, not held though named", when: "auto", named: true, listing: "updates/two.ko\n"},
		{name: "never", when: "never", listing: "updates/one.ko\n"},
		{name: "it fails", when: "always", fails: "update-initramfs", ran: true, warning: "run " + update},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, t.TempDir(), true)
			defer s.close()
			path := s.declareWith(tt.when)
			require.NoError(t, s.install(s.sound(), path))
			s.write("/boot/initrd.img-"+kernel, "an initramfs")
			if tt.named {
				s.write("/usr/sbin/mkinitramfs", "")
				s.write("/etc/initramfs-tools/modules", "one\n")
			}

			sys := s.sound()
			sys.Running = true
			tools := &initramfsTools{Runner: sys.Tool, s: s, listing: tt.listing, lacks: initramfsToolsOnly, fails: tt.fails}
			sys.Tool = tools
			changes, err := sys.Remove(t.Context(), []string{"acme"}, unit.Options{})
			require.NoError(t, err)
			require.Len(t, changes, 1)
			assert.Equal(t, unit.Removed, changes[0].Action)
			assert.Equal(t, tt.ran, strings.Contains(strings.Join(tools.ran, "\n"), update), "%v", tools.ran)
			if tt.warning == "" {
				assert.Empty(t, changes[0].Warnings)
			} else if assert.Len(t, changes[0].Warnings, 1) {
				assert.Contains(t, changes[0].Warnings[0], tt.warning)
			}
		})
	}
}

func TestInitramfsIsLeftAloneWhenNothingChanges(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	s.write("/boot/initrd.img-"+kernel, "an initramfs")
	path := s.declare("acme", "1", []item{{path: "updates/one.ko", module: true, compress: "none"}})
	require.NoError(t, s.install(s.sound(), path))
	sys := s.sound()
	tools := &initramfsTools{Runner: sys.Tool, s: s, fails: "lsinitramfs"}
	sys.Tool = tools
	require.NoError(t, s.install(sys, path))
	assert.Empty(t, tools.ran)
}

func TestASignalWhileTheInitramfsIsListedEndsTheRun(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	s.write("/boot/initrd.img-"+kernel, "an initramfs")
	path := s.declareWith("auto")
	old := s.tree()
	cause := errors.New("a signal")
	ctx, cancel := context.WithCancelCause(t.Context())
	sys := s.sound()
	sys.Tool = cancelling{sys.Tool, func() { cancel(cause) }}
	_, err := sys.Install(ctx, []string{path}, unit.Options{})
	assert.ErrorIs(t, err, cause)
	assert.Equal(t, old, s.tree())
}

// cancelling ends the context as the first program runs, which fails by it.
type cancelling struct {
	tool.Runner
	cancel func()
}

func (c cancelling) Run(ctx context.Context, cmd tool.Cmd) (tool.Result, error) {
	c.cancel()
	return tool.Result{}, &tool.FailedError{Cmd: cmd, Code: -1, Err: context.Cause(ctx)}
}

func TestInitramfsIsMadeAnewWhenItWouldHoldAModule(t *testing.T) {
	const (
		mkinitramfs = "/usr/sbin/mkinitramfs"
		dracut      = "/usr/bin/dracut"
		list        = "/etc/initramfs-tools/modules"
		machine     = "0123456789abcdef0123456789abcdef"
	)
	const update = "update-initramfs -u -k " + kernel
	byDracut := func(image string) string { return "dracut --quiet --force " + image + " " + kernel }
	const debian, other = "/boot/initrd.img-" + kernel, "/boot/initramfs-" + kernel + ".img"
	tests := []struct {
		name  string
		when  string            // default: auto
		files map[string]string // besides the image
		image string            // default: debian
		list  string            // what the listing names
		lacks []string
		fails string
		want  []string // what made it
	}{
		{name: "named", files: map[string]string{mkinitramfs: "", list: "one\n"}, lacks: initramfsToolsOnly, want: []string{update}},
		{name: "named by a package", files: map[string]string{mkinitramfs: "", "/usr/share/initramfs-tools/modules.d/acme": "one\n"}, lacks: initramfsToolsOnly, want: []string{update}},
		{name: "named by a hook", files: map[string]string{mkinitramfs: "", "/etc/initramfs-tools/hooks/x": "force_load one\n"}, lacks: initramfsToolsOnly, want: []string{update}},
		{name: "named by a package's hook", files: map[string]string{mkinitramfs: "", "/usr/share/initramfs-tools/hooks/x": "force_load one\n"}, lacks: initramfsToolsOnly, want: []string{update}},
		{name: "in a folder that is taken", files: map[string]string{mkinitramfs: "", "/usr/share/initramfs-tools/hook-functions": "copy_modules_dir updates\n"}, lacks: initramfsToolsOnly, want: []string{update}},
		{name: "in a folder, but there is a list", files: map[string]string{
			mkinitramfs: "", "/usr/share/initramfs-tools/hook-functions": "copy_modules_dir updates\n",
			"/etc/initramfs-tools/initramfs.conf": "MODULES=most\n", "/etc/initramfs-tools/conf.d/x": "MODULES=list\n",
		}, lacks: initramfsToolsOnly},
		{name: "in a folder, a list is masked", files: map[string]string{
			mkinitramfs: "", "/usr/share/initramfs-tools/hook-functions": "copy_modules_dir updates\n",
			"/usr/share/initramfs-tools/conf.d/x": "MODULES=list\n", "/etc/initramfs-tools/conf.d/x": "MODULES=most\n",
		}, lacks: initramfsToolsOnly, want: []string{update}},
		{name: "not named", files: map[string]string{mkinitramfs: "", list: "two\n", "/etc/initramfs-tools/hooks/x": "force_load two\n"}, lacks: initramfsToolsOnly},
		{name: "an older list", files: map[string]string{mkinitramfs: "", "/usr/share/initramfs-tools/modules.d/acme.dpkg-old": "one\n"}, lacks: initramfsToolsOnly},
		{name: "named, the maker is gone", files: map[string]string{list: "one\n"}, lacks: initramfsToolsOnly},
		{name: "named, held back", files: map[string]string{
			mkinitramfs: "", list: "one\n", "/usr/sbin/update-initramfs": "",
			"/etc/initramfs-tools/update-initramfs.conf": "update_initramfs=no\n",
		}, lacks: initramfsToolsOnly},
		{name: "always, held back", when: "always", files: map[string]string{
			"/usr/sbin/update-initramfs": "", "/etc/initramfs-tools/update-initramfs.conf": "update_initramfs=no\n",
		}, lacks: initramfsToolsOnly},
		{name: "a list that is no file", files: map[string]string{mkinitramfs: "", list + "/x": ""}, lacks: initramfsToolsOnly},
		{name: "no lister, but a maker", files: map[string]string{mkinitramfs: ""}, lacks: []string{"lsinitramfs", "lsinitrd"}, want: []string{update}},
		{name: "no lister and no maker", lacks: []string{"lsinitramfs", "lsinitrd"}},

		{name: "held, of dracut", files: map[string]string{dracut: ""}, list: "usr/lib/modules/x/one.ko.zst", lacks: []string{"update-initramfs", "lsinitramfs"}, want: []string{byDracut(debian)}},
		{name: "held, of a dracut with update-initramfs", files: map[string]string{dracut: ""}, list: "usr/lib/modules/x/one.ko.zst", want: []string{update}},
		{name: "held, by another name", files: map[string]string{dracut: ""}, image: other, list: "one.ko", want: []string{byDracut(other)}},
		{name: "held, beside the modules", files: map[string]string{dracut: ""}, image: "/lib/modules/" + kernel + "/initrd", list: "one.ko", want: []string{byDracut("/lib/modules/" + kernel + "/initrd")}},
		{
			name: "held, of a boot loader's folder", files: map[string]string{dracut: "", "/etc/machine-id": machine + "\n"}, image: "/boot/efi/" + machine + "/" + kernel + "/initrd",
			list: "one.ko", want: []string{byDracut("/boot/efi/" + machine + "/" + kernel + "/initrd")},
		},
		{name: "held, boot loaders are told", files: map[string]string{dracut: "", "/etc/initramfs/post-update.d/x": ""}, image: other, list: "one.ko", want: []string{
			byDracut(other), "run-parts --arg=" + kernel + " --arg=" + other + " /etc/initramfs/post-update.d",
		}},
		{name: "added", files: map[string]string{dracut: "", "/etc/dracut.conf.d/x.conf": "add_drivers+=' one '\n"}, lacks: []string{"update-initramfs"}, want: []string{byDracut(debian)}},
		{name: "added by a package", files: map[string]string{dracut: "", "/usr/lib/dracut/dracut.conf.d/x.conf": "add_drivers+=' one '\n"}, lacks: []string{"update-initramfs"}, want: []string{byDracut(debian)}},
		{name: "added in the old place", files: map[string]string{dracut: "", "/etc/dracut.conf": "add_drivers+=' one '\n"}, lacks: []string{"update-initramfs"}, want: []string{byDracut(debian)}},
		{name: "added, masked", files: map[string]string{dracut: "", "/usr/lib/dracut/dracut.conf.d/x.conf": "add_drivers+=' one '\n", "/etc/dracut.conf.d/x.conf": ""}, lacks: []string{"update-initramfs"}},
		{name: "added, another suffix", files: map[string]string{dracut: "", "/etc/dracut.conf.d/x": "add_drivers+=' one '\n"}, lacks: []string{"update-initramfs"}},
		{name: "added, dracut is gone", files: map[string]string{"/etc/dracut.conf.d/x.conf": "add_drivers+=' one '\n"}},
		{name: "installed by a dracut module", files: map[string]string{dracut: "", "/usr/lib/dracut/modules.d/90acme/module-setup.sh": "instmods one\n"}, lacks: []string{"update-initramfs"}, want: []string{byDracut(debian)}},
		{name: "installed by a dracut module, omitted", files: map[string]string{
			dracut: "", "/usr/lib/dracut/modules.d/90acme/module-setup.sh": "instmods one\n", "/etc/dracut.conf.d/x.conf": "omit_drivers+=' one '\n",
		}, lacks: []string{"update-initramfs"}},
		{name: "in a folder of depmod's", files: map[string]string{dracut: "", "/usr/lib/dracut/modules.d/70kernel-modules-extra/module-setup.sh": ""}, lacks: []string{"update-initramfs"}, want: []string{byDracut(debian)}},
		{name: "in a folder of depmod's, not of this host", files: map[string]string{
			dracut: "", "/usr/lib/dracut/modules.d/70kernel-modules-extra/module-setup.sh": "",
			"/usr/lib/dracut/dracut.conf.d/01-debian.conf": "hostonly=yes\n", "/sys/module/two/refcnt": "",
		}, lacks: []string{"update-initramfs"}},
		{name: "in a folder of depmod's, of this host", files: map[string]string{
			dracut: "", "/usr/lib/dracut/modules.d/70kernel-modules-extra/module-setup.sh": "",
			"/usr/lib/dracut/dracut.conf.d/01-debian.conf": "hostonly=yes\n", "/sys/module/one/refcnt": "",
		}, lacks: []string{"update-initramfs"}, want: []string{byDracut(debian)}},
		{name: "in no folder of depmod's", files: map[string]string{
			dracut: "", "/usr/lib/dracut/modules.d/70kernel-modules-extra/module-setup.sh": "", "/etc/depmod.d/x.conf": "search extra built-in\n",
		}, lacks: []string{"update-initramfs"}},
		{name: "hidden in an image within", files: map[string]string{dracut: ""}, list: "squashfs-root.img\n", lacks: []string{"update-initramfs"}, want: []string{byDracut(debian)}},
		{name: "the first lister fails", files: map[string]string{dracut: ""}, fails: "lsinitrd", lacks: []string{"update-initramfs"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, t.TempDir(), true)
			defer s.close()
			s.write(cmp.Or(tt.image, debian), "an initramfs")
			for name, text := range tt.files {
				s.write(name, text)
			}
			path := s.declareWith(cmp.Or(tt.when, "auto"))
			sys := s.sound()
			sys.Running = true
			tools := &initramfsTools{Runner: sys.Tool, s: s, listing: tt.list, lacks: tt.lacks, fails: tt.fails}
			sys.Tool = tools
			changes, err := sys.Install(t.Context(), []string{path}, unit.Options{})
			require.NoError(t, err)
			require.Len(t, changes, 1)
			assert.Empty(t, changes[0].Warnings)
			assert.Equal(t, strings.Join(tt.want, "\n"), strings.Join(tools.made(), "\n"))
			s.verified()
		})
	}
}

func TestInitramfsOfAConfigurationThatCannotBeRead(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	s.write("/boot/initrd.img-"+kernel, "an initramfs")
	s.write("/usr/sbin/mkinitramfs", "")
	require.NoError(t, os.MkdirAll(s.host("/etc/initramfs-tools"), 0o755))
	require.NoError(t, os.Symlink("modules", s.host("/etc/initramfs-tools/modules"))) // ELOOP
	sys := s.sound()
	sys.Running = true
	tools := &initramfsTools{Runner: sys.Tool, s: s, lacks: initramfsToolsOnly}
	sys.Tool = tools
	require.NoError(t, s.install(sys, s.declareWith("auto")))
	assert.Contains(t, tools.ran, "update-initramfs -u -k "+kernel)
}

func TestInitramfsOfAKernelIsMadeOnce(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	s.write("/boot/initrd.img-"+kernel, "an initramfs")
	var paths []string
	for _, name := range []string{"acme", "other"} {
		path := s.declare(name, "1", []item{{path: "updates/" + name + ".ko", module: true, compress: "none"}})
		text, err := os.ReadFile(s.host(path))
		require.NoError(t, err)
		s.write(path, strings.Replace(string(text), "initramfs: never", "initramfs: always", 1))
		paths = append(paths, path)
	}
	sys := s.sound()
	sys.Running = true
	tools := &initramfsTools{Runner: sys.Tool, s: s}
	sys.Tool = tools
	_, err := sys.Install(t.Context(), paths, unit.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"update-initramfs -u -k " + kernel}, tools.ran)
	s.verified()
	tools.ran = nil
	_, err = sys.Remove(t.Context(), []string{"acme", "other"}, unit.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"update-initramfs -u -k " + kernel}, tools.ran)
}

func TestInitramfsWithoutAMaker(t *testing.T) {
	s := newScene(t, t.TempDir(), true)
	defer s.close()
	s.write("/boot/initrd.img-"+kernel, "an initramfs")
	sys := s.sound()
	sys.Running = true
	tools := &initramfsTools{Runner: sys.Tool, s: s, lacks: []string{"update-initramfs", "dracut"}}
	sys.Tool = tools
	changes, err := sys.Install(t.Context(), []string{s.declareWith("always")}, unit.Options{})
	require.NoError(t, err)
	require.Len(t, changes, 1)
	assert.Equal(t, []string{"cannot make /boot/initrd.img-" + kernel + " anew: there is neither update-initramfs nor dracut; koweld repair will try again"}, changes[0].Warnings)
	changes, err = sys.Remove(t.Context(), []string{"acme"}, unit.Options{})
	require.NoError(t, err)
	require.Len(t, changes, 1)
	assert.Equal(t, []string{"cannot make /boot/initrd.img-" + kernel + " anew: there is neither update-initramfs nor dracut; install initramfs-tools or dracut"}, changes[0].Warnings)
}

// pendingScene is a unit whose initramfs could not be made.
func pendingScene(t *testing.T) (*scene, *unit.System, *initramfsTools) {
	s := newScene(t, t.TempDir(), true)
	t.Cleanup(s.close)
	s.write("/boot/initrd.img-"+kernel, "an initramfs")
	sys := s.sound()
	sys.Running = true
	tools := &initramfsTools{Runner: sys.Tool, s: s, lacks: initramfsToolsOnly, fails: "update-initramfs", listing: "one.ko\n"}
	sys.Tool = tools
	require.NoError(t, s.install(sys, s.declareWith("auto")))
	require.Contains(t, s.record("acme").Pending, store.EffectInitramfs)
	return s, sys, tools
}

func TestWhatIsPendingForAReplacedUnitIsInherited(t *testing.T) {
	s, sys, tools := pendingScene(t)
	tools.listing = "" // nothing else asks for it
	path := s.declare("heir", "1", []item{{path: "updates/one.ko", module: true, compress: "none"}}, "replaces: [acme]")
	text, err := os.ReadFile(s.host(path))
	require.NoError(t, err)
	s.write(path, strings.Replace(string(text), "initramfs: never", "initramfs: auto", 1))
	require.NoError(t, s.install(sys, path))
	require.Nil(t, s.record("acme"))
	assert.Contains(t, s.record("heir").Pending, store.EffectInitramfs)
}

// An image that was begun before a unit changed does not hold the change.
func TestWhatChangesWhileAnInitramfsIsMadeStaysPending(t *testing.T) {
	s, sys, tools := pendingScene(t)
	tools.fails = ""
	tools.during = func() {
		tools.fails = "update-initramfs"
		path := s.declare("acme", "2", []item{{path: "updates/one.ko", module: true, text: "2", compress: "none"}})
		text, err := os.ReadFile(s.host(path))
		require.NoError(t, err)
		s.write(path, strings.Replace(string(text), "initramfs: never", "initramfs: auto", 1))
		require.NoError(t, s.install(sys, path))
		tools.fails = ""
	}
	settled(t, sys)
	assert.Contains(t, s.record("acme").Pending, store.EffectInitramfs)
	settled(t, sys)
	assert.Empty(t, s.record("acme").Pending)
}

func TestWhatIsPendingOutlivesARemovalThatIsGivenUp(t *testing.T) {
	s, sys, tools := pendingScene(t)
	call := func(script, action string) {
		_, err := sys.Maintscript(s.ctx(), "acme", dpkg.Call{Script: dpkg.Script(script), Action: action}, unit.Options{})
		require.NoError(t, err)
	}
	call("prerm", "remove")
	tools.listing, tools.ran = "", nil
	call("postinst", "abort-remove")
	assert.Contains(t, s.record("acme").Pending, store.EffectInitramfs)
}

func settled(t *testing.T, sys *unit.System) {
	_, err := sys.Settle(t.Context(), unit.Options{})
	require.NoError(t, err)
}

// At the end of dpkg's run it is told once for a kernel, and as an error.
func TestThatAnInitramfsCannotBeMadeIsToldOnce(t *testing.T) {
	s, sys, _ := pendingScene(t)
	path := s.declare("other", "1", []item{{path: "updates/other.ko", module: true, compress: "none"}})
	text, err := os.ReadFile(s.host(path))
	require.NoError(t, err)
	s.write(path, strings.Replace(string(text), "initramfs: never", "initramfs: always", 1))
	require.NoError(t, s.install(sys, path))
	require.Contains(t, s.record("other").Pending, store.EffectInitramfs)
	var warnings []string
	sys.Observe = func(e unit.Event) { warnings = append(warnings, e.Detail) }
	_, err = sys.Settle(t.Context(), unit.Options{})
	require.Error(t, err)
	assert.Equal(t, 1, strings.Count(err.Error(), "cannot make /boot/initrd.img-"+kernel), "%v", err)
	assert.Empty(t, warnings)
}
