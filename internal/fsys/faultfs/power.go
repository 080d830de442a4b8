package faultfs

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
)

// Cuts makes the disks that a power cut may leave, each once.
type Cuts struct {
	// Limit is how many combinations of what is durable and what is not are
	// tried at one instant. If there are more, these are: none, all, each one
	// alone, all but one, each beginning (the order in which ext4 commits),
	// and as many by lot, the same ones in each run.
	Limit int

	seen     map[[sha256.Size]byte]bool
	instants map[[sha256.Size]byte]bool // whose disks are all seen
}

// Seen is the number of different disks so far.
func (c *Cuts) Seen() int { return len(c.seen) }

// Of goes through the disks that a power cut at this instant may leave of d,
// but those that it has been through before. All of them is durable.
func (c *Cuts) Of(d *Disk) iter.Seq[*Disk] {
	return func(yield func(*Disk) bool) {
		if c.seen == nil {
			c.seen, c.instants = map[[sha256.Size]byte]bool{}, map[[sha256.Size]byte]bool{}
		}
		d.mu.Lock()
		files := d.unsynced()
		instant := d.instant(files)
		if c.instants[instant] {
			d.mu.Unlock()
			return
		}
		c.instants[instant] = true
		options := make([]int, 0, len(d.pending)+len(files))
		for range d.pending {
			options = append(options, 2)
		}
		for _, f := range files {
			options = append(options, len(f.variants))
		}
		var left []*Disk
		for choice := range combinations(options, c.Limit) {
			cut := d.cut(choice[:len(d.pending)], files, choice[len(d.pending):])
			if sum := cut.Digest(); !c.seen[sum] {
				c.seen[sum] = true
				left = append(left, cut)
			}
		}
		d.mu.Unlock()
		for _, cut := range left {
			if !yield(cut) {
				return
			}
		}
	}
}

// instant identifies what a cut may leave now.
func (d *Disk) instant(files []unsyncedFile) [sha256.Size]byte {
	var b []byte
	named := d.named()
	for _, n := range d.nodes {
		if n != nil && named[n.ino] {
			b = fmt.Appendf(n.safe.digest(b), "%d %v ", n.ino, n.safeNames)
		}
	}
	for _, c := range d.pending {
		b = fmt.Appendf(b, "%d %v %d %v ", c.dir, c.set, c.to, c.toSet)
	}
	for _, f := range files {
		for _, v := range f.variants {
			b = v.digest(b)
		}
	}
	return sha256.Sum256(b)
}

// unsyncedFile is a file with what a power cut may leave of it, first what is
// durable and last what was written.
type unsyncedFile struct {
	ino      uint64
	variants []content
}

// unsynced are the files that are not durable and have a name, or may have one
// after a cut.
func (d *Disk) unsynced() (files []unsyncedFile) {
	named := d.named()
	for _, n := range d.nodes {
		if n != nil && named[n.ino] && !n.live.mode.IsDir() && (len(n.cut) > 0 || !n.live.same(n.safe)) {
			files = append(files, unsyncedFile{n.ino, n.variants()})
		}
	}
	return files
}

// named says of each inode whether it may have a name after a cut.
func (d *Disk) named() []bool {
	named := make([]bool, len(d.nodes))
	named[rootIno] = true
	for _, n := range d.nodes {
		if n == nil {
			continue
		}
		for _, e := range n.safeNames {
			named[e.ino] = true
		}
	}
	for _, c := range d.pending {
		for _, set := range c.all {
			for _, e := range set {
				named[e.ino] = true
			}
		}
	}
	return named
}

// variants are what a power cut may leave of a file that is not durable. What
// was durable of its bytes stays where it was not written again: behind it are
// none, zeros, or some of the new ones.
func (n *node) variants() []content {
	with := func(c content, data []byte) content {
		c.data = &blob{bytes: data}
		return c
	}
	live, safe := n.live.data.bytes, n.safe.data.bytes
	kept := 0
	for kept < len(live) && kept < len(safe) && live[kept] == safe[kept] {
		kept++
	}
	zeros := make([]byte, len(live))
	copy(zeros, live[:kept])
	all := append([]content{
		n.safe,
		with(n.live, live[:kept]),
		with(n.live, zeros),
		with(n.live, live[:kept+(len(live)-kept)/2]),
		with(n.safe, live), // the bytes, but not the metadata
	}, n.cut...)
	var some []content
	for _, v := range all {
		if !slices.ContainsFunc(some, v.same) {
			some = append(some, v)
		}
	}
	some = slices.DeleteFunc(some, n.live.same)
	return append(some, n.live)
}

// combinations goes through the ways to choose one of options[i] for each i:
// all of them if they are no more than limit, else those that [Cuts] tells of.
// The slice is only lent.
func combinations(options []int, limit int) iter.Seq[[]int] {
	total := 1
	for _, n := range options {
		if total *= n; total > limit {
			break
		}
	}
	if total <= limit {
		return everyCombination(options, total)
	}
	return someCombinations(options, limit)
}

func everyCombination(options []int, total int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		choice := make([]int, len(options))
		for n := range total {
			rest := n
			for i, o := range options {
				choice[i] = rest % o
				rest /= o
			}
			if !yield(choice) {
				return
			}
		}
	}
}

func someCombinations(options []int, limit int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		none := make([]int, len(options))
		all := make([]int, len(options))
		for i, n := range options {
			all[i] = n - 1
		}
		if !yield(all) {
			return
		}
		for i, n := range options {
			beginning := slices.Concat(all[:i], none[i:])
			if !yield(beginning) {
				return
			}
			for option := range n {
				for _, others := range [][]int{none, all} {
					if option == others[i] {
						continue
					}
					choice := slices.Clone(others)
					choice[i] = option
					if !yield(choice) {
						return
					}
				}
			}
		}
		lots := rand.New(rand.NewPCG(uint64(len(options)), uint64(limit)))
		for range limit {
			choice := make([]int, len(options))
			for i, n := range options {
				choice[i] = lots.IntN(n)
			}
			if !yield(choice) {
				return
			}
		}
	}
}

// cut makes the disk that has the chosen changes of names and the chosen
// variants of files.
func (d *Disk) cut(names []int, files []unsyncedFile, variants []int) *Disk {
	after := &Disk{NoExchange: d.NoExchange, nodes: make([]*node, len(d.nodes)), devices: d.devices, ticks: d.ticks}
	nodes := make([]node, len(d.nodes)) // at once, for speed
	for i, n := range d.nodes {
		if n != nil {
			nodes[i] = node{ino: n.ino, dev: n.dev, live: n.safe, safe: n.safe, safeNames: n.safeNames}
			after.nodes[i] = &nodes[i]
		}
	}
	for i, c := range d.pending {
		if names[i] == 0 {
			continue
		}
		for dir, set := range c.all {
			n := after.nodes[dir]
			n.safeNames = n.safeNames.with(set)
		}
	}
	for i, f := range files {
		n := after.nodes[f.ino]
		n.safe = f.variants[variants[i]]
		n.live = n.safe
	}
	for _, n := range after.nodes {
		if n != nil {
			n.names = n.safeNames
		}
	}
	return after
}

// Digest identifies what a run sees of a disk.
func (d *Disk) Digest() [sha256.Size]byte {
	return sha256.Sum256(d.digest(make([]byte, 0, 8<<10), d.nodes[rootIno]))
}

func (d *Disk) digest(b []byte, n *node) []byte {
	b = binary.LittleEndian.AppendUint64(n.live.digest(b), n.ino)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(n.names)))
	for _, e := range n.names {
		b = append(append(b, e.name...), 0)
		b = d.digest(b, d.nodes[e.ino])
	}
	return b
}

func (c content) digest(b []byte) []byte {
	sum := c.data.digest()
	b = append(b, sum[:]...)
	for _, number := range []uint64{uint64(c.mode), uint64(c.mtime), uint64(c.uid), uint64(c.gid), uint64(len(c.xattrs))} {
		b = binary.LittleEndian.AppendUint64(b, number)
	}
	for _, name := range slices.Sorted(maps.Keys(c.xattrs)) {
		b = fmt.Appendf(b, "%q %q ", name, c.xattrs[name])
	}
	return b
}
