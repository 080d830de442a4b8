package recipe

import (
	"koweld/assemble/elf64"
)

// Limits of what is decoded, formed and made.
const (
	MaxInputs = 1 << 16 // objects
	MaxImage  = 2 << 30 // bytes of an image
	MaxRecipe = 1 << 28 // bytes of a recipe

	// An image has at most MaxGrowth times as many bytes as recipe and objects
	// have together, and FreeGrowth more.
	MaxGrowth  = 16
	FreeGrowth = 1 << 20
)

// Version is the version of the format that this package reads and writes. It
// is released: what has this version keeps its meaning for ever.
const Version = 1

// Input is an object that an image is formed from.
type Input struct {
	Name   string // base name, for messages; the applier looks nothing up by it
	Size   uint64 // bytes
	SHA256 [32]byte
}

// Rules is the set of rules that a recipe needs to be applied: what linkers
// decide by rule, and what the recipe therefore does not spell out. The
// numbers are part of the format.
type Rules uint64

// The rules; docs/recipe-format.md defines them.
const (
	RuleTailMerge   Rules         = 1 << iota // names of symbols: in order of first use, suffixes merged
	RuleSortRelocs                            // relocations sorted by offset, those of one offset kept in order
	RuleInputOrder                            // relocations in the order of the inputs, not of placement
	RuleZeroDropped                           // a relocation against what was discarded is zeroed, not left out
	RuleShndx                                 // extended section indices follow from the symbols
	RuleSectionSyms                           // section symbols, one for each section of the image
	allRules        = 1<<iota - 1             //
)

// Recipe says how an image is formed from objects. It is immutable and safe
// for concurrent use. One that [Parse] returned keeps the bytes it was parsed
// from.
type Recipe struct {
	Machine elf64.Machine
	Rules   Rules
	Needs   string // the first release of koweld that knows the rules, 0.1 say
	Size    int64  // of the image, bytes
	SHA256  [32]byte
	Inputs  []Input

	header   []byte // the ELF header of the image
	sections []section
	anchors  []anchor // ascending by section, then by from
	aliases  span
	gaps     []gap  // ascending by at, disjoint
	digests  []byte // digestSize bytes for each section
	encoded  int    // bytes of the recipe itself
}

// span is a part of a recipe that is decoded when it is used, so that decoding
// never takes more memory than the recipe itself.
type span struct {
	b  []byte
	at int // offset in the recipe
}

func (s span) reader() reader { return reader{b: s.b, at: s.at} }

// content says how the bytes of a section are formed.
type content uint8

const (
	contentNone    content = iota // no bytes of its own in the file, or in gaps
	contentBytes                  // a program of copies and literals
	contentRelocs                 // mapped relocations
	contentSymbols                // the symbol table
	contentStrings                // names of symbols by RuleTailMerge
	contentShndx                  // by RuleShndx
	contents                      // number of them
)

// section is a section of the image.
type section struct {
	elf64.Section
	content content
	program span // of contentBytes, contentRelocs and contentSymbols
	names   span // of contentSymbols: st_name of each symbol, if no rule gives it
}

// anchor ties an offset in a section of the inputs to one in the image: from
// it to the next anchor of its section, addresses keep their distance to it.
type anchor struct {
	section uint64 // number of a section of the inputs
	from    uint64 // offset in it
	out     uint32 // index of a section of the image
	to      uint64 // offset in that
}

// gap is bytes of the image that lie in no section and are not zero.
type gap struct {
	at    uint64
	bytes []byte
}

// digestSize is the length of a section's digest: the first bytes of its
// SHA-256. It serves messages; what decides is the digest of the image.
const digestSize = 4

// Operations of a contentBytes program.
const (
	opLiteral = iota
	opZero
	opWhole
	opCopy
)

// Operations of a contentSymbols program.
const (
	opRun = iota
	opList
	opSections
	opPatch
)

// Fields of a symbol that opPatch gives; those it does not give are those of
// the source, or zero if there is none.
const (
	patchName = 1 << iota
	patchInfo
	patchOther
	patchShndx
	patchValue
	patchSize
	patchSource
	patchEnd
)

// Operations of a contentRelocs program, behind its mode.
const (
	opKeep = iota
	opDrop
	opAdd
)

// Modes of a contentRelocs program: which rules hold for it.
const (
	modeSort = 1 << iota
	modeInputOrder
	modeZero
	modeEnd
)
