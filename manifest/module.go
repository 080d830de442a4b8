package manifest

// Module is one kernel module.
type Module struct {
	Name      string // without .ko; as modprobe knows it
	Form      []Form // ways to the image, in order; the first that gives it wins
	Image     Image
	Signature string // absolute path of the detached signature
	Install   string // clean path relative to the kernel's module folder, ends in .ko
	Compress  Compression
	Pos       Pos
}

// Target is Install with the suffix of the compression.
func (m *Module) Target() string { return m.Install + m.Compress.Suffix() }

// Form is one way to form an image; exactly one of Whole, Link and Recipe is
// set.
type Form struct {
	Whole  string // absolute path of an unsigned module, plain or compressed
	Link   []Input
	Recipe string   // absolute path of a recipe, plain or compressed by zstd
	Inputs []string // absolute paths of the recipe's objects in its order, at least one, no two the same
	Pos    Pos
}

// Input of a link: an object file, or a step of ld -r that makes one.
type Input struct {
	Object  string  // absolute path of an object; "" for a step
	Name    string  // base name that ld sees; of a step, the name of its output
	Objects []Input // inputs of the step
	Pos     Pos
}

// Image identifies the bytes that were signed.
type Image struct {
	SHA256 string // hex
	Size   int64  // bytes
}

// Compression of a placed module.
type Compression string

// The compressions that kernels and kmod know.
const (
	None Compression = "none"
	Gzip Compression = "gzip"
	XZ   Compression = "xz"
	Zstd Compression = "zstd"
)

// Suffix is what the compression adds to a file's name: "", .gz, .xz or .zst.
func (c Compression) Suffix() string {
	switch c {
	case Gzip:
		return ".gz"
	case XZ:
		return ".xz"
	case Zstd:
		return ".zst"
	}
	return ""
}
