package manifest

// Linker says how GNU ld is called for the way "link".
type Linker struct {
	Emulation  string   // ld -m; "" leaves ld's default
	Script     string   // absolute path, ld -T of the final link; "" for none
	Flags      []string // of the final link
	InnerFlags []string // of the inner ld -r steps
	Recorded   Recorded // what linked the modules when they were signed
	Pos        Pos
}

// Recorded identifies the linker of the build.
type Recorded struct {
	Name    string // e.g. "GNU ld"
	Version string // e.g. "2.40"
	Path    string // absolute path to try first; "" means ld.bfd on PATH
}
