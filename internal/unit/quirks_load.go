package unit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"koweld/internal/fsys"
	"koweld/internal/store"
	"koweld/quirks"
)

// Where quirks lie below a root: those of packages, and those of the administrator.
const (
	QuirksDir      = "/usr/share/koweld/quirks.d"
	AdminQuirksDir = "/etc/koweld/quirks.d"
)

// quirkRecords is the folder of the records of quirks, and of the documents that a
// release upgrader has brought along.
const quirkRecords = StateDir + "/quirks"

// quirkSet is what is known of the quirks of a system before anything is measured.
type quirkSet struct {
	*quirks.Set
	records []*quirks.Record
	// damaged are the quirks whose records cannot be read: nothing is done about
	// them.
	damaged map[string]bool
	// wrong tells of all that cannot be read.
	wrong error
}

// isEmpty reports whether there is nothing to decide: a system without quirks is not
// asked for what they need.
func (set *quirkSet) isEmpty() bool { return len(set.Quirks)+len(set.records) == 0 }

// loadQuirks reads the quirks and their records. What cannot be read is told in
// the set, which has the rest.
func (s *System) loadQuirks(ctx context.Context, o Occasion) (*quirkSet, error) {
	var sources []quirks.Source
	set := &quirkSet{Set: new(quirks.Set), damaged: make(map[string]bool)}
	if o.Stage == quirks.TakeBack {
		set.wrong = s.loadQuirkRecords(set)
		return set, nil
	}
	unreadable := []string{}
	var errs []error
	brought := map[string]bool{} // by base name
	for _, dir := range []string{QuirksDir, o.Carried, quirkRecords, AdminQuirksDir} {
		if dir == "" {
			continue
		}
		names, err := s.quirkFiles(dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if dir == quirkRecords && brought[path.Base(name)] {
				continue // it is brought again
			}
			if dir == o.Carried {
				brought[path.Base(name)] = true
			}
			data, err := s.readInput(name)
			if err != nil {
				unreadable = append(unreadable, name)
				errs = append(errs, &QuirksError{Path: name, Err: err})
				continue
			}
			sources = append(sources, quirks.Source{
				File: name, Data: data, Admin: dir == AdminQuirksDir, Carried: dir == o.Carried || dir == quirkRecords,
			})
		}
	}
	if len(sources) > 0 { // dpkg is asked of its architectures
		host, err := s.quirkHost(ctx)
		if err != nil {
			return nil, err
		}
		set.Set, err = quirks.Load(sources, host)
		errs = append(errs, err)
		// A record says where a document is kept: who decides later does not have the
		// folder that it was brought in, and would have another record to write.
		for _, q := range set.Quirks {
			if o.Carried != "" && path.Dir(q.File) == o.Carried {
				q.File = keptPath(q.File)
			}
		}
	}
	set.Unreadable = append(set.Unreadable, unreadable...)
	errs = append(errs, s.loadQuirkRecords(set))
	set.wrong = errors.Join(errs...)
	return set, nil
}

// QuirksError says that a document of quirks cannot be read.
type QuirksError struct {
	Path string
	Err  error
}

func (e *QuirksError) Error() string { return fmt.Sprintf("cannot read quirks %s: %v", e.Path, e.Err) }
func (e *QuirksError) Unwrap() error { return e.Err }

// quirkFiles lists the documents in a folder.
func (s *System) quirkFiles(dir string) ([]string, error) {
	at, err := s.FS.Resolve(dir)
	if errors.Is(err, fs.ErrNotExist) {
		// A link that leads nowhere is no folder without quirks: what it leads to may
		// not be mounted yet.
		if there, lerr := lstat(s.FS, dir); lerr == nil && there == nil {
			return nil, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list quirks: %w", err)
	}
	entries, err := s.FS.ReadDir(at)
	if err != nil {
		return nil, fmt.Errorf("cannot list quirks: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".yaml") && !strings.HasPrefix(name, ".") {
			names = append(names, path.Join(dir, name))
		}
	}
	return names, nil
}

// quirkHost is what the variables of quirks stand for.
func (s *System) quirkHost(ctx context.Context) (quirks.Host, error) {
	host := quirks.Host{Arch: quirks.Arch{Name: s.Arch, Multiarch: s.Multiarch}}
	db, err := s.dpkg()
	if err != nil || db == nil || s.Tuple == nil {
		return host, err
	}
	foreign, err := db.Foreign(ctx)
	if err != nil {
		return host, err
	}
	for _, arch := range foreign {
		if tuple := s.Tuple(arch); tuple != "" {
			host.Foreign = append(host.Foreign, quirks.Arch{Name: arch, Multiarch: tuple})
		}
	}
	return host, nil
}

// quirkRecordPath is where the record of a quirk lies.
func quirkRecordPath(key string) string { return path.Join(quirkRecords, key+".json") }

// loadQuirkRecords reads all records of quirks.
func (s *System) loadQuirkRecords(set *quirkSet) error {
	entries, err := s.FS.ReadDir(quirkRecords)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot list the records of quirks: %w", err)
	}
	var errs []error
	for _, e := range entries {
		key, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || strings.HasPrefix(key, ".") {
			continue
		}
		name := quirkRecordPath(key)
		r, err := readQuirkRecord(s.FS, name)
		if err == nil && r.Quirk != key {
			err = fmt.Errorf("it is of the quirk %q", r.Quirk)
		}
		if err != nil {
			set.damaged[key] = true
			errs = append(errs, &QuirkRecordError{Quirk: key, Path: name, Err: err})
			continue
		}
		set.records = append(set.records, r)
	}
	return errors.Join(errs...)
}

func readQuirkRecord(fsx fsys.FS, name string) (*quirks.Record, error) {
	data, err := fsys.ReadFile(fsx, name, fileLimit)
	if err != nil {
		return nil, err
	}
	r, err := quirks.DecodeRecord(data)
	if errors.Is(err, quirks.ErrNewer) {
		return nil, &store.NewerError{Path: name}
	}
	return r, err
}

// QuirkRecordError says that the record of a quirk cannot be read. Nothing is done
// about that quirk.
type QuirkRecordError struct {
	Quirk, Path string
	Err         error
}

func (e *QuirkRecordError) Error() string {
	if newer := (*store.NewerError)(nil); errors.As(e.Err, &newer) {
		return newer.Error()
	}
	why := e.Err
	if at := (*fs.PathError)(nil); errors.As(why, &at) {
		why = at.Err
	}
	return fmt.Sprintf("cannot read record %s: %s", e.Path, strings.TrimPrefix(why.Error(), "cannot read the record of a quirk: "))
}

func (e *QuirkRecordError) Unwrap() error { return e.Err }

// Hint says what to do. What the quirk holds is noted anew where it is found; what it
// held is the administrator's.
func (e *QuirkRecordError) Hint() string {
	if newer := (*store.NewerError)(nil); errors.As(e.Err, &newer) {
		return newer.Hint()
	}
	if errors.Is(e.Err, fs.ErrPermission) {
		return ""
	}
	return "nothing was done for it; move the record away: koweld reconcile notes anew what the quirk holds, " +
		"and koweld divert list says what else is diverted"
}
