package divert_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"koweld/divert"
	"koweld/internal/dpkg"
)

// found are the kinds of findings with the diverted names.
func found(s *scene) []string {
	var all []string
	for _, f := range divert.Check(s.state()) {
		name := f.Diversion.From
		if name == "" {
			name = "/usr"
		}
		all = append(all, string(f.Kind)+" "+name)
	}
	return all
}

func TestCheck(t *testing.T) {
	on := func(names ...string) []string { return names }
	tests := []struct {
		name    string
		layouts []string
		make    func(s *scene)
		want    []string
	}{
		{"nothing is diverted", on("split", "merged", "bind"), func(*scene) {}, nil},
		{"as it should be", on("split", "merged", "bind"), func(s *scene) {
			s.ships("acme", "/usr/bin/x")
			s.ships("other", "/usr/bin/x")
			s.file("/usr/bin/x", "acme's")
			s.file("/usr/bin/x.distrib", "other's")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.distrib", Package: "acme"})
		}, nil},
		{"nobody has it yet", on("split", "merged"), func(s *scene) {
			s.ships("acme", "/bin/x")
			s.diverts(divert.Diversion{From: "/bin/x", To: "/bin/x.distrib", Package: "acme"})
		}, nil},
		// DEP17 P3: what became of molly-guard when systemd-sysv moved to /usr.
		{"the package ships the other spelling", on("merged", "bind"), func(s *scene) {
			s.ships("molly-guard", "/sbin/halt")
			s.ships("systemd-sysv", "/usr/sbin/halt")
			s.folder("/usr/lib/molly-guard")
			s.file("/usr/sbin/halt", "systemd's")
			s.diverts(divert.Diversion{From: "/sbin/halt", To: "/lib/molly-guard/halt", Package: "molly-guard"})
		}, []string{"ineffective /sbin/halt"}},
		{"on a split system that is another file", on("split"), func(s *scene) {
			s.ships("molly-guard", "/sbin/halt")
			s.ships("systemd-sysv", "/usr/sbin/halt")
			s.folder("/lib/molly-guard")
			s.diverts(divert.Diversion{From: "/sbin/halt", To: "/lib/molly-guard/halt", Package: "molly-guard"})
		}, nil},
		{"of a local one as well, and the other way round", on("merged"), func(s *scene) {
			s.ships("other", "/bin/x")
			s.file("/bin/x", "other's")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.mine"})
		}, []string{"ineffective /usr/bin/x"}},
		{"by the spelling that systemd-nspawn's /lib64 has", on("merged", "bind"), func(s *scene) {
			s.folder("/usr/lib/x86_64-linux-gnu")
			s.link("/lib64", "usr/lib/x86_64-linux-gnu")
			s.ships("other", "/usr/lib/x86_64-linux-gnu/a.so", "/lib/x86_64-linux-gnu/b.so")
			s.diverts(divert.Diversion{From: "/lib64/a.so", To: "/lib64/a.so.mine"}, divert.Diversion{From: "/lib64/b.so", To: "/lib64/b.so.mine"})
		}, []string{"ineffective /lib64/a.so", "ineffective /lib64/b.so"}},
		{"both spellings, M18", on("merged", "bind"), func(s *scene) {
			s.ships("molly-guard", "/usr/sbin/halt")
			s.ships("systemd-sysv", "/usr/sbin/halt")
			s.file("/usr/sbin/halt", "guard's")
			s.file("/usr/sbin/halt.no", "systemd's")
			s.diverts(
				divert.Diversion{From: "/sbin/halt", To: "/sbin/halt.no.usr-is-merged", Package: "molly-guard"},
				divert.Diversion{From: "/usr/sbin/halt", To: "/usr/sbin/halt.no", Package: "molly-guard"},
			)
		}, nil},
		{"both spellings, while the package has the aliased one", on("merged"), func(s *scene) {
			s.ships("molly-guard", "/usr/sbin/halt")
			s.ships("systemd-sysv", "/sbin/halt")
			s.file("/usr/sbin/halt", "guard's")
			s.file("/usr/sbin/halt.no.usr-is-merged", "systemd's")
			s.diverts(
				divert.Diversion{From: "/sbin/halt", To: "/sbin/halt.no.usr-is-merged", Package: "molly-guard"},
				divert.Diversion{From: "/usr/sbin/halt", To: "/usr/sbin/halt.no", Package: "molly-guard"},
			)
		}, nil},
		{"both spellings, and the file moved by the wrong one", on("merged"), func(s *scene) {
			s.ships("molly-guard", "/usr/sbin/halt")
			s.ships("systemd-sysv", "/sbin/halt")
			s.file("/usr/sbin/halt", "guard's")
			s.file("/usr/sbin/halt.no", "systemd's")
			s.diverts(
				divert.Diversion{From: "/sbin/halt", To: "/sbin/halt.no.usr-is-merged", Package: "molly-guard"},
				divert.Diversion{From: "/usr/sbin/halt", To: "/usr/sbin/halt.no", Package: "molly-guard"},
			)
			for _, f := range divert.Check(s.state()) {
				assert.Contains(s.t, f.Text, "there is a file at /usr/sbin/halt.no")
			}
		}, []string{"missing /sbin/halt"}},
		{"both spellings to one place", on("merged", "bind"), func(s *scene) {
			s.diverts(divert.Diversion{From: "/bin/x", To: "/bin/x.real"}, divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.real"})
		}, []string{"clash /bin/x"}},
		{"which are two places on a split system", on("split"), func(s *scene) {
			s.diverts(divert.Diversion{From: "/bin/x", To: "/bin/x.real"}, divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.real"})
		}, nil},
		{"a protective one, M8", on("merged", "bind"), func(s *scene) {
			s.ships("libc6", "/usr/lib/ld.so")
			s.file("/usr/lib/ld.so", "x")
			s.diverts(divert.Diversion{From: "/lib/ld.so", To: "/lib/ld.so.usr-is-merged", Package: "libc6"})
		}, nil},
		{"a protective one of a link to a folder, M4", on("merged"), func(s *scene) {
			s.folder("/usr/lib32")
			s.link("/lib32", "usr/lib32")
			s.ships("base-files", "/lib32")
			s.diverts(divert.Diversion{From: "/lib32", To: "/.lib32.usr-is-merged", Package: "base-files"})
		}, nil},
		// LP: #1982534, after the conversion.
		{"onto itself", on("merged", "bind"), func(s *scene) {
			s.ships("libgcrypt20-hmac", "/lib/x.hmac")
			s.file("/usr/lib/x.hmac", "x")
			s.diverts(divert.Diversion{From: "/lib/x.hmac", To: "/usr/lib/x.hmac"})
		}, []string{"onto-itself /lib/x.hmac"}},
		{"the old file is still in use", on("split"), func(s *scene) {
			s.ships("libgcrypt20-hmac", "/lib/x.hmac")
			s.file("/lib/x.hmac", "x")
			s.diverts(divert.Diversion{From: "/lib/x.hmac", To: "/usr/lib/x.hmac"})
		}, []string{"unmoved /lib/x.hmac"}},
		{"the diverted file is nowhere", on("split", "merged"), func(s *scene) {
			s.ships("acme", "/usr/bin/x")
			s.ships("other", "/usr/bin/x")
			s.file("/usr/bin/x", "acme's")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.distrib", Package: "acme"})
		}, []string{"missing /usr/bin/x"}},
		{"a package has the target", on("split", "merged"), func(s *scene) {
			s.ships("third", "/usr/bin/x.distrib")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.distrib"})
		}, []string{"target-owned /usr/bin/x"}},
		{"a package has the target by the other spelling", on("merged", "bind"), func(s *scene) {
			s.ships("third", "/bin/x.distrib")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.distrib"})
		}, []string{"target-owned /usr/bin/x"}},
		{"and on a split system it has not", on("split"), func(s *scene) {
			s.ships("third", "/bin/x.distrib")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.distrib"})
		}, nil},
		{"the target is a folder", on("split"), func(s *scene) {
			s.folder("/usr/bin/y")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/y"})
		}, []string{"target-owned /usr/bin/x"}},
		{"the folder of the target is missing", on("split", "merged"), func(s *scene) {
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/no/x"})
		}, []string{"no-folder /usr/bin/x"}},
		{"the folder of the target is missing, and so is the file", on("split", "merged"), func(s *scene) {
			s.ships("other", "/usr/bin/x")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/no/x"})
		}, []string{"no-folder /usr/bin/x"}},
		{"two go to one place", on("merged"), func(s *scene) {
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/z"}, divert.Diversion{From: "/usr/bin/y", To: "/bin/z"})
		}, []string{"clash /usr/bin/x"}},
		{"one goes to where another begins", on("merged"), func(s *scene) {
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/y"}, divert.Diversion{From: "/bin/y", To: "/bin/z"})
		}, []string{"clash /usr/bin/x"}},
		{"the holder is gone", on("split", "merged"), func(s *scene) {
			s.pkg("acme", dpkg.Package{Status: "config-files"})
			s.diverts(
				divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.distrib", Package: "acme"},
				divert.Diversion{From: "/usr/bin/y", To: "/usr/bin/y.distrib", Package: "unknown"},
			)
		}, []string{"orphan /usr/bin/x", "orphan /usr/bin/y"}},
		{"the holder is being installed", on("merged"), func(s *scene) {
			s.pkg("acme", dpkg.Package{Status: "half-installed"})
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/bin/x.distrib", Package: "acme"})
		}, nil},
		{"a spelling that no package has", on("split"), func(s *scene) {
			s.ships("other", "/usr/bin/x")
			s.diverts(divert.Diversion{From: "/usr//bin/x", To: "/usr/bin/x.distrib"}, divert.Diversion{From: "/usr/bin/../y", To: "/usr/bin/y"})
		}, []string{"unclean /usr//bin/x", "unclean /usr/bin/../y"}},
		{"a conffile", on("split", "merged"), func(s *scene) {
			s.folder("/etc")
			s.file("/etc/x.distrib", "x")
			s.pkg("other", dpkg.Package{Conffiles: []string{"/etc/x"}})
			s.ships("other", "/etc/x")
			s.diverts(divert.Diversion{From: "/etc/x", To: "/etc/x.distrib"})
		}, []string{"conffile /etc/x"}},
		{"a folder", on("split"), func(s *scene) {
			s.folder("/usr/share/x")
			s.diverts(divert.Diversion{From: "/usr/share/x", To: "/usr/share/y"})
		}, []string{"folder /usr/share/x"}},
		{"a loop on the way", on("split"), func(s *scene) {
			s.link("/loop", "loop")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/loop/x"}, divert.Diversion{From: "/loop/y", To: "/usr/bin/y"})
		}, []string{"unreachable /loop/y", "unreachable /usr/bin/x"}},
		{"a file on the way", on("split"), func(s *scene) {
			s.file("/usr/file", "x")
			s.diverts(divert.Diversion{From: "/usr/bin/x", To: "/usr/file/x"})
		}, []string{"unreachable /usr/bin/x"}},
		{"/usr is being merged", on("converting"), func(*scene) {}, []string{"layout /usr"}},
		{"/usr is being merged, file by file", on("split"), func(s *scene) {
			s.file("/usr/lib/x", "x")
			s.link("/lib/x", "/usr/lib/x")
			s.diverts(divert.Diversion{From: "/lib/x", To: "/lib/x.mine"})
		}, []string{"layout /lib/x"}},
		{"/usr is half merged", on("partial"), func(s *scene) {
			s.ships("other", "/usr/bin/x", "/usr/lib/y")
			s.file("/usr/bin/x", "x")
			s.diverts(divert.Diversion{From: "/bin/x", To: "/bin/x.mine"}, divert.Diversion{From: "/lib/y", To: "/lib/y.mine"})
		}, []string{"layout /usr", "ineffective /bin/x"}},
		{"by a folder that is a link", on("split"), func(s *scene) {
			s.folder("/usr/lib/tst")
			s.link("/lib/tst", "/usr/lib/tst")
			s.diverts(divert.Diversion{From: "/lib/tst/x", To: "/usr/lib/tst/x"})
		}, []string{"onto-itself /lib/tst/x"}},
	}
	for _, tt := range tests {
		for _, layout := range tt.layouts {
			t.Run(tt.name+"/"+layout, func(t *testing.T) {
				s := newScene(t, layout)
				s.ships("acme")
				tt.make(s)
				assert.Equal(t, tt.want, found(s))
				for _, f := range divert.Check(s.state()) {
					assert.NotEmpty(t, f.Text)
					assert.NotEmpty(t, f.Source)
					assert.NotEmpty(t, f.Severity)
				}
			})
		}
	}
}
