package recipe

import "koweld/assemble/elf64"

// Raw is a recipe of which everything is open: with it tests write what Make
// would not.
type Raw struct {
	Machine  elf64.Machine
	Rules    Rules
	Needs    string
	Size     int64
	SHA256   [32]byte
	Inputs   []Input
	Header   []byte
	Sections []RawSection
	Anchors  []RawAnchor
	Aliases  []byte
	Gaps     []RawGap
	Digests  []byte
}

type RawSection struct {
	elf64.Section
	Content        uint8
	Program, Names []byte
}

type RawAnchor struct {
	Section, From uint64
	Out           uint32
	To            uint64
}

type RawGap struct {
	At    uint64
	Bytes []byte
}

const (
	ContentNone    = uint8(contentNone)
	ContentBytes   = uint8(contentBytes)
	ContentRelocs  = uint8(contentRelocs)
	ContentSymbols = uint8(contentSymbols)
	ContentStrings = uint8(contentStrings)
	ContentShndx   = uint8(contentShndx)

	OpLiteral, OpZero, OpWhole, OpCopy  = opLiteral, opZero, opWhole, opCopy
	OpRun, OpList, OpSections, OpPatch  = opRun, opList, opSections, opPatch
	OpKeep, OpDrop, OpAdd               = opKeep, opDrop, opAdd
	ModeSort, ModeInputOrder, ModeZero  = modeSort, modeInputOrder, modeZero
	PatchName, PatchInfo, PatchShndx    = patchName, patchInfo, patchShndx
	PatchValue, PatchSize, PatchSource  = patchValue, patchSize, patchSource
	MagicSize, ChecksumSize, DigestSize = len(magic), checksumSize, digestSize
)

// Raw opens a recipe.
func (r *Recipe) Raw() *Raw {
	raw := &Raw{
		Machine: r.Machine, Rules: r.Rules, Needs: r.Needs, Size: r.Size, SHA256: r.SHA256, Inputs: r.Inputs,
		Header: r.header, Aliases: r.aliases.b, Digests: r.digests,
	}
	for _, s := range r.sections {
		raw.Sections = append(raw.Sections, RawSection{s.Section, uint8(s.content), s.program.b, s.names.b})
	}
	for _, a := range r.anchors {
		raw.Anchors = append(raw.Anchors, RawAnchor{a.section, a.from, a.out, a.to})
	}
	for _, g := range r.gaps {
		raw.Gaps = append(raw.Gaps, RawGap{g.at, g.bytes})
	}
	return raw
}

// Encode writes the recipe, however wrong it is.
func (raw *Raw) Encode() []byte {
	r := &Recipe{
		Machine: raw.Machine, Rules: raw.Rules, Needs: raw.Needs, Size: raw.Size, SHA256: raw.SHA256, Inputs: raw.Inputs,
		header: raw.Header, aliases: span{b: raw.Aliases}, digests: raw.Digests,
	}
	for _, s := range raw.Sections {
		r.sections = append(r.sections, section{
			Section: s.Section, content: content(s.Content), program: span{b: s.Program}, names: span{b: s.Names},
		})
	}
	for _, a := range raw.Anchors {
		r.anchors = append(r.anchors, anchor{a.Section, a.From, a.Out, a.To})
	}
	for _, g := range raw.Gaps {
		r.gaps = append(r.gaps, gap{g.At, g.Bytes})
	}
	return r.Encode()
}

// Program writes the program of a section.
type Program struct{ w writer }

func (p *Program) Op(kind, arg uint64) *Program { p.w.op(kind, arg); return p }
func (p *Program) Uint(v ...uint64) *Program {
	for _, n := range v {
		p.w.uint(n)
	}
	return p
}

func (p *Program) Int(v ...int64) *Program {
	for _, n := range v {
		p.w.uint(zigzag(n))
	}
	return p
}
func (p *Program) Raw(b []byte) *Program     { p.w.bytes(b); return p }
func (p *Program) Literal(b []byte) *Program { return p.Op(opLiteral, uint64(len(b))).Raw(b) }
func (p *Program) Whole(step int64) *Program { return p.Op(opWhole, zigzag(step)) }
func (p *Program) Copy(step, from int64, length uint64) *Program {
	return p.Op(opCopy, zigzag(step)).Int(from).Uint(length)
}
func (p *Program) Bytes() []byte { return p.w.b }
