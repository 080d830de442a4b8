package initramfs_test

import (
	"testing"

	"koweld/internal/initramfs"
)

// FuzzClaims reads a text in each way. What a list or a plain assignment before
// it asks for is claimed all the same, and a text that only comments claims nothing.
func FuzzClaims(f *testing.F) {
	for _, text := range []string{
		"acme debug=1\n=net\n", "# x\n\n", "add_drivers+=\" a b \"\nomit_drivers='c'\n", "hostonly=\"yes\"\n",
		"if x; then . /y; fi", "copy_modules_dir kernel/net a.ko \\\n b", "x=\"$x =drivers/net\"", "cat <<E\ndon't\nE\n",
		"search updates x built-in\noverride a * b\n", "a=(", "'", "\"\\", "\\", "$(", "#",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		index := initramfs.ParseIndex([]byte(text), []byte(text))
		touched := modules("koweldfuzz", text)
		_, _ = initramfs.Holds([]byte(text), touched)
		_, _, _ = initramfs.Setting([]byte(text), "MODULES")

		var list, dracut, script, depmod, comment initramfs.Claims
		depmod.AddDepmod([]byte(text))
		_ = depmod.Claimed(touched, index)
		list.AddList([]byte("koweldfuzz\n" + text))
		dracut.AddDracut([]byte("add_drivers+=' koweldfuzz '\n" + text))
		script.AddScript([]byte("instmods koweldfuzz\n" + text))
		for name, c := range map[string]*initramfs.Claims{"list": &list, "dracut.conf": &dracut, "hook": &script} {
			if !c.Claimed(touched, index) {
				t.Errorf("%s: what is asked for is not claimed", name)
			}
		}
		comment.AddScript([]byte("# " + firstLine(text)))
		comment.AddDracut([]byte("# " + firstLine(text)))
		comment.AddList([]byte("# " + firstLine(text)))
		if comment.Claimed(touched, index) {
			t.Error("a comment claims")
		}
	})
}

func firstLine(text string) string {
	for i := range len(text) {
		if text[i] == '\n' {
			return text[:i]
		}
	}
	return text
}
