package recipe

// checkProgram goes once over the program of a section: every operation must be
// whole, so that those who use it later meet only what the objects may lack.
func (d *decoder) checkProgram(s *section) {
	if d.err != nil {
		return
	}
	r := s.program.reader()
	switch s.content {
	case contentBytes:
		checkBytes(&r)
	case contentRelocs:
		d.used |= checkRelocs(&r)
	}
	if r.err != nil {
		d.err = r.err
	}
}

func checkBytes(r *reader) {
	for !r.done() {
		kind, arg := r.op()
		switch kind {
		case opLiteral:
			if arg == 0 || arg > uint64(len(r.b)) {
				r.fail("a literal is empty or cut off")
				return
			}
			r.skip(int(arg))
		case opZero:
			if arg == 0 && r.err == nil {
				r.fail("a run of zeros is empty")
			}
		case opCopy:
			r.uint()
			if r.uint() == 0 && r.err == nil {
				r.fail("a copy is empty")
			}
		}
	}
}

// checkSymbols checks that there are count symbols. They have names only if
// those are formed by a rule.
func checkSymbols(r *reader, count uint64, named bool) (used Rules) {
	left := count
	for !r.done() {
		kind, arg := r.op()
		n := arg
		if kind == opPatch {
			n = 1
		}
		if (n == 0 || n > left) && r.err == nil {
			r.fail("%d symbols for the room of %d", n, left)
		}
		left -= n
		switch kind {
		case opList:
			for range r.elements(arg) {
				r.uint()
			}
		case opSections:
			used |= RuleSectionSyms
		case opPatch:
			if r.patch(arg); arg&patchName != 0 && !named && r.err == nil {
				r.fail("the name of a symbol is given twice")
			}
		}
	}
	if left > 0 && r.err == nil {
		r.fail("%d of %d symbols are missing", left, count)
	}
	return used
}

// checkNames checks that count names are spelt out, or none if a rule gives
// them.
func checkNames(r *reader, count uint64, named bool) {
	if named {
		count = 0
	}
	var at uint64
	for ; count > 0 && r.err == nil; count-- {
		if at = r.delta(at); at >= 1<<32 && r.err == nil {
			r.fail("the name of a symbol is at %d", at)
		}
	}
	if !r.done() {
		r.fail("there are more names than symbols")
	}
}

// elements checks that n elements of at least a byte can follow.
func (r *reader) elements(n uint64) int {
	if n > uint64(len(r.b)) {
		r.fail("a list is cut off")
		return 0
	}
	return int(n)
}

// patch is what opPatch gives of a symbol.
type patch struct {
	mask        uint64
	source      uint64 // as a difference, still coded
	name        []byte
	info, other uint8
	shndx       uint16
	section     uint32 // if shndx is SHN_XINDEX
	value, size uint64
}

func (r *reader) patch(mask uint64) (p patch) {
	p.mask = mask
	if mask >= patchEnd && r.err == nil {
		r.fail("a symbol has fields that are not known")
		return p
	}
	if mask&patchSource != 0 {
		p.source = r.uint()
	}
	if mask&patchName != 0 {
		p.name = r.counted("the name of a symbol")
		for _, c := range p.name {
			if c == 0 {
				r.fail("the name of a symbol has a zero byte")
				break
			}
		}
	}
	if mask&patchInfo != 0 {
		p.info = uint8(r.below(1<<8, "the st_info of a symbol"))
	}
	if mask&patchOther != 0 {
		p.other = uint8(r.below(1<<8, "the st_other of a symbol"))
	}
	if mask&patchShndx != 0 {
		p.shndx = uint16(r.below(1<<16, "the st_shndx of a symbol"))
		if p.shndx == shnXindex {
			p.section = r.uint32("the section of a symbol")
		}
	}
	if mask&patchValue != 0 {
		p.value = r.uint()
	}
	if mask&patchSize != 0 {
		p.size = r.uint()
	}
	return p
}

func checkRelocs(r *reader) (used Rules) {
	mode := r.below(modeEnd, "the mode of relocations")
	if mode&modeSort != 0 {
		used |= RuleSortRelocs
	}
	if mode&modeInputOrder != 0 {
		used |= RuleInputOrder
	}
	if mode&modeZero != 0 {
		used |= RuleZeroDropped
	}
	for !r.done() {
		kind, arg := r.op()
		switch {
		case r.err != nil:
		case kind > opAdd:
			r.fail("an operation on relocations is not known")
		case arg == 0:
			r.fail("a run of relocations is empty")
		case kind == opAdd:
			for range r.elements(arg) {
				r.reloc()
			}
		}
	}
	return used
}

// reloc is a relocation that is spelt out; its offset is coded as the
// difference from the one before it.
type reloc struct {
	offset uint64 // still coded
	symbol uint32
	kind   uint32
	addend uint64
}

func (r *reader) reloc() reloc {
	return reloc{
		offset: r.uint(),
		symbol: r.uint32("the symbol of a relocation"),
		kind:   r.uint32("the type of a relocation"),
		addend: uint64(unzigzag(r.uint())),
	}
}
