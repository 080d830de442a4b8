package divert_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"koweld/divert"
	"koweld/internal/dpkg"
)

// bare is a scene without top folders.
func bare(t *testing.T) *scene {
	s := newScene(t, "split")
	for _, top := range []string{"bin", "sbin", "lib"} {
		require.NoError(t, os.Remove(s.host("/"+top)))
	}
	return s
}

func TestLayouts(t *testing.T) {
	tests := []struct {
		name string
		make func(s *scene)
		want divert.Usr
		top  string // one to look at, and its state
		is   divert.TopState
		why  string
	}{
		{"nothing there", func(*scene) {}, divert.Split, "lib", divert.TopAbsent, ""},
		{"folders", func(s *scene) { s.folder("/bin"); s.folder("/lib") }, divert.Split, "lib", divert.TopSplit, ""},
		{"links", func(s *scene) { s.link("/bin", "usr/bin"); s.link("/lib", "usr/lib") }, divert.Merged, "lib", divert.TopMerged, ""},
		{"links of any spelling", func(s *scene) { s.link("/bin", "/usr/bin"); s.link("/lib", "./usr/../usr//lib/") }, divert.Merged, "lib", divert.TopMerged, ""},
		{"links in /usr", func(s *scene) {
			require.NoError(s.t, os.Remove(s.host("/usr/lib")))
			s.folder("/lib")
			s.link("/usr/lib", "../lib")
		}, divert.Merged, "lib", divert.TopMerged, ""},
		{"lib64 as systemd-nspawn makes it", func(s *scene) {
			s.folder("/usr/lib/x86_64-linux-gnu")
			s.link("/lib", "usr/lib")
			s.link("/lib64", "usr/lib/x86_64-linux-gnu")
		}, divert.Merged, "lib64", divert.TopMerged, ""},
		{"a mount", func(s *scene) { s.link("/bin", "usr/bin"); s.folder("/lib"); s.bind("/usr/lib", "/lib") }, divert.Bind, "lib", divert.TopBind, ""},
		{"one of each", func(s *scene) { s.link("/bin", "usr/bin"); s.folder("/lib") }, divert.Partial, "lib", divert.TopSplit, "some folders are merged and some are not"},
		{"a link to nothing", func(s *scene) { s.link("/lib", "usr/nothing") }, divert.Partial, "lib", divert.TopBroken, "/lib is a link to nothing"},
		{"a loop", func(s *scene) { s.link("/lib", "lib") }, divert.Partial, "lib", divert.TopBroken, "/lib is a link to nothing"},
		{"a link elsewhere", func(s *scene) { s.folder("/opt/lib"); s.link("/lib", "opt/lib") }, divert.Partial, "lib", divert.TopBroken, "/lib is a link to /opt/lib"},
		{"a link to another in /usr", func(s *scene) { s.link("/bin", "usr/sbin") }, divert.Partial, "bin", divert.TopBroken, "/bin is a link to /usr/sbin"},
		{"a file", func(s *scene) { s.file("/lib", "x") }, divert.Partial, "lib", divert.TopBroken, "/lib is not a folder"},
		{"a link to a file", func(s *scene) { s.file("/usr/lib64", "x"); s.link("/lib64", "usr/lib64") }, divert.Partial, "lib64", divert.TopBroken, "/lib64 is a link to what is no folder"},
		{"usrmerge is half-configured", func(s *scene) {
			s.folder("/lib")
			s.pkg("usrmerge", dpkg.Package{Status: "half-configured"})
		}, divert.Converting, "lib", divert.TopSplit, "the package usrmerge is half-configured"},
		{"usrmerge is done", func(s *scene) {
			s.link("/lib", "usr/lib")
			s.pkg("usrmerge", dpkg.Package{Status: "installed"})
		}, divert.Merged, "lib", divert.TopMerged, ""},
		{"usrmerge was killed", func(s *scene) { s.link("/lib", "usr/lib"); s.folder("/lib~~delete~usrmerge~~") }, divert.Converting, "lib", divert.TopMerged, "there is /lib~~delete~usrmerge~~"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := bare(t)
			tt.make(s)
			l, err := divert.MeasureLayout(s.fs, s.known["usrmerge"].Status)
			require.NoError(t, err)
			assert.Equal(t, tt.want, l.Usr)
			assert.Equal(t, tt.why, l.Why)
			top := l.Top("/" + tt.top + "/x")
			require.NotNil(t, top)
			assert.Equal(t, tt.is, top.State)
			assert.Same(t, top, l.Top("/usr/"+tt.top+"/x"))
			assert.Nil(t, l.Top("/opt/x"))
		})
	}
}

func TestAPlaceIsAFolderAndNotAString(t *testing.T) {
	for _, layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			s := newScene(t, layout)
			s.file("/usr/lib/there/x", "x")
			s.folder("/usr/lib/aliased")
			if layout == "split" {
				s.folder("/lib/there")
				s.link("/lib/aliased", "/usr/lib/aliased") // one folder only
			}
			st := s.state(divert.Want{From: "/usr/lib/there/x", To: "/usr/lib/there/y"}, divert.Want{From: "/usr/lib/missing/x", To: "/y"}, divert.Want{From: "/usr/lib/aliased/z", To: "/z"})
			one := layout == "merged" || layout == "bind"
			for _, name := range []string{"there/x", "there/y", "missing/x"} {
				a, b := st.Names["/usr/lib/"+name], st.Names["/lib/"+name]
				require.NotNil(t, a, name)
				require.NotNil(t, b, name)
				assert.Equal(t, one, a.Entry == b.Entry, name)
			}
			if layout == "split" {
				assert.Equal(t, st.Names["/usr/lib/aliased/z"].Entry, st.Names["/lib/aliased/z"].Entry)
			}
			assert.True(t, st.Names["/usr/lib/there/y"].Entry.HasFolder())
			assert.False(t, st.Names["/usr/lib/missing/x"].Entry.HasFolder())
		})
	}
}
