package scenario

import "testing"

// TestMultiArch has two instances of a package that is Multi-Arch: same: the
// modules go with the last.
func TestMultiArch(t *testing.T) {
	both := func(s *scene) {
		s.must("--add-architecture", "i386")
		s.must("--install", "+objects-1.0", "+signatures-1.0", "+modules-1.0-same-amd64", "+modules-1.0-same-i386")
		s.holds("1.0", "both are installed")
	}
	name := packages["modules"]
	ends := func(s *scene) {
		s.must(named("--purge", "objects", "signatures")...)
		s.asBefore("purged")
	}
	eachCase(t, func(s *scene) {
		for _, order := range [][]string{{name + ":amd64", name + ":i386"}, {name + ":i386", name + ":amd64"}} {
			s.sub(order[0]+" first", func(s *scene) {
				both(s)
				s.must("--remove", order[0])
				s.holds("1.0", "one is removed")
				s.must("--purge", order[0])
				s.holds("1.0", "one is purged")
				s.verifies("one is purged")
				s.must("--purge", order[1])
				s.holds("none", "both are purged")
				ends(s)
			})
			s.sub(order[0]+" first, at once", func(s *scene) {
				both(s)
				s.must("--purge", order[0], order[1])
				s.holds("none", "both are purged")
				ends(s)
			})
		}
		s.sub("without koweld", func(s *scene) {
			both(s)
			s.koweldGoes("--purge", "koweld")
			s.must("--purge", name+":amd64")
			s.holds("1.0", "one is purged")
			s.must("--purge", name+":i386")
			s.holds("none", "both are purged")
			s.koweldComes()
			ends(s)
		})
	})
}
