package divert_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/divert"
	"koweld/internal/dpkg"
)

const (
	x      = "/usr/bin/x"
	target = "/usr/bin/x.distrib"
)

var (
	acme     = divert.Want{From: x, To: target, Package: "acme"}
	byAcme   = divert.Diversion{From: x, To: target, Package: "acme"}
	aliased  = divert.Diversion{From: "/bin/x", To: "/bin/x.distrib.usr-is-merged", Package: "acme"}
	released = divert.Want{From: x, Package: "acme", Absent: true}
)

const (
	record        = "record the diversion of /usr/bin/x to /usr/bin/x.distrib by acme"
	recordAliased = "record the diversion of /bin/x to /bin/x.distrib.usr-is-merged by acme"
	forget        = "forget the diversion of /usr/bin/x to /usr/bin/x.distrib by acme"
	forgetAliased = "forget the diversion of /bin/x to /bin/x.distrib.usr-is-merged by acme"
	away          = "move /usr/bin/x to /usr/bin/x.distrib"
	awayAliased   = "move /bin/x to /bin/x.distrib.usr-is-merged"
	back          = "move /usr/bin/x.distrib to /usr/bin/x"
)

func TestPlan(t *testing.T) {
	tests := []struct {
		name string
		make func(s *scene)
		want divert.Want
		// The steps on a split system, and on one that is merged by links or
		// mounts; nil is none.
		split, merged []string
	}{
		{"nobody has the file", func(*scene) {}, acme, []string{record}, []string{record, recordAliased}},
		{"another package's file is moved", func(s *scene) {
			s.ships("other", x)
			s.file(x, "other's")
		}, acme, []string{record, away}, []string{record, recordAliased, away}},
		{"nobody's file is moved", func(s *scene) { s.file(x, "x") }, acme, []string{record, away}, []string{record, recordAliased, away}},
		{"to where its package has it", func(s *scene) {
			s.ships("other", "/bin/x")
			s.file("/bin/x", "other's")
		}, acme, []string{record}, []string{record, recordAliased, awayAliased}},
		{"the holder's own stays", func(s *scene) {
			s.ships("acme", x)
			s.file(x, "acme's")
		}, acme, []string{record}, []string{record, recordAliased}},
		{"nothing is moved on request", func(s *scene) {
			s.ships("other", x)
			s.file(x, "other's")
		}, divert.Want{From: x, To: target, Package: "acme", NoMove: true}, []string{record}, []string{record, recordAliased}},
		{"it is so already", func(s *scene) {
			s.ships("acme", x)
			s.ships("other", x)
			s.file(x, "acme's")
			s.file(target, "other's")
			s.diverts(byAcme, aliased)
		}, acme, nil, nil},
		{"it is so already, and the holder has a link to nothing there", func(s *scene) {
			s.ships("acme", x)
			s.link(x, "nothing")
			s.diverts(byAcme, aliased)
		}, acme, nil, nil},
		{"two packages have it by two spellings, and each has its file", func(s *scene) {
			s.ships("other", x)
			s.ships("another", "/bin/x")
			s.file(x, "acme's, made by its postinst")
			s.file(target, "other's")
			s.file("/bin/x.distrib.usr-is-merged", "another's")
			s.diverts(byAcme, aliased)
		}, acme, nil, nil},
		{"one spelling is missing", func(s *scene) {
			s.ships("acme", x)
			s.file(x, "acme's")
			s.diverts(byAcme)
		}, acme, nil, []string{recordAliased}},
		{"killed before the move", func(s *scene) {
			s.ships("other", x)
			s.file(x, "other's")
			s.diverts(byAcme, aliased)
		}, acme, []string{away}, []string{away}},
		{"killed within a move by two links", func(s *scene) {
			s.ships("other", x)
			s.file(target, "other's")
			require.NoError(s.t, unix.Link(s.host(target), s.host(x)))
			s.diverts(byAcme, aliased)
		}, acme, []string{"unlink /usr/bin/x, which is /usr/bin/x.distrib too"}, []string{"unlink /usr/bin/x, which is /usr/bin/x.distrib too"}},
		{"the next version has come to the target", func(s *scene) {
			s.ships("other", x)
			s.file(x, "old")
			s.file(target, "new")
			s.diverts(byAcme, aliased)
		}, acme, nil, nil},
		{"a file of nobody's after it was recorded is the holder's work", func(s *scene) {
			s.file(x, "x")
			s.diverts(byAcme, aliased)
		}, acme, nil, nil},
		{"a local one", func(s *scene) {
			s.ships("other", x)
			s.file(x, "other's")
		}, divert.Want{From: x, To: target}, []string{"record the local diversion of /usr/bin/x to /usr/bin/x.distrib", away}, []string{
			"record the local diversion of /usr/bin/x to /usr/bin/x.distrib",
			"record the local diversion of /bin/x to /bin/x.distrib.usr-is-merged", away,
		}},
		{"a link", func(s *scene) {
			s.ships("other", x)
			s.file("/usr/bin/tool", "tool")
			s.link(x, "tool")
		}, acme, []string{record, away}, []string{record, recordAliased, away}},
		{
			"a name outside the top folders", func(s *scene) { s.folder("/usr/share") },
			divert.Want{From: "/usr/share/x", To: "/usr/share/y"},
			[]string{"record the local diversion of /usr/share/x to /usr/share/y"},
			[]string{"record the local diversion of /usr/share/x to /usr/share/y"},
		},

		{"there is nothing to take back", func(*scene) {}, released, nil, nil},
		{"the file comes back", func(s *scene) {
			s.ships("other", x)
			s.file(target, "other's")
			s.diverts(byAcme, aliased)
		}, released, []string{back, forgetAliased, forget}, []string{back, forgetAliased, forget}},
		{"from the target of the other spelling", func(s *scene) {
			s.ships("other", "/bin/x")
			s.file("/bin/x.distrib.usr-is-merged", "other's")
			s.diverts(byAcme, aliased)
		}, released, []string{"move /bin/x.distrib.usr-is-merged to /bin/x", forgetAliased, forget}, []string{"move /bin/x.distrib.usr-is-merged to /bin/x", forgetAliased, forget}},
		{"the pair on a system where the two names are two files", func(s *scene) {
			s.file(target, "one")
			if _, err := os.Stat(s.host("/bin/x.distrib")); err != nil { // they are
				s.file("/bin/x.distrib.usr-is-merged", "two")
			}
			s.diverts(byAcme, aliased)
		}, released, []string{back, "move /bin/x.distrib.usr-is-merged to /bin/x", forgetAliased, forget}, []string{back, forgetAliased, forget}},
		{"killed after the move", func(s *scene) {
			s.ships("other", x)
			s.file(x, "other's")
			s.diverts(byAcme, aliased)
		}, released, []string{forgetAliased, forget}, []string{forgetAliased, forget}},
		{"killed between the two", func(s *scene) {
			s.ships("other", x)
			s.file(x, "other's")
			s.diverts(byAcme)
		}, released, []string{forget}, []string{forget}},
		{"killed within a move back by two links", func(s *scene) {
			s.ships("other", x)
			s.file(target, "other's")
			require.NoError(s.t, unix.Link(s.host(target), s.host(x)))
			s.diverts(byAcme)
		}, released, []string{"unlink /usr/bin/x.distrib, which is /usr/bin/x too", forget}, []string{"unlink /usr/bin/x.distrib, which is /usr/bin/x too", forget}},
		{"the target is a package's by now", func(s *scene) {
			s.ships("third", target)
			s.file(target, "third's")
			s.diverts(byAcme)
		}, released, []string{forget}, []string{forget}},
		{"an intruder is put aside", func(s *scene) {
			s.ships("other", x)
			s.file(x, "intruder")
			s.file(x+".koweld-saved-1", "an older one")
			s.file(target, "other's")
			s.diverts(byAcme)
		}, divert.Want{From: x, Package: "acme", Absent: true, Save: true}, []string{"move /usr/bin/x to /usr/bin/x.koweld-saved-2", back, forget}, []string{"move /usr/bin/x to /usr/bin/x.koweld-saved-2", back, forget}},
		{"the file stays at the target on request", func(s *scene) {
			s.ships("other", x)
			s.file(target, "other's")
			s.diverts(byAcme)
		}, divert.Want{From: x, Package: "acme", Absent: true, NoMove: true}, []string{forget}, []string{forget}},
		{"a protective one of the other spelling stays", func(s *scene) {
			s.diverts(byAcme, divert.Diversion{From: "/bin/x", To: "/bin/x.usr-is-merged", Package: "acme"})
		}, released, []string{forget}, []string{forget}},
		{"an orphan, by the name of its holder", func(s *scene) {
			s.ships("other", x)
			s.file(target, "other's")
			s.diverts(divert.Diversion{From: x, To: target, Package: "gone"})
		}, divert.Want{From: x, Package: "gone", Absent: true}, []string{back, "forget the diversion of /usr/bin/x to /usr/bin/x.distrib by gone"}, []string{back, "forget the diversion of /usr/bin/x to /usr/bin/x.distrib by gone"}},
		{"an ineffective one, by its own name", func(s *scene) {
			s.diverts(divert.Diversion{From: "/bin/x", To: "/bin/x.old", Package: "acme"})
		}, divert.Want{From: "/bin/x", Package: "acme", Absent: true}, []string{"forget the diversion of /bin/x to /bin/x.old by acme"}, []string{"forget the diversion of /bin/x to /bin/x.old by acme"}},
		// What dpkg-divert --rename would delete.
		{"one onto itself", func(s *scene) {
			s.ships("other", "/bin/x")
			s.file("/bin/x", "other's")
			s.diverts(divert.Diversion{From: "/bin/x", To: "/usr/bin/x"})
		}, divert.Want{From: "/bin/x", Absent: true}, []string{"forget the local diversion of /bin/x to /usr/bin/x"}, []string{"forget the local diversion of /bin/x to /usr/bin/x"}},
	}
	for _, tt := range tests {
		for _, layout := range []string{"split", "merged", "bind"} {
			t.Run(tt.name+"/"+layout, func(t *testing.T) {
				s := newScene(t, layout)
				tt.make(s)
				want := tt.merged
				if layout == "split" {
					want = tt.split
				}
				steps, err := s.plan(tt.want)
				require.NoError(t, err)
				assert.Equal(t, want, lines(steps))
			})
		}
	}
}

// The diversion of LP: #1982534 is for split systems alone.
func TestPlanOfTheMisplacedHMAC(t *testing.T) {
	const lib, usr = "/lib/x.hmac", "/usr/lib/x.hmac"
	w := divert.Want{From: lib, To: usr, NoMove: true}
	for _, layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			s := newScene(t, layout)
			s.ships("libgcrypt20-hmac", lib)
			s.file(lib, "old")
			steps, err := s.plan(w)
			switch layout {
			case "merged", "bind":
				refusedFor(t, err, divert.OnePlace, "")
			case "converting":
				refusedFor(t, err, divert.NotConverted, "usrmerge")
			default:
				require.NoError(t, err)
				assert.Equal(t, []string{"record the local diversion of /lib/x.hmac to /usr/lib/x.hmac"}, lines(steps))
			}
			// It was recorded before the conversion: it goes, and nothing is moved.
			s.diverts(divert.Diversion{From: lib, To: usr})
			steps, err = s.plan(divert.Want{From: lib, To: usr, Absent: true})
			if layout == "converting" {
				refusedFor(t, err, divert.NotConverted, "usrmerge")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, []string{"forget the local diversion of /lib/x.hmac to /usr/lib/x.hmac"}, lines(steps))
		})
	}
}

func refusedFor(t testing.TB, err error, why divert.Reason, holder string) {
	t.Helper()
	var refused *divert.RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, why, refused.Reason, "%v", err)
	assert.Equal(t, holder, refused.Holder, "%v", err)
	assert.NotEmpty(t, refused.Hint())
	if holder != "" {
		assert.Contains(t, refused.Error(), holder)
	}
}

func TestPlanRefuses(t *testing.T) {
	local := func(from, to string) divert.Want { return divert.Want{From: from, To: to} }
	both := []string{"split", "merged", "bind"}
	tests := []struct {
		name    string
		layouts []string
		make    func(s *scene)
		want    divert.Want
		why     divert.Reason
		holder  string
	}{
		{"a relative name", both, nil, local("usr/bin/x", target), divert.NotClean, ""},
		{"a relative target", both, nil, local(x, "x.distrib"), divert.NotClean, ""},
		{"no target", both, nil, local(x, ""), divert.NotClean, ""},
		{"a name with dots", both, nil, local("/usr/bin/../x", target), divert.NotClean, ""},
		{"a name with two slashes", both, nil, local("/usr//bin/x", target), divert.NotClean, ""},
		{"a target that ends in a slash", both, nil, local(x, "/usr/bin/y/"), divert.NotClean, ""},
		{"a newline", both, nil, local(x, "/usr/bin/y\n:"), divert.NotClean, ""},
		{"a zero byte", both, nil, local(x, "/usr/bin/y\x00"), divert.NotClean, ""},
		{"a holder that would be taken for a local one", both, nil, divert.Want{From: x, To: target, Package: ":"}, divert.NotClean, ""},
		{"a holder of two lines", both, nil, divert.Want{From: x, To: target, Package: "a\nb"}, divert.NotClean, ""},
		{"the root", both, nil, local("/", target), divert.NotClean, ""},
		{"the aliased spelling", both[1:], nil, local("/bin/x", target), divert.NotCanonical, ""},
		{"the aliased spelling of the target", both[1:], nil, local(x, "/bin/y"), divert.NotCanonical, ""},
		{"itself", both, nil, local(x, x), divert.OnePlace, ""},
		{"itself by a link", both, func(s *scene) { s.link("/opt", "usr/bin") }, local("/usr/bin/x", "/opt/x"), divert.OnePlace, ""},
		{"another package diverts it", both, func(s *scene) {
			s.diverts(divert.Diversion{From: x, To: "/usr/bin/x.rival", Package: "rival"})
		}, acme, divert.Diverted, "rival"},
		{"another package diverts it, to the same name", both, func(s *scene) {
			s.diverts(divert.Diversion{From: x, To: target, Package: "rival"})
		}, acme, divert.Diverted, "rival"},
		{"another package diverts the other spelling", both[1:], func(s *scene) {
			s.diverts(divert.Diversion{From: "/bin/x", To: "/bin/x.rival", Package: "rival"})
		}, acme, divert.Diverted, "rival"},
		{"the administrator diverts it", both, func(s *scene) {
			s.diverts(divert.Diversion{From: x, To: target})
		}, acme, divert.Diverted, ""},
		{"it is diverted elsewhere", both, func(s *scene) {
			s.diverts(divert.Diversion{From: x, To: "/usr/bin/x.old", Package: "acme"})
		}, acme, divert.Diverted, "acme"},
		{"the target is another's", both, func(s *scene) {
			s.diverts(divert.Diversion{From: "/usr/bin/y", To: target, Package: "rival"})
		}, acme, divert.Diverted, "rival"},
		{"the target is diverted", both, func(s *scene) {
			s.diverts(divert.Diversion{From: target, To: "/usr/bin/y", Package: "rival"})
		}, acme, divert.Diverted, "rival"},
		{"it is a target", both, func(s *scene) {
			s.diverts(divert.Diversion{From: "/usr/bin/y", To: x, Package: "rival"})
		}, acme, divert.Diverted, "rival"},
		{"the target is another's, by the other spelling", both[1:], func(s *scene) {
			s.diverts(divert.Diversion{From: "/bin/y", To: "/bin/x.distrib", Package: "rival"})
		}, acme, divert.Diverted, "rival"},
		{"a package ships the target", both, func(s *scene) { s.ships("third", target) }, acme, divert.Owned, "third"},
		{"a package ships the other spelling of the target", both[1:], func(s *scene) { s.ships("third", "/bin/x.distrib") }, acme, divert.Owned, "third"},
		{"the folder of the target is missing", both, nil, local(x, "/usr/bin/no/x"), divert.NoParent, ""},
		{"a loop on the way", both, func(s *scene) { s.link("/loop", "loop") }, local(x, "/loop/x"), divert.NoWay, ""},
		{"a link to nothing on the way", both, func(s *scene) { s.link("/dead", "nothing") }, local("/dead/x", target), divert.NoWay, ""},
		{"a file on the way", both, func(s *scene) { s.file("/file", "x") }, local(x, "/file/x"), divert.NoWay, ""},
		{"a conffile", both, func(s *scene) {
			s.pkg("other", dpkg.Package{Conffiles: []string{"/etc/x"}})
			s.ships("other", "/etc/x")
			s.file("/etc/x", "x")
		}, local("/etc/x", "/etc/y"), divert.IsConffile, "other"},
		{"a folder", both, func(s *scene) { s.folder(x) }, acme, divert.IsFolder, ""},
		{"an empty folder at the target", both, func(s *scene) { s.folder(target) }, acme, divert.IsFolder, ""},
		{"a FIFO", both, func(s *scene) { require.NoError(s.t, unix.Mkfifo(s.host(x), 0o600)) }, acme, divert.IsSpecial, ""},
		{"a link to nothing", both, func(s *scene) { s.link(x, "nothing") }, acme, divert.Dangling, ""},
		{"a loop", both, func(s *scene) { s.link(x, "x") }, acme, divert.Dangling, ""},
		{"a link to nothing at the target", both, func(s *scene) { s.link(target, "nothing") }, acme, divert.Dangling, ""},
		{"a link to the target", both, func(s *scene) { s.file(target, "x"); s.link(x, "x.distrib") }, acme, divert.Linked, ""},
		{"the target is a link to it", both, func(s *scene) { s.file(x, "x"); s.link(target, "x") }, acme, divert.Linked, ""},
		{"a link for each file", []string{"split"}, func(s *scene) { s.file(x, "x"); s.link("/bin/x", "/usr/bin/x") }, local("/bin/x", "/bin/y"), divert.Linked, ""},
		{"one file mounted on both", both, func(s *scene) {
			s.file(x, "x")
			s.file(target, "")
			s.bind(x, target)
		}, acme, divert.Mounted, ""},
		{"a file mounted on it", both, func(s *scene) {
			s.file("/else", "mounted")
			s.file(x, "x")
			s.bind("/else", x)
		}, acme, divert.Mounted, ""},
		{"a file mounted on what was diverted", both, func(s *scene) {
			s.file("/else", "mounted")
			s.file(target, "other's")
			s.bind("/else", target)
			s.diverts(byAcme)
		}, released, divert.Mounted, ""},
		{"a file mounted where one is to come back", both, func(s *scene) {
			s.file("/else", "mounted")
			s.file(x, "")
			s.file(target, "other's")
			s.bind("/else", x)
			s.diverts(byAcme)
		}, divert.Want{From: x, Package: "acme", Absent: true, Save: true}, divert.Mounted, ""},
		{"another file at the target", both, func(s *scene) {
			s.ships("other", x)
			s.file(x, "same bytes")
			s.file(target, "same bytes")
		}, acme, divert.Exists, ""},
		{"an essential package's", both, func(s *scene) {
			s.pkg("other", dpkg.Package{Essential: true})
			s.ships("other", x)
			s.file(x, "x")
		}, acme, divert.IsEssential, "other"},
		{"the holder and another ship it by two spellings", both[1:], func(s *scene) {
			s.ships("acme", x)
			s.ships("other", "/bin/x")
			s.file(x, "whose?")
		}, acme, divert.Shared, "other"},
		{"two others ship it by two spellings", both[1:], func(s *scene) {
			s.ships("another", x)
			s.ships("other", "/bin/x")
			s.file(x, "whose?")
		}, acme, divert.Shared, "another"},
		{"/usr is being merged", []string{"converting"}, nil, acme, divert.NotConverted, "usrmerge"},
		{"/usr is being merged, whatever else there is", []string{"converting"}, func(s *scene) { s.ships("third", target) }, acme, divert.NotConverted, "usrmerge"},
		{"a broken top folder", []string{"partial"}, nil, local("/usr/sbin/x", "/usr/sbin/y"), divert.BrokenLayout, ""},

		{"the diversion to take back is another's", both, func(s *scene) {
			s.diverts(divert.Diversion{From: x, To: target, Package: "rival"})
		}, released, divert.Diverted, "rival"},
		{"the administrator's", both, func(s *scene) { s.diverts(divert.Diversion{From: x, To: target}) }, released, divert.Diverted, ""},
		{"it goes elsewhere", both, func(s *scene) {
			s.diverts(divert.Diversion{From: x, To: "/usr/bin/x.old", Package: "acme"})
		}, divert.Want{From: x, To: target, Package: "acme", Absent: true}, divert.Diverted, "acme"},
		{"the holder still ships it", both, func(s *scene) {
			s.ships("acme", x)
			s.file(x, "acme's")
			s.file(target, "other's")
			s.diverts(byAcme)
		}, released, divert.HolderShips, "acme"},
		{"there is an intruder", both, func(s *scene) {
			s.file(x, "intruder")
			s.file(target, "other's")
			s.diverts(byAcme)
		}, released, divert.Exists, ""},
		{"a folder came in its place", both, func(s *scene) {
			s.folder(x)
			s.file(target, "other's")
			s.diverts(byAcme)
		}, divert.Want{From: x, Package: "acme", Absent: true, Save: true}, divert.IsFolder, ""},
		{"files at both targets", both[1:], func(s *scene) {
			s.file(target, "one")
			s.file("/bin/x.distrib.usr-is-merged", "two")
			s.diverts(byAcme, aliased)
		}, released, divert.UnclearTarget, ""},
		{"its folder is gone", both, func(s *scene) {
			s.folder("/opt")
			s.file("/opt/x", "x")
			s.diverts(divert.Diversion{From: "/opt/gone/x", To: "/opt/x"})
		}, divert.Want{From: "/opt/gone/x", Absent: true}, divert.NoParent, ""},
	}
	for _, tt := range tests {
		for _, layout := range tt.layouts {
			t.Run(tt.name+"/"+layout, func(t *testing.T) {
				s := newScene(t, layout)
				if tt.make != nil {
					tt.make(s)
				}
				steps, err := s.plan(tt.want)
				assert.Empty(t, steps)
				refusedFor(t, err, tt.why, tt.holder)
			})
		}
	}
}

func TestStepArguments(t *testing.T) {
	d := divert.Diversion{From: x, To: target}
	tests := []struct {
		name     string
		step     divert.Step
		norename bool
		want     []string
	}{
		{"a local one", divert.Step{Record: &d}, true, []string{"--quiet", "--no-rename", "--local", "--divert", target, "--add", x}},
		{"of a package", divert.Step{Forget: &byAcme}, true, []string{"--quiet", "--no-rename", "--package", "acme", "--divert", target, "--remove", x}},
		{"dpkg 1.19.0.5", divert.Step{Record: &byAcme}, false, []string{"--quiet", "--package", "acme", "--divert", target, "--add", x}},
		{"none of dpkg's", divert.Step{Move: &divert.Move{From: x, To: target}}, true, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, tt.step.Args(tt.norename)) })
	}
}
