package recipe

import (
	"bytes"
	"debug/elf"

	"koweld/assemble/elf64"
)

// imageSymbol is a symbol of the image.
type imageSymbol struct {
	elf64.Symbol
	name   string
	source int64 // number of the symbol of the objects it is taken for, or -1
}

// matchSymbols takes each symbol of the image for one of the objects, by the
// names and by the order: linkers keep the local symbols of an object together
// and in order.
func (m *maker) matchSymbols() error {
	m.findRefs()
	byName := m.symbolsByName()
	used := make([]bool, m.f.symbols)
	prev := int64(-1)
	for i := range m.symbols {
		s := &m.symbols[i]
		if s.Type() == elf.STT_SECTION {
			continue
		}
		if n := m.bestMatch(s, byName[s.name], used, prev); n >= 0 {
			s.source, prev = n, n
			used[n] = true
		}
	}
	return nil
}

// symbolsByName are the numbers of the objects' symbols but section symbols.
func (m *maker) symbolsByName() map[string][]int64 {
	byName := make(map[string][]int64, m.f.symbols)
	for i, o := range m.f.objects {
		for k := range o.NumSymbols() {
			s := o.Symbol(k)
			if s.Type() == elf.STT_SECTION {
				continue
			}
			text, _ := elf64.CString(o.Strings, s.Name)
			byName[string(text)] = append(byName[string(text)], int64(m.f.names[i])+int64(k))
		}
	}
	return byName
}

// bestMatch is the candidate that is most like s, of equals the next one
// behind prev; -1 if all are used.
func (m *maker) bestMatch(s *imageSymbol, candidates []int64, used []bool, prev int64) int64 {
	best, bestScore := int64(-1), -1
	// Of thousands of symbols of one name (mapping symbols of arm64), most are
	// used already; those behind prev are the ones to look at.
	start := lowerBound(candidates, prev)
	look := func(list []int64) {
		seen := 0
		for _, n := range list {
			if used[n] {
				continue
			}
			if seen++; seen > 64 {
				return
			}
			if score := m.alike(s, n); score > bestScore {
				best, bestScore = n, score
			}
		}
	}
	look(candidates[start:])
	if bestScore < fullScore {
		look(candidates[:start])
	}
	return best
}

func lowerBound(list []int64, v int64) int {
	lo, hi := 0, len(list)
	for lo < hi {
		if mid := (lo + hi) / 2; list[mid] < v {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

const fullScore = 5

// alike counts in how many ways a symbol of the objects is like one of the
// image, not knowing yet where its section went.
func (m *maker) alike(s *imageSymbol, number int64) int {
	object, index := m.f.symbol(uint64(number))
	t := m.f.objects[object].Symbol(index)
	score := 0
	if (t.Section != 0) == (s.Section != 0) && (t.Section != 0 || t.Shndx == s.Shndx) {
		score += 2
	}
	if t.Info == s.Info {
		score++
	}
	if t.Size == s.Size {
		score++
	}
	if t.Other == s.Other {
		score++
	}
	return score
}

// findRefs notes the symbols that relocations are against.
func (m *maker) findRefs() {
	m.refs = make([]bool, m.f.symbols)
	for i := range m.f.places {
		p := &m.f.places[i]
		for _, k := range p.relocs {
			for b := p.object.Contents(k); len(b) >= elf64.RelaSize; b = b[elf64.RelaSize:] {
				n := m.f.uint64(b[8:]) >> 32
				if n < uint64(p.object.NumSymbols()) {
					m.refs[p.symbols+n] = true
				}
			}
		}
	}
}

// identity is all that a symbol is in the image.
type identity struct {
	name        string
	value, size uint64
	section     uint32
	shndx       uint16
	info, other uint8
}

func (s *imageSymbol) identity() identity {
	id := identity{s.name, s.Value, s.Size, s.Section, s.Shndx, s.Info, s.Other}
	if wide := s.Section >= uint32(elf.SHN_LORESERVE); s.Section != 0 && wide == (s.Shndx == shnXindex) {
		id.shndx = 0 // as it follows from the section
	}
	return id
}

// moved is what a symbol of the objects becomes if it is copied.
func (m *maker) moved(object, index int) (identity, bool) {
	o := m.f.objects[object]
	s := o.Symbol(index)
	text, _ := elf64.CString(o.Strings, s.Name)
	id := identity{string(text), s.Value, s.Size, s.Section, s.Shndx, s.Info, s.Other}
	if s.Section == 0 {
		return id, true
	}
	n := m.f.first[object] + uint64(s.Section)
	if n >= uint64(len(m.f.places)) || m.f.places[n].out == 0 {
		return id, false
	}
	p := &m.f.places[n]
	id.section, id.value, id.shndx = p.out, m.f.move(p, s.Value), 0
	return id, true
}

// rematch matches again, now that it is known where sections went: a symbol
// that becomes exactly what is in the image comes before all that are alike.
func (m *maker) rematch() {
	exact := make(map[identity][]int64, m.f.symbols)
	for i, o := range m.f.objects {
		for k := range o.NumSymbols() {
			if id, ok := m.moved(i, k); ok && elf.ST_TYPE(id.info) != elf.STT_SECTION {
				exact[id] = append(exact[id], int64(m.f.names[i])+int64(k))
			}
		}
	}
	used := make([]bool, m.f.symbols)
	guess := make([]int64, len(m.symbols))
	prev := int64(-1)
	for i := range m.symbols {
		s := &m.symbols[i]
		guess[i], s.source = s.source, -1
		if s.Type() == elf.STT_SECTION {
			continue
		}
		list := exact[s.identity()]
		// The next one, else the first that is left.
		k := lowerBound(list, prev+1)
		for k < len(list) && used[list[k]] {
			k++
		}
		if k == len(list) {
			for k = 0; k < len(list) && used[list[k]]; k++ {
			}
		}
		if k < len(list) {
			s.source, prev = list[k], list[k]
			used[prev] = true
		}
	}
	for i := range m.symbols {
		if s := &m.symbols[i]; s.source < 0 && guess[i] >= 0 && !used[guess[i]] {
			s.source = guess[i]
			used[guess[i]] = true
		}
	}
}

// symbolTable writes the program of the symbols, and the aliases.
func (m *maker) symbolTable() error {
	if m.symbols == nil {
		return nil
	}
	m.rematch()
	s := &m.recipe.sections[m.image.Symtab]
	w := symbolWriter{m: m, prev: ^uint64(0)}
	names, at := writer{}, uint64(0)
	for i := range m.symbols {
		w.symbol(&m.symbols[i])
		names.delta(uint64(m.symbols[i].Name), at)
		at = uint64(m.symbols[i].Name)
	}
	w.flush()
	s.program = span{b: w.out.b}
	if !m.tailMerged {
		s.names = span{b: names.b}
	}
	return m.aliases()
}

// namesByRule tells whether the names are a table by RuleTailMerge.
func (m *maker) namesByRule(section int) bool {
	names := make([]name, len(m.symbols))
	for i := range m.symbols {
		names[i] = name(m.symbols[i].name)
	}
	at, size := tailMerge(names)
	table := m.image.Contents(section)
	if size != uint64(len(table)) || table[0] != 0 {
		return false
	}
	for i := range at {
		if at[i] != m.symbols[i].Name {
			return false
		}
	}
	return true // each name is where its symbol says, and they fill the table
}

// wideByRule tells whether the extended indices are those by RuleShndx.
func (m *maker) wideByRule() bool {
	var b [4]byte
	if m.image.Shndx == nil {
		return false
	}
	for i := range m.symbols {
		want := uint32(0)
		if m.symbols[i].Shndx == shnXindex {
			want = m.symbols[i].Section
		}
		m.f.put32(b[:], want)
		if !bytes.Equal(b[:], m.image.Shndx[i*4:][:4]) {
			return false
		}
	}
	return true
}

// symbolWriter writes a contentSymbols program.
type symbolWriter struct {
	m   *maker
	out writer

	prev    uint64   // number of the last symbol, but for those waiting
	waiting []uint64 // numbers of symbols that are copied as they are
	section uint32   // of the last section symbol
	run     uint64   // section symbols waiting
}

func (w *symbolWriter) symbol(s *imageSymbol) {
	if w.nextSection(s) {
		w.flushCopies()
		w.run++
		return
	}
	var id identity
	ok := false
	if s.source >= 0 {
		object, index := w.m.f.symbol(uint64(s.source))
		id, ok = w.m.moved(object, index)
	}
	want := s.identity()
	if !w.m.tailMerged {
		id.name = want.name
	}
	if ok && id == want {
		w.flushSections()
		w.waiting = append(w.waiting, uint64(s.source))
		return
	}
	w.flush()
	w.patch(s, id, ok)
}

// nextSection tells whether s is the section symbol that opSections gives.
func (w *symbolWriter) nextSection(s *imageSymbol) bool {
	if s.Type() != elf.STT_SECTION || s.Section == 0 {
		return false
	}
	sections := w.m.recipe.sections
	next := w.section + 1
	for int64(next) < int64(len(sections)) && !hasSectionSymbol(&sections[next].Section) {
		next++
	}
	w.section = s.Section
	want := imageSymbol{Symbol: elf64.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: next}}
	return s.identity() == want.identity()
}

func (w *symbolWriter) patch(s *imageSymbol, id identity, ok bool) {
	want := s.identity()
	mask := uint64(0)
	set := func(differs bool, bit uint64) {
		if differs {
			mask |= bit
		}
	}
	if s.source >= 0 {
		mask = patchSource
	} else {
		id = identity{}
		if !w.m.tailMerged {
			id.name = want.name
		}
		ok = true
	}
	set(id.name != want.name, patchName)
	set(id.info != want.info, patchInfo)
	set(id.other != want.other, patchOther)
	set(id.size != want.size, patchSize)
	set(!ok || id.section != want.section || id.shndx != want.shndx, patchShndx)
	set(!ok || id.value != want.value, patchValue)
	o := &w.out
	o.op(opPatch, mask)
	if mask&patchSource != 0 {
		o.delta(uint64(s.source), w.prev+1)
		w.prev = uint64(s.source)
	}
	if mask&patchName != 0 {
		o.text(want.name)
	}
	if mask&patchInfo != 0 {
		o.uint(uint64(s.Info))
	}
	if mask&patchOther != 0 {
		o.uint(uint64(s.Other))
	}
	if mask&patchShndx != 0 {
		o.uint(uint64(s.Shndx))
		if s.Shndx == shnXindex {
			o.uint(uint64(s.Section))
		}
	}
	if mask&patchValue != 0 {
		o.uint(s.Value)
	}
	if mask&patchSize != 0 {
		o.uint(s.Size)
	}
}

func (w *symbolWriter) flush() {
	w.flushSections()
	w.flushCopies()
}

func (w *symbolWriter) flushSections() {
	if w.run > 0 {
		w.out.op(opSections, w.run)
		w.m.recipe.Rules |= RuleSectionSyms
		w.run = 0
	}
}

// flushCopies writes what waits: long runs of successors as such.
func (w *symbolWriter) flushCopies() {
	const long = 4
	list := w.waiting
	w.waiting = w.waiting[:0]
	first := 0 // of those that are not written yet
	for i := 0; i < len(list); {
		prev := w.prev
		if i > 0 {
			prev = list[i-1]
		}
		end := i
		for end < len(list) && list[end] == prev+1+uint64(end-i) {
			end++
		}
		if end-i >= long {
			w.list(list[first:i])
			w.out.op(opRun, uint64(end-i))
			w.prev = list[end-1]
			first, i = end, end
			continue
		}
		i++
	}
	w.list(list[first:])
}

func (w *symbolWriter) list(numbers []uint64) {
	if len(numbers) == 0 {
		return
	}
	w.out.op(opList, uint64(len(numbers)))
	for _, n := range numbers {
		w.out.delta(n, w.prev+1)
		w.prev = n
	}
}

// aliases says which symbols of the objects that relocations are against became
// which of the image, where the program does not say it: those that another
// object defines.
func (m *maker) aliases() error {
	if err := m.reform(); err != nil {
		return err
	}
	globals := make(map[string]uint64)
	for i := range m.symbols {
		if s := &m.symbols[i]; s.Bind() != elf.STB_LOCAL {
			globals[s.name] = uint64(i)
		}
	}
	w := writer{}
	next, last := uint64(0), uint64(0)
	for i, o := range m.f.objects {
		for k := range o.NumSymbols() {
			number := m.f.names[i] + uint64(k)
			if !m.refs[number] || m.f.targets[number].out != 0 {
				continue
			}
			s := o.Symbol(k)
			if s.Bind() == elf.STB_LOCAL {
				continue
			}
			text, _ := elf64.CString(o.Strings, s.Name)
			if out, ok := globals[string(text)]; ok {
				w.uint(number - next)
				w.delta(out, last)
				next, last = number+1, out
			}
		}
	}
	m.recipe.aliases = span{b: w.b}
	return m.reform()
}

// reform applies the draft so far, but for the bytes: it finds the targets of
// relocations.
func (m *maker) reform() error {
	f, err := m.recipe.newFormer(m.inputs)
	if err != nil {
		return err
	}
	f.image = m.f.image
	if f.image == nil {
		f.image = make([]byte, m.recipe.Size)
	}
	m.f = f
	return f.formSymbols()
}
