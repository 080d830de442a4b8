package recipe

import (
	"debug/elf"
	"encoding/binary"
	"hash/crc32"
)

// Encode returns the recipe's bytes, which [Parse] takes.
func (r *Recipe) Encode() []byte {
	w := writer{}
	w.b = append(w.b, magic...)
	w.b = append(w.b, Version, byte(elf.ELFCLASS64), byte(r.Machine.Data))
	w.b = binary.LittleEndian.AppendUint16(w.b, uint16(r.Machine.Arch))
	w.uint(uint64(r.Rules))
	w.text(r.Needs)
	w.uint(uint64(r.Size))
	w.bytes(r.SHA256[:])
	w.uint(uint64(len(r.Inputs)))
	for _, in := range r.Inputs {
		w.text(in.Name)
		w.uint(in.Size)
		w.bytes(in.SHA256[:])
	}
	w.bytes(r.header)
	w.sections(r.sections)
	w.anchors(r.anchors)
	w.counted(r.aliases.b)
	w.uint(uint64(len(r.gaps)))
	var end uint64
	for _, g := range r.gaps {
		w.uint(g.at - end)
		w.counted(g.bytes)
		end = g.at + uint64(len(g.bytes))
	}
	w.bytes(r.digests)
	return binary.LittleEndian.AppendUint32(w.b, crc32.ChecksumIEEE(w.b))
}

func (w *writer) sections(sections []section) {
	w.uint(uint64(len(sections)))
	var prev predictor
	for i := range sections {
		s := &sections[i]
		w.uint(uint64(s.Name))
		w.uint(uint64(s.Type))
		w.uint(s.Flags)
		w.uint(s.Addr)
		w.uint(s.Size)
		w.uint(uint64(s.Link))
		w.uint(uint64(s.Info))
		w.uint(s.Align)
		w.uint(s.Entsize)
		w.delta(s.Offset, prev.offset(&s.Section))
		prev.end(&s.Section)
		w.uint(uint64(s.content))
		switch s.content {
		case contentBytes, contentRelocs, contentSymbols:
			w.counted(s.program.b)
			if s.content == contentSymbols {
				w.counted(s.names.b)
			}
		}
	}
}

func (w *writer) anchors(anchors []anchor) {
	w.uint(uint64(len(anchors)))
	var prev anchor
	for i, a := range anchors {
		w.uint(a.section - prev.section)
		from := a.from
		if i > 0 && a.section == prev.section {
			from -= prev.from
		}
		w.uint(from)
		w.uint(uint64(a.out))
		w.delta(a.to, a.from)
		prev = a
	}
}
