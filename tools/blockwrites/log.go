package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// Flags of an entry, of drivers/md/dm-log-writes.c.
const (
	flush   = 1 << 0 // of the device's cache, before this entry is written
	fua     = 1 << 1
	discard = 1 << 2
	mark    = 1 << 3

	magic      = 0x6a736677736872
	version    = 1
	sectorUnit = 512 // of the offsets in entries, unless the super block says otherwise
	superSize  = 28
	headerSize = 32
)

// entry is one request to the disk; offset and length are in bytes.
type entry struct {
	flags          uint64
	offset, length int64
	data           int64 // where its bytes are in the log
}

func (e entry) writes() bool { return e.length > 0 && e.flags&mark == 0 }

func (e entry) kind() string {
	switch {
	case e.flags&mark != 0:
		return "mark"
	case e.flags&discard != 0:
		return "discard"
	case e.flags&flush != 0 && e.length == 0:
		return "flush"
	case e.flags&fua != 0:
		return "fua"
	}
	return "write"
}

type log struct {
	file    *os.File
	entries []entry
}

func (l *log) close() { _ = l.file.Close() }

func openLog(name string) (*log, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		var entries []entry
		if entries, err = readEntries(f, info.Size()); err == nil {
			return &log{f, entries}, nil
		}
	}
	f.Close()
	return nil, fmt.Errorf("cannot read %s: %v", name, err)
}

// readEntries reads the headers of all entries.
func readEntries(r io.ReaderAt, size int64) ([]entry, error) {
	super := make([]byte, superSize)
	if _, err := r.ReadAt(super, 0); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint64(super) != magic || binary.LittleEndian.Uint64(super[8:]) != version {
		return nil, fmt.Errorf("it is no record of dm-log-writes")
	}
	count := binary.LittleEndian.Uint64(super[16:])
	sector := int64(binary.LittleEndian.Uint32(super[24:]))
	if sector < sectorUnit || sector%sectorUnit != 0 {
		return nil, fmt.Errorf("its sectors have %d bytes", sector)
	}
	if count > uint64(size/sector) {
		return nil, fmt.Errorf("it has fewer than %d entries", count)
	}
	entries := make([]entry, 0, count)
	at := sector
	header := make([]byte, headerSize)
	for range count {
		if _, err := r.ReadAt(header, at); err != nil {
			return nil, fmt.Errorf("entry %d: %v", len(entries), err)
		}
		at += sector
		offset, length := binary.LittleEndian.Uint64(header), binary.LittleEndian.Uint64(header[8:])
		e := entry{flags: binary.LittleEndian.Uint64(header[16:]), data: at}
		const limit = 1 << 40 // sectors
		if offset > limit || length > limit {
			return nil, fmt.Errorf("entry %d is beyond any disk", len(entries))
		}
		e.offset, e.length = int64(offset)*sector, int64(length)*sector
		switch {
		case e.flags&discard != 0:
		case e.flags&mark != 0:
			// Its data is text, of which the header has the length.
			text := binary.LittleEndian.Uint64(header[24:])
			if text > uint64(sector) {
				return nil, fmt.Errorf("entry %d has a mark of %d bytes", len(entries), text)
			}
			at += sector
		default:
			at += e.length
		}
		if at > size {
			return nil, fmt.Errorf("entry %d leads out of it", len(entries))
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// point is one where the power may be cut: before an entry, and with the writes
// since the last flush or without.
type point struct {
	before int
	lost   bool
}

func (p point) String() string {
	if p.lost {
		return fmt.Sprintf("%d lost", p.before)
	}
	return fmt.Sprintf("%d kept", p.before)
}

// points are those that leave different disks, beginning with the untouched one: at
// each flush after a write or, with every, before all writes; and at the end.
func (l *log) points(every bool) []point {
	found := []point{{}}
	written, through := false, false // since the last flush
	for i, e := range l.entries {
		last := found[len(found)-1].before == i
		if (e.flags&flush != 0 && written || every && e.writes()) && !last {
			found = append(found, point{before: i})
		}
		if e.flags&flush != 0 {
			if through {
				found = append(found, point{i, true})
			}
			written, through = false, false
		}
		written = written || e.writes()
		through = through || e.writes() && e.flags&fua != 0
	}
	return append(found, point{before: len(l.entries)})
}

// loss says whether a write is lost that the disk had in its cache.
type loss func() bool

func all() bool { return true }

func some(seed uint64) loss {
	lot := rand.New(rand.NewPCG(seed, 0))
	return func() bool { return lot.IntN(2) == 0 }
}

// apply writes the entries before n to a disk; loss may be nil.
func (l *log) apply(disk io.WriterAt, n int, lost loss) error {
	durable := 0 // entries before the last flush
	for i, e := range l.entries[:n] {
		if e.flags&flush != 0 {
			durable = i
		}
	}
	for i, e := range l.entries[:n] {
		if !e.writes() || i >= durable && e.flags&fua == 0 && lost != nil && lost() {
			continue
		}
		var from io.Reader = io.NewSectionReader(l.file, e.data, e.length)
		if e.flags&discard != 0 {
			from = io.LimitReader(zeros{}, e.length)
		}
		if _, err := io.Copy(io.NewOffsetWriter(disk, e.offset), from); err != nil {
			return fmt.Errorf("cannot write entry %d: %v", i, err)
		}
	}
	return nil
}

// zeros is what is read where a disk has discarded.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
