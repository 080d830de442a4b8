package initramfs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"koweld/internal/initramfs"
)

// index has acme in updates, which needs acme_base; kernel/net/host.ko needs it
// too, and wants acme_late after it.
func index() *initramfs.Index {
	return initramfs.ParseIndex([]byte(strings.Join([]string{
		"updates/acme.ko.xz: updates/acme-base.ko",
		"updates/acme-base.ko:",
		"updates/acme_late.ko:",
		"kernel/net/host.ko: updates/acme-base.ko kernel/lib/other.ko",
		"kernel/lib/other.ko:",
	}, "\n")), []byte("# Soft dependencies extracted from modules themselves.\nsoftdep host pre: other post: acme-late\nsoftdep\n"))
}

func modules(names ...string) []initramfs.Module {
	var all []initramfs.Module
	for _, name := range names {
		all = append(all, initramfs.ParseModule(name))
	}
	return all
}

func TestWhatIsClaimed(t *testing.T) {
	const list, dracut, script, depmod = "list", "dracut.conf", "hook", "depmod.d"
	tests := []struct {
		name    string
		kind    string
		text    string
		touched string
		want    bool
	}{
		{"nothing", list, "", "acme", false},
		{"named", list, "acme\n", "acme", true},
		{"named with parameters", list, "other\n  acme  debug=1 # x\n", "acme", true},
		{"no end of line", list, "acme", "acme", true},
		{"another", list, "acme2\nacm\n", "acme", false},
		{"a comment", list, "# acme\n#acme\n\n", "acme", false},
		{"a parameter only", list, "other acme\n", "acme", false},
		{"- is _", list, "acme-base\n", "acme_base", true},
		{"_ is -", list, "acme_base\n", "acme-base", true},
		{"its file", list, "acme\n", "updates/acme.ko.zst", true},
		{"a folder", list, "=net\n", "kernel/net/acme.ko", true},
		{"a folder above", list, "=net\n", "kernel/net/acme/acme.ko", true},
		{"a folder of updates", list, "=net\n", "updates/net/acme.ko", true},
		{"a folder beside", list, "=net\n", "kernel/network/acme.ko", false},
		{"its folder is in the index", dracut, `add_drivers+=" =x "`, "acme", false},
		{"what it needs", list, "acme\n", "acme_base", true},
		{"what another needs", list, "host\n", "acme_base", true},
		{"what a folder's module needs", list, "=net\n", "acme_base", true},
		{"what another wants after it", list, "host\n", "acme_late", true},
		{"what needs it", list, "acme_base\n", "acme", false},

		{"added", dracut, `add_drivers+=" other acme "`, "acme", true},
		{"forced", dracut, `force_drivers+=' acme '`, "acme", true},
		{"exclusive", dracut, `drivers="acme"`, "acme", true},
		{"a file system", dracut, "filesystems+=acme", "acme", true},
		{"exported", dracut, "export add_drivers=acme", "acme", true},
		{"over two lines", dracut, "add_drivers+=\" other \\\n acme \"", "acme", true},
		{"after another command", dracut, "hostonly=yes;add_drivers+=' acme '", "acme", true},
		{"a comment of dracut", dracut, "# add_drivers+=\" acme \"\nhostonly=yes # add_drivers+=acme\n", "acme", false},
		{"of another setting", dracut, `add_dracutmodules+=" acme "`, "acme", false},
		{"taken back", dracut, "add_drivers+=' acme '\nadd_drivers=' '\n", "acme", true},
		{"in a branch", dracut, "if x; then add_drivers+=' acme '; fi", "acme", true},
		{"in a branch, another", dracut, "if x; then add_drivers+=' other '; fi", "acme", false},
		{"computed", dracut, `add_drivers+=" $(cat /etc/drivers) "`, "acme", true},
		{"computed by `", dracut, "force_drivers+=\" `cat x` \"", "acme", true},
		{"not computed", dracut, `add_drivers+=' $x '`, "acme", false},
		{"an array", dracut, "add_drivers+=(other)", "acme", true},
		{"read in", dracut, "read -r add_drivers </etc/drivers", "acme", true},
		{"another file", dracut, ". /etc/drivers", "acme", true},
		{"evaluated", dracut, "eval x", "acme", true},
		{"a here-document", dracut, "cat <<E\nE\n", "acme", true},
		{"another setting is computed", dracut, `compress="$x"`, "acme", false},

		{"a hook adds", script, "#!/bin/sh\nmanual_add_modules acme\n", "acme", true},
		{"a hook loads", script, `force_load acme debug=1`, "acme", true},
		{"a hook adds many", script, "instmods other \\\n\t'x acme' y", "acme", true},
		{"a hook has a variable of them", script, `modules="acme other"`, "acme", true},
		{"a hook has one more", script, `modules="$modules acme"`, "acme", true},
		{"a hook copies a file", script, `copy_file module x/acme.ko`, "acme", false}, // a path is no name
		{"a hook's comment", script, "# acme\nx # acme\n", "acme", false},
		{"a hook's word", script, "echo acme2 acm acme/x $acme\n", "acme", false},
		{"a hook's choice", script, "case $m in other|acme) ;; esac", "acme", true},
		{"a hook copies a folder", script, "copy_modules_dir kernel/net other.ko", "kernel/net/acme.ko", true},
		{"a hook copies updates", script, "copy_modules_dir updates\n", "acme", true},
		{"a hook copies a folder, not this one", script, "copy_modules_dir kernel/net other.ko", "kernel/other.ko/acme.ko", false},
		{"a hook's folder", script, `x="$x =drivers/net"`, "kernel/drivers/net/acme.ko", true},
		{"a hook's first folder", script, `x="=drivers/net"`, "kernel/drivers/net/acme.ko", true},
		{"a hook's operators", script, `[ "$a" = b ] && [[ $a =~ kernel ]] && [ a == updates ] && x =../updates`, "acme", false},

		{"depmod's default", depmod, "# search x\n", "acme", true},
		{"depmod's default, elsewhere", depmod, "", "kernel/x/acme.ko", false},
		{"depmod's folder", depmod, "search extra/x built-in\n", "extra/x/y/acme.ko", true},
		{"depmod's folder, elsewhere", depmod, "search extra built-in\n", "acme", false},
		{"depmod's second line", depmod, "search extra\nsearch updates/\n", "acme", true},
		{"the kernel's", depmod, "search built-in\n", "kernel/x/acme.ko", false},
		{"overridden", depmod, "search extra\noverride acme * updates\n", "acme", true},
		{"another is overridden", depmod, "search extra\noverride other * updates\noverride acme\n", "acme", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c initramfs.Claims
			switch tt.kind {
			case list:
				c.AddList([]byte(tt.text))
			case dracut:
				c.AddDracut([]byte(tt.text))
			case depmod:
				c.AddDepmod([]byte(tt.text))
			case script:
				c.AddScript([]byte(tt.text))
			}
			assert.Equal(t, tt.want, c.Claimed(modules(tt.touched), index()))
		})
	}
}

func TestWhatDracutOmits(t *testing.T) {
	const hook = "instmods acme acme_base"
	tests := []struct {
		name  string
		confs []string
		want  bool // acme is claimed by the hook
	}{
		{"nothing", nil, true},
		{"omitted", []string{`omit_drivers+=" other acme "`}, false},
		{"set", []string{`omit_drivers=" acme "`}, false},
		{"another", []string{`omit_drivers+=" acme2 "`}, true},
		{"in a branch", []string{`if x; then omit_drivers+=" acme "; fi`}, true},
		{"after a condition", []string{`x && omit_drivers+=" acme "`}, true},
		{"in two files", []string{`omit_drivers+=" acme "`, `omit_drivers+=" other "`}, false},
		{"taken back", []string{`omit_drivers+=" acme "`, `omit_drivers=""`}, true},
		{"asked for as well", []string{`omit_drivers+=" acme "`, `add_drivers+=" acme "`}, true},
		{"a pattern", []string{`omit_drivers+=" ac.* "`}, true},
		{"computed", []string{`omit_drivers+=" acme $x "`}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c initramfs.Claims
			for _, conf := range tt.confs {
				c.AddDracut([]byte(conf))
			}
			c.AddScript([]byte(hook))
			assert.Equal(t, tt.want, c.Claimed(modules("acme"), index()))
		})
	}

	// What dracut writes with a - it may not match.
	var c initramfs.Claims
	c.AddDracut([]byte(`omit_drivers+=" acme-base "`))
	c.AddScript([]byte(hook))
	assert.True(t, c.Claimed(modules("acme_base"), index()))
}

func TestWhatDracutTakesForItsHost(t *testing.T) {
	tests := []struct {
		name   string
		confs  []string
		loaded string
		want   bool // acme, in updates/, is claimed
	}{
		{"not said", nil, "", true},
		{"said, not loaded", []string{`hostonly="yes"`}, "other", false},
		{"said, loaded", []string{`hostonly="yes"`}, "acme", true},
		{"taken back", []string{`hostonly="yes"`, "hostonly=no"}, "other", true},
		{"kept", []string{`hostonly="yes"`, "compress=zstd"}, "other", false},
		{"in a branch", []string{`if x; then hostonly="yes"; fi`}, "other", true},
		{"computed", []string{`hostonly=yes`, `hostonly=$x`}, "other", true},
		{"named", []string{`hostonly="yes"; add_drivers+=" acme "`}, "other", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := initramfs.Claims{Loaded: func(name string) bool { return name == tt.loaded }}
			for _, conf := range tt.confs {
				c.AddDracut([]byte(conf))
			}
			c.AddDepmod(nil)
			assert.Equal(t, tt.want, c.Claimed(modules("acme"), index()))
		})
	}
}

func TestWhatIsNotKnownIsClaimed(t *testing.T) {
	var c initramfs.Claims
	assert.False(t, c.Claimed(modules("acme"), index()))
	c.Unknown()
	assert.True(t, c.Claimed(modules("acme"), index()))
}

func TestAnIndexMayBeMissing(t *testing.T) {
	var c initramfs.Claims
	c.AddList([]byte("acme\n=net\n"))
	none := initramfs.ParseIndex(nil, nil)
	assert.True(t, c.Claimed(modules("acme"), none))
	assert.True(t, c.Claimed(modules("kernel/net/other.ko"), none))
	assert.False(t, c.Claimed(modules("acme_base"), none))
}

func TestSetting(t *testing.T) {
	tests := []struct {
		name, text, value string
		set, certain      bool
	}{
		{"none", "", "", false, true},
		{"plain", "MODULES=most\n", "most", true, true},
		{"quoted", "# MODULES=dep\nMODULES=\"list\" # x\n", "list", true, true},
		{"the last", "MODULES=most\nMODULES=dep", "dep", true, true},
		{"another key", "XMODULES=list MODULES2=dep", "", false, true},
		{"in a branch", "if x; then MODULES=list; fi", "list", true, false},
		{"branches elsewhere", "if x; then Y=1; fi", "", false, true},
		{"computed", "MODULES=$x", "$x", true, false},
		{"another file", ". /etc/x", "", false, false},
		{"read", "read MODULES", "", false, false},
		{"unended", "MODULES='list", "list", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			value, set, certain := initramfs.Setting([]byte(tt.text), "MODULES")
			assert.Equal(t, tt.value, value)
			assert.Equal(t, tt.set, set, "set")
			assert.Equal(t, tt.certain, certain, "certain")
		})
	}
}
