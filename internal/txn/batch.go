package txn

import (
	"fmt"
	"path"
	"slices"

	"koweld/internal/fsys"
)

// DefaultBatch is where one syncfs(2) is several times as cheap as an fsync(2)
// for each file (docs/performance.md). Below it a transaction does not pay for
// what others have written to the same file system.
const DefaultBatch = 64

// A batch is the file systems that a transaction makes durable as a whole,
// each by one call before names are switched, one after it and one at the end,
// instead of one call for each file and folder. They are opened before anything
// is written to them: so no write fails unseen.
type batch []volume

// volume is one of them, with the folders of the transaction in it.
type volume struct {
	fsys.Volume
	name string
	dirs map[string]bool
}

// openBatch opens the file systems on which many files will be staged. Where
// that cannot be done each file is made durable by itself.
func (m *Manager) openBatch(ops []Op) batch {
	least := m.Batch
	if least == 0 {
		least = DefaultBatch
	}
	places := 0
	for _, o := range ops {
		if o.Kind == Place {
			places++
		}
	}
	if places < least {
		return nil
	}
	type device struct {
		id    uint64
		name  string // of a folder that is there
		dirs  map[string]bool
		files int
	}
	var devices []*device           // in the order of the operations
	folders := map[string]*device{} // nil: not known
	for _, o := range ops {
		for _, dir := range o.dirs() {
			d, met := folders[dir]
			if !met {
				if name, id, ok := m.device(dir); ok {
					i := slices.IndexFunc(devices, func(d *device) bool { return d.id == id })
					if i < 0 {
						i = len(devices)
						devices = append(devices, &device{id: id, name: name, dirs: map[string]bool{}})
					}
					d = devices[i]
					d.dirs[dir] = true
				}
				folders[dir] = d
			}
			if d != nil && o.Kind == Place {
				d.files++
			}
		}
	}
	var b batch
	for _, d := range devices {
		if d.files < least {
			continue
		}
		v, err := m.FS.OpenVolume(d.name)
		if err != nil {
			continue
		}
		if v.Dev() != d.id { // it was mounted meanwhile
			_ = v.Close()
			continue
		}
		b = append(b, volume{v, d.name, d.dirs})
	}
	return b
}

// device tells on which device a folder is or, if it has still to be made, the
// one above it that is there; name is that folder's.
func (m *Manager) device(dir string) (name string, id uint64, ok bool) {
	info, err := m.FS.Stat(dir)
	for gone(err) && dir != "/" {
		dir = path.Dir(dir)
		info, err = m.FS.Stat(dir)
	}
	return dir, info.Dev, err == nil && info.IsDir()
}

// of is the file system that a folder was in; nil if the batch has it not.
func (b batch) of(dir string) fsys.Volume {
	for _, v := range b {
		if v.dirs[dir] {
			return v
		}
	}
	return nil
}

// sync makes each of them durable.
func (b batch) sync() error {
	for _, v := range b {
		if err := v.Sync(); err != nil {
			return fmt.Errorf("cannot make the file system of %s durable: %w", v.name, err)
		}
	}
	return nil
}

func (b batch) close() {
	for _, v := range b {
		_ = v.Close()
	}
}
