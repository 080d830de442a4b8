package recipe

import (
	"debug/elf"
)

// blocks finds bytes of the image in sections of the objects that were not
// placed: names, strings that were merged, what was moved piecemeal.
type blocks struct {
	at map[uint64]blockAt // by eight bytes that begin at a multiple of eight
}

type blockAt struct {
	section uint64
	offset  uint32
}

const (
	blockSize = 8
	maxBlocks = 32 << 20 // bytes of sections that are looked at
	minCopy   = 12       // bytes worth a copy
)

func (m *maker) indexBlocks() {
	m.blocks = &blocks{at: make(map[uint64]blockAt)}
	total := 0
	for n := range m.f.places {
		p := &m.f.places[n]
		if p.index == 0 || p.out != 0 || p.section().Type == elf.SHT_SYMTAB || isRela(p.section()) {
			continue
		}
		data := p.object.Contents(p.index)
		if total += len(data); total > maxBlocks {
			return
		}
		for at := 0; at+blockSize <= len(data); at += blockSize {
			key := le.Uint64(data[at:])
			if _, ok := m.blocks.at[key]; !ok && key != 0 {
				m.blocks.at[key] = blockAt{uint64(n), uint32(at)}
			}
		}
	}
}

// findBlock finds the bytes that want begins with in a section of the objects.
// It looks a little ahead, since only every eighth place there is known.
func (m *maker) findBlock(want []byte) (n, from, length uint64) {
	if len(want) < minCopy {
		return 0, 0, 0
	}
	if m.blocks == nil {
		m.indexBlocks()
	}
	for ahead := 0; ahead < blockSize && ahead+blockSize <= len(want); ahead++ {
		b, ok := m.blocks.at[le.Uint64(want[ahead:])]
		if !ok || int(b.offset) < ahead {
			continue
		}
		p := &m.f.places[b.section]
		data := p.object.Contents(p.index)[int(b.offset)-ahead:]
		k := 0
		for k < len(data) && k < len(want) && data[k] == want[k] {
			k++
		}
		if k >= minCopy && k >= ahead+blockSize {
			return b.section, uint64(int(b.offset) - ahead), uint64(k)
		}
	}
	return 0, 0, 0
}
