package quirks_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/quirks"
)

// known is a system of which all is known that the tables ask for.
func known() *quirks.Facts {
	return &quirks.Facts{
		OS:      quirks.Known(quirks.OS{ID: "ubuntu", Codename: "focal", Version: "20.04"}),
		Upgrade: quirks.Known(quirks.Upgrade{}),
		Arch:    quirks.Known("amd64"),
		Layout:  quirks.Known(quirks.Layout{Usr: "split", Tops: map[string]string{"lib": "split", "lib64": "broken"}}),
		Packages: map[string]quirks.Fact[[]quirks.Instance]{
			"tool":    quirks.Known([]quirks.Instance{{Arch: "amd64", Status: "installed", Version: "1.5"}}),
			"two":     quirks.Known([]quirks.Instance{{Arch: "amd64", Status: "installed", Version: "1"}, {Arch: "i386", Status: "unpacked", Version: "2"}}),
			"halfway": quirks.Known([]quirks.Instance{{Arch: "amd64", Status: "half-installed", Version: "1.5"}}),
			"conf":    quirks.Known([]quirks.Instance{{Arch: "amd64", Status: "config-files", Version: "1.5"}}),
			"gone":    quirks.Known([]quirks.Instance(nil)),
			"indep":   quirks.Known([]quirks.Instance{{Arch: "all", Status: "installed", Version: "1"}}),
			"dark":    quirks.NotKnown[[]quirks.Instance]("dpkg-query failed"),
		},
		Incoming: quirks.Changes{List: []quirks.Change{
			{Package: "tool", Arch: "amd64", Version: "2.0"},
			{Package: "two", Arch: "i386"},
			{Package: "dark", Version: "3"},
			{Package: "indep", Arch: "amd64", Version: "2"},
		}},
		Candidate: quirks.Changes{List: []quirks.Change{{Package: "halfway", Arch: "amd64", Version: "1.6"}}},
		Paths: map[string]quirks.Path{
			"/f":    path(quirks.File, "aa", quirks.Owner{Package: "tool", As: "/f", Version: "1.5"}),
			"/d":    path(quirks.File, "bb", quirks.Owner{Package: "tool", As: "/d", Version: "1.5"}),
			"/none": path(quirks.NoFile, ""),
			"/dir":  path(quirks.Dir, ""),
			"/dark": {},
			"/eio":  {Kind: quirks.Known(quirks.File), SHA256: quirks.NotKnown[string]("I/O error")},
		},
		Relations: map[quirks.Pair]quirks.Fact[quirks.Relation]{
			{A: "/f", B: "/d"}: quirks.Known(quirks.Distinct),
			{A: "/f", B: "/e"}: quirks.NotKnown[quirks.Relation]("/e may not be looked at"),
		},
		Diversions: quirks.Known([]quirks.Diversion{
			{From: "/d", To: "/d.real", Package: "other"}, {From: "/l", To: "/l.real"},
		}),
		FIPS:    quirks.Known(true),
		Running: quirks.Known("5.4.0-84-generic"),
		Kernels: quirks.Known([]string{"5.4.0-84-generic", "6.1.0-42-amd64"}),
		Dpkg:    quirks.Known("1.19.0.5ubuntu2"),
	}
}

func path(kind quirks.Kind, sum string, owners ...quirks.Owner) quirks.Path {
	p := quirks.Path{Kind: quirks.Known(kind), Mode: quirks.Known(uint32(0o644)), Owners: quirks.Known(owners)}
	if kind == quirks.File {
		p.SHA256 = quirks.Known(digest(sum))
		p.Verified = quirks.Known(true)
	}
	return p
}

func digest(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

// one is a quirk of the administrator with a condition, which says something.
func one(t testing.TB, condition string) *quirks.Quirk {
	t.Helper()
	return readOne(t, "    keep: {when: "+condition+", do: [message: {text: holds}]}\n")
}

// readOne is a quirk of the administrator.
func readOne(t testing.TB, body string) *quirks.Quirk {
	t.Helper()
	return readFor(t, body, true)
}

func readFor(t testing.TB, body string, admin bool) *quirks.Quirk {
	t.Helper()
	data := "koweld: 1\npackage: acme\nquirks:\n  - id: x\n    title: t\n" + body
	all, err := quirks.Parse(quirks.Source{File: "x.yaml", Data: []byte(data), Admin: admin}, host)
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all[0]
}

func TestConditions(t *testing.T) {
	const (
		yes   = quirks.True
		no    = quirks.False
		maybe = quirks.Unknown
	)
	dark := func(f *quirks.Facts) { *f = quirks.Facts{} }
	tests := []struct {
		name      string
		condition string
		change    func(f *quirks.Facts)
		want      quirks.Truth
		says      string // of the leaf
	}{
		{"os", `{os: {id: ubuntu, release: [bionic, focal]}}`, nil, yes, "ubuntu focal 20.04"},
		{"os by version", `{os: {release: "20.04"}}`, nil, yes, ""},
		{"another os", `{os: {id: debian, release: focal}}`, nil, no, "ubuntu focal 20.04"},
		{"another release", `{os: {id: ubuntu, release: jammy}}`, nil, no, "ubuntu focal 20.04"},
		{"os not known", `{os: {id: ubuntu}}`, func(f *quirks.Facts) { f.OS = quirks.NotKnown[quirks.OS]("there is no os-release") }, maybe, "there is no os-release"},
		{"no upgrade of the release", `{os: {from: bionic}}`, nil, no, "no upgrade of the release is under way"},
		{"an upgrade", `{os: {from: bionic, to: [focal, jammy]}}`, func(f *quirks.Facts) {
			f.Upgrade = quirks.Known(quirks.Upgrade{From: "bionic", To: "focal"})
		}, yes, "an upgrade from bionic to focal"},
		{"another upgrade", `{os: {from: bionic, to: focal}}`, func(f *quirks.Facts) {
			f.Upgrade = quirks.Known(quirks.Upgrade{From: "bionic", To: "jammy"})
		}, no, "an upgrade from bionic to jammy"},
		{"upgrade not known", `{os: {to: focal}}`, func(f *quirks.Facts) { f.Upgrade = quirks.Fact[quirks.Upgrade]{} }, maybe, "it was not looked at"},
		{"another os is enough, whatever the upgrade", `{os: {id: debian, to: focal}}`, func(f *quirks.Facts) { f.Upgrade = quirks.Fact[quirks.Upgrade]{} }, no, ""},

		{"arch", `{arch: [amd64, s390x]}`, nil, yes, "amd64"},
		{"another arch", `{arch: s390x}`, nil, no, "amd64"},
		{"arch not known", `{arch: amd64}`, dark, maybe, "it was not looked at"},

		{"layout", `{layout: {is: split}}`, nil, yes, "split"},
		{"another layout", `{layout: {is: [merged, bind]}}`, nil, no, "split"},
		{"top folder", `{layout: {dir: /lib, is: split}}`, nil, yes, "split"},
		{"broken top folder", `{layout: {dir: /lib64, is: split}}`, nil, no, "broken"},
		{"top folder not known", `{layout: {dir: /bin, is: split}}`, nil, maybe, "it was not looked at"},
		{"layout not known", `{layout: {dir: /lib, is: split}}`, dark, maybe, "it was not looked at"},

		{"package", `{package: {name: tool}}`, nil, yes, "1.5, installed"},
		{"package of the arch", `{package: {name: tool, arch: amd64}}`, nil, yes, "1.5, installed"},
		{"package of another arch", `{package: {name: tool, arch: i386}}`, nil, no, "it is not there"},
		{"conffiles only", `{package: {name: conf}}`, nil, no, "1.5, config-files"},
		{"no package", `{package: {name: gone}}`, nil, no, "it is not there"},
		{"half a package is one", `{package: {name: halfway}}`, nil, yes, ""},
		{"package not known", `{package: {name: dark}}`, nil, maybe, "dpkg-query failed"},
		{"package not looked at", `{package: {name: never}}`, nil, maybe, "it was not looked at"},
		{"state", `{package: {name: tool, state: [unpacked, installed]}}`, nil, yes, ""},
		{"another state", `{package: {name: tool, state: unpacked}}`, nil, no, "1.5, installed"},
		{"state of one of two", `{package: {name: two, state: unpacked}}`, nil, yes, "1, installed; 2, unpacked"},
		{"state and version of two", `{package: {name: two, state: unpacked, version: {eq: "1"}}}`, nil, no, ""},
		{"not-installed is a state", `{package: {name: gone, state: [not-installed, config-files]}}`, nil, yes, ""},
		{"config-files is a state", `{package: {name: conf, state: [not-installed, config-files]}}`, nil, yes, ""},
		{"version", `{package: {name: tool, version: {ge: "1.5", lt: "1.6~"}}}`, nil, yes, "1.5, installed"},
		{"version below", `{package: {name: tool, version: {gt: "1.5"}}}`, nil, no, ""},
		{"version of half a package", `{package: {name: halfway, version: {eq: "1.5"}}}`, nil, maybe, "which version it has is not certain (1.5, half-installed)"},
		{"version of conffiles", `{package: {name: conf, version: {eq: "1.5"}}}`, nil, no, ""},
		{"incoming", `{package: {name: tool, view: incoming, version: {ge: "2"}}}`, nil, yes, "2.0, incoming"},
		{"incoming is removed", `{package: {name: two, view: incoming}}`, nil, no, "it is not"},
		{"incoming not told", `{package: {name: gone, view: incoming}}`, nil, maybe, "no transaction was told"},
		{"incoming told, and not of it", `{package: {name: gone, view: incoming}}`, func(f *quirks.Facts) { f.Incoming.Complete = true }, no, "it is not"},
		{"candidate", `{package: {name: halfway, view: candidate, version: {eq: "1.6"}}}`, nil, yes, "1.6, candidate"},
		{"candidate not told", `{package: {name: tool, view: candidate}}`, nil, maybe, "no upgrader has told"},
		{"candidate told, and not of it", `{package: {name: tool, view: candidate}}`, func(f *quirks.Facts) { f.Candidate.Complete = true }, no, ""},
		{"effective is the incoming one", `{package: {name: tool, view: effective, version: {eq: "2.0"}}}`, nil, yes, "2.0, incoming"},
		{"effective is the candidate", `{package: {name: halfway, view: effective, version: {eq: "1.6"}}}`, nil, yes, "1.6, candidate"},
		{"effective is the installed one", `{package: {name: tool, view: effective, version: {eq: "1.5"}}}`, func(f *quirks.Facts) { f.Incoming = quirks.Changes{} }, yes, "1.5, installed"},
		{"incoming goes before candidate", `{package: {name: tool, view: effective, version: {eq: "2.0"}}}`, func(f *quirks.Facts) {
			f.Candidate.List = append(f.Candidate.List, quirks.Change{Package: "tool", Arch: "amd64", Version: "9"})
		}, yes, "2.0, incoming"},
		{"effective of another architecture stays", `{package: {name: two, view: effective, arch: amd64, version: {eq: "1"}}}`, nil, yes, ""},
		{"effective is removed", `{package: {name: two, view: effective, arch: i386}}`, nil, no, "it is not there"},
		{"effective without dpkg", `{package: {name: dark, view: effective, version: {eq: "3"}}}`, nil, yes, "3, incoming"},
		{"all is the native architecture", `{package: {name: indep, view: effective, version: {eq: "1"}}}`, nil, no, "2, incoming"},

		{"file", `{path: {path: /f, is: [file, symlink]}}`, nil, yes, "it is a file"},
		{"absent", `{path: {path: /none, is: absent}}`, nil, yes, "it is absent"},
		{"no file", `{path: {path: /dir, is: file}}`, nil, no, "it is a folder"},
		{"path not known", `{path: {path: /dark, is: file}}`, nil, maybe, "it was not looked at"},
		{"bytes", `{path: {path: /f, sha256: [` + digest("aa") + `]}}`, nil, yes, ""},
		{"other bytes", `{path: {path: /f, sha256: ` + digest("cc") + `}}`, nil, no, ""},
		{"bytes of a folder", `{path: {path: /dir, sha256: ` + digest("aa") + `}}`, nil, no, "it is a folder"},
		{"bytes not known", `{path: {path: /eio, sha256: ` + digest("aa") + `}}`, nil, maybe, "I/O error"},
		{"mode", `{path: {path: /f, is: file, mode: "0644"}}`, nil, yes, "it is a file, its mode is 0644"},
		{"another mode", `{path: {path: /f, mode: "0600"}}`, nil, no, "its mode is 0644"},
		{"mode of nothing", `{path: {path: /none, mode: "0600"}}`, nil, no, "it is absent"},
		{"mode not known", `{path: {path: /eio, mode: "0600"}}`, nil, maybe, ""},

		{"owner", `{owner: {path: /f, is: tool}}`, nil, yes, "tool does"},
		{"another owner", `{owner: {path: /f, is: [none, other]}}`, nil, no, "tool does"},
		{"nobody", `{owner: {path: /none, is: none}}`, nil, yes, "nobody does"},
		{"anybody", `{owner: {path: /f, is: any}}`, nil, yes, ""},
		{"not anybody", `{owner: {path: /none, is: any}}`, nil, no, ""},
		{"self", `{owner: {path: /f, is: self}}`, nil, no, ""},
		{"undiverted", `{owner: {path: /f, is: any-undiverted}}`, nil, yes, ""},
		{"diverted", `{owner: {path: /d, is: any-undiverted}}`, nil, no, "tool does, and its file is diverted"},
		{"undiverted not known", `{owner: {path: /d, is: any-undiverted}}`, func(f *quirks.Facts) {
			f.Diversions = quirks.NotKnown[[]quirks.Diversion]("the file is damaged")
		}, maybe, "the file is damaged"},
		{"owner not known", `{owner: {path: /dark, is: none}}`, nil, maybe, "it was not looked at"},

		{"not diverted", `{diversion: {path: /f, is: none}}`, nil, yes, "it is in no diversion"},
		{"diverted by a package", `{diversion: {path: /d, is: "package:other"}}`, nil, yes, "it is diverted to /d.real by other"},
		{"diverted by another", `{diversion: {path: /d, is: [none, local]}}`, nil, no, "it is diverted to /d.real by other"},
		{"diverted locally", `{diversion: {path: /l, is: local, to: /l.real}}`, nil, yes, ""},
		{"diverted elsewhere", `{diversion: {path: /l, is: local, to: /l.other}}`, nil, no, ""},
		{"diverted at all", `{diversion: {path: /d, is: any}}`, nil, yes, ""},
		{"a target", `{diversion: {path: /d.real, is: target}}`, nil, yes, "/d is diverted to it by other"},
		{"a target is not none", `{diversion: {path: /d.real, is: none}}`, nil, no, ""},
		{"not ours", `{diversion: {path: /d, is: ours}}`, nil, no, ""},
		{"diversions not known", `{diversion: {path: /d, is: none}}`, dark, maybe, "it was not looked at"},

		{"relation", `{relation: {of: [/f, /d], is: [distinct, absent]}}`, nil, yes, "they are distinct"},
		{"another relation", `{relation: {of: [/f, /d], is: same-entry}}`, nil, no, "they are distinct"},
		{"relation not known", `{relation: {of: [/f, /e], is: distinct}}`, nil, maybe, "/e may not be looked at"},

		{"fips", `{fips: true}`, nil, yes, "it is"},
		{"no fips", `{fips: false}`, nil, no, "it is"},
		{"fips not known", `{fips: true}`, dark, maybe, ""},

		{"running kernel", `{kernel: {version: {lt: "5.5"}}}`, nil, yes, "5.4.0-84-generic"},
		{"another running kernel", `{kernel: {version: {ge: "6.1"}}}`, nil, no, ""},
		{"an installed kernel", `{kernel: {view: installed, version: {ge: "6.1"}}}`, nil, yes, "5.4.0-84-generic, 6.1.0-42-amd64"},
		{"no such kernel", `{kernel: {view: installed, version: {ge: "7"}}}`, nil, no, ""},
		{"no kernel", `{kernel: {view: installed, version: {ge: "6"}}}`, func(f *quirks.Facts) { f.Kernels = quirks.Known([]string(nil)) }, no, "there is none"},
		{"kernel not known", `{kernel: {version: {ge: "6"}}}`, dark, maybe, ""},
		{"kernel that is no version", `{kernel: {version: {ge: "6"}}}`, func(f *quirks.Facts) { f.Running = quirks.Known("a b") }, maybe, "a b is no version that can be compared"},

		{"dpkg", `{dpkg: {version: {lt: 1.19.1}}}`, nil, yes, "1.19.0.5ubuntu2"},
		{"a later dpkg", `{dpkg: {version: {ge: 1.19.1}}}`, nil, no, ""},
		{"dpkg not known", `{dpkg: {version: {ge: 1.19.1}}}`, dark, maybe, ""},

		{"all", `{all: [{fips: true}, {arch: amd64}]}`, nil, yes, ""},
		{"all but one", `{all: [{fips: true}, {arch: s390x}]}`, nil, no, ""},
		{"all with an unknown", `{all: [{fips: true}, {path: {path: /dark, is: file}}]}`, nil, maybe, ""},
		{"all with an unknown and a false", `{all: [{fips: false}, {path: {path: /dark, is: file}}]}`, nil, no, ""},
		{"any", `{any: [{fips: false}, {arch: amd64}]}`, nil, yes, ""},
		{"none of any", `{any: [{fips: false}, {arch: s390x}]}`, nil, no, ""},
		{"any with an unknown", `{any: [{fips: false}, {path: {path: /dark, is: file}}]}`, nil, maybe, ""},
		{"any with an unknown and a true", `{any: [{fips: true}, {path: {path: /dark, is: file}}]}`, nil, yes, ""},
		{"not", `{not: {fips: false}}`, nil, yes, ""},
		{"not true", `{not: {fips: true}}`, nil, no, ""},
		{"not known", `{not: {path: {path: /dark, is: file}}}`, nil, maybe, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := known()
			if tt.change != nil {
				tt.change(f)
			}
			d := quirks.Decide(one(t, tt.condition), f, nil, quirks.Manual)
			require.NotNil(t, d.When)
			assert.Equal(t, tt.want, d.When.Is, "%+v", d.When)
			if tt.says != "" {
				assert.Equal(t, tt.says, d.When.Found+d.When.Why)
			}
			if d.When.Of == nil && tt.want == maybe {
				assert.NotEmpty(t, d.When.Why, "an unknown has a reason")
			}
		})
	}
}
