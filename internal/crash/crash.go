// Package crash proves, for tests, what koweld promises of a run that ends
// anywhere: at each instant every module is whole, and after recovery there is
// the whole old set or the whole new one, and nothing else.
//
// A [Subject] is a run on a [faultfs.Disk] and what recovers it. A [Proof]
// breaks the run at each of its calls, in four modes:
//
//   - [Proof.Kill]: the process ends there, and loses nothing it has written;
//   - [Proof.Power]: the power goes there; what was not durable may be lost;
//   - [Proof.Failures]: the call fails, the run takes itself back, and the power
//     goes at each call after that;
//   - [Proof.Recoveries]: the process ends there, and the power goes at each
//     call of the recovery.
//
// What a run has said to be done must be durable when it says so: then there
// is nothing to recover, and after a power cut neither.
package crash

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"koweld/internal/fsys"
	"koweld/internal/fsys/faultfs"
	"koweld/internal/txn"
)

// A Subject is what is proved. Its runs must make the same calls each time.
type Subject struct {
	Start *faultfs.Disk // before the run; all of it durable
	Run   func(fsx fsys.FS) error
	// Recover is what the next run begins with. It tells how many runs it
	// has ended.
	Recover func(fsx fsys.FS) (ended int, err error)
	// Anew says that Recover does what Run did again if that was taken back:
	// then the files have other inodes and times, which the record tells of.
	Anew bool
	// Limit is how many combinations Power tries at one instant: see
	// [faultfs.Cuts].
	Limit int
	// Check says what else must hold at each instant; nil: nothing.
	Check func(d *faultfs.Disk) error
	// Kernels are those whose module index is judged.
	Kernels []string
}

// A Proof is a Subject with the two sets that it may leave.
type Proof struct {
	t        testing.TB
	s        Subject
	calls    []faultfs.Call
	old, new Tree
	whole    map[string][]string // what may lie at the name of a module
	// always are the modules that are in both sets: their names are never
	// missing.
	always []string
}

// Count is what a mode has tried. A violation ends the test.
type Count struct {
	Points int // calls at which the run was broken
	States int // different disks that were recovered
}

func (c Count) String() string {
	return fmt.Sprintf("%d crash points, %d states, 0 violations", c.Points, c.States)
}

// afterLimit is Limit for a run that takes itself back and for a recovery, of
// which there are as many as there are calls.
const afterLimit = 8

// New runs the subject once without a fault.
func New(t testing.TB, s Subject) *Proof {
	t.Helper()
	p := &Proof{t: t, s: s, whole: map[string][]string{}}
	p.old = p.treeOf(s.Start)
	d := s.Start.Clone()
	x := faultfs.New(d, faultfs.Fault{})
	require.NoError(t, s.Run(x))
	p.calls = x.Calls()
	p.new = p.treeOf(d)
	require.NotEqual(t, p.old, p.new, "the run changes nothing")
	for _, tree := range []Tree{p.old, p.new} {
		for name, file := range tree {
			if isModule(name) {
				p.whole[name] = append(p.whole[name], file)
			}
		}
	}
	for name, files := range p.whole {
		if len(files) == 2 {
			p.always = append(p.always, name)
		}
	}
	return p
}

// For is the proof for a subtest.
func (p *Proof) For(t testing.TB) *Proof {
	q := *p
	q.t = t
	return &q
}

// Kill ends the run before each call that changes something, in the middle of
// each write, and after the last call. Once a run came so far that recovery
// finishes it, later ones do as well.
func (p *Proof) Kill() (c Count) {
	forward := false
	for _, f := range p.kills() {
		d := p.killed(f)
		c.Points++
		c.States++
		tree := p.requireOneSet(d, p.at(f))
		if forward {
			requireTree(p.t, p.new, tree, p.at(f))
		}
		forward = forward || diff(p.new, tree) == ""
	}
	require.True(p.t, forward, "no run is finished")
	return c
}

// kills are the faults that end the run.
func (p *Proof) kills() []faultfs.Fault {
	var all []faultfs.Fault
	for _, c := range p.calls {
		if c.Op.Changes() {
			all = append(all, faultfs.Kill(c.N))
		}
		if c.Op == faultfs.Write {
			all = append(all, faultfs.Tear(c.N))
		}
	}
	return append(all, faultfs.Kill(len(p.calls)+1))
}

func (p *Proof) at(f faultfs.Fault) string {
	if f.At > len(p.calls) {
		return "the end"
	}
	return fmt.Sprintf("%v (%v, short: %v)", p.calls[f.At-1], f.Err, f.Short)
}

// killed is the disk that a run leaves that is ended by f.
func (p *Proof) killed(f faultfs.Fault) *faultfs.Disk {
	d := p.s.Start.Clone()
	_ = p.s.Run(faultfs.New(d, f)) // nobody hears what the dead say
	return d
}

// Power cuts the power after each call of the run.
func (p *Proof) Power() (c Count) {
	d := p.s.Start.Clone()
	cuts := &faultfs.Cuts{Limit: p.s.Limit}
	x := p.watch(d, faultfs.Fault{}, cuts, &c, func(call faultfs.Call) string {
		return fmt.Sprintf("a power cut after %v", call)
	})
	require.NoError(p.t, p.s.Run(x))
	p.requireDurable(d, p.new, "a power cut after the run")
	c.States = cuts.Seen()
	return c
}

// watch makes a file system on d that, after each call that changes what a cut
// may leave, recovers each disk it may leave.
func (p *Proof) watch(d *faultfs.Disk, f faultfs.Fault, cuts *faultfs.Cuts, c *Count, where func(faultfs.Call) string) *faultfs.FS {
	x := faultfs.New(d, f)
	x.After = func(call faultfs.Call) {
		if call.N < f.At || !call.Op.Changes() && !call.Op.Syncs() {
			return
		}
		c.Points++
		for cut := range cuts.Of(d) {
			p.requireOneSet(cut, where(call))
		}
	}
	return x
}

// Failures lets each call that changes or syncs something fail with EIO, once,
// and cuts the power after each later call.
func (p *Proof) Failures() (c Count) {
	cuts := &faultfs.Cuts{Limit: afterLimit}
	for _, call := range p.calls {
		if !call.Op.Changes() && !call.Op.Syncs() {
			continue
		}
		f := faultfs.Error(call.N, unix.EIO)
		d := p.s.Start.Clone()
		err := p.s.Run(p.watch(d, f, cuts, &c, func(later faultfs.Call) string {
			return fmt.Sprintf("a power cut after %v, after %s", later, p.at(f))
		}))
		var open *txn.OpenError
		switch {
		case errors.As(err, &open):
			p.requireOneSet(d, p.at(f))
		case err != nil:
			p.requireDurable(d, p.old, "a power cut after "+p.at(f)+" was taken back")
		default: // it does not matter
			p.requireDurable(d, p.new, "a power cut after the run and "+p.at(f))
		}
	}
	c.States = cuts.Seen()
	return c
}

// Recoveries ends the run as Kill does and cuts the power after each call of
// the recovery.
func (p *Proof) Recoveries() (c Count) {
	cuts := &faultfs.Cuts{Limit: afterLimit}
	for _, f := range p.kills() {
		d := p.killed(f)
		x := p.watch(d, faultfs.Fault{}, cuts, &c, func(call faultfs.Call) string {
			return fmt.Sprintf("a power cut after %v of the recovery of %s", call, p.at(f))
		})
		_, err := p.s.Recover(x)
		require.NoError(p.t, err, p.at(f))
		p.requireDurable(d, p.nearer(p.treeOf(d)), "a power cut after the recovery of "+p.at(f))
	}
	c.States = cuts.Seen()
	return c
}

// requireOneSet looks at a disk as it is, recovers it and looks again. It
// returns what is there then.
func (p *Proof) requireOneSet(d *faultfs.Disk, where string) Tree {
	p.t.Helper()
	p.requireWhole(d, where)
	before := d.Clone()
	_, err := p.s.Recover(d)
	require.NoError(p.t, err, where)
	tree := p.treeOf(d)
	if want := p.nearer(tree); diff(want, tree) != "" {
		p.t.Fatalf("after %s and recovery:\n%sbefore recovery there was:\n%s", where, diff(want, tree), p.treeOf(before))
	}
	ended, err := p.s.Recover(d)
	require.NoError(p.t, err, where)
	require.Zero(p.t, ended, "after %s the second recovery did something", where)
	requireTree(p.t, tree, p.treeOf(d), where+" and a second recovery")
	return tree
}

// requireWhole looks at every name that depmod and modprobe look at: it holds
// a whole file of the old or of the new set.
func (p *Proof) requireWhole(d *faultfs.Disk, where string) {
	p.t.Helper()
	if p.s.Check != nil {
		require.NoError(p.t, p.s.Check(d), "after %s and before recovery", where)
	}
	there := map[string]bool{}
	for name, e := range d.All() {
		if !isModule(name) || !e.IsRegular() {
			continue
		}
		there[name] = true
		if got := p.describe(name, e); !slices.Contains(p.whole[name], got) {
			p.t.Fatalf("after %s and before recovery %s is %s, not one of %q", where, name, got, p.whole[name])
		}
	}
	for _, name := range p.always {
		if !there[name] {
			p.t.Fatalf("after %s and before recovery %s is missing", where, name)
		}
	}
}

// requireDurable makes sure that there is nothing to recover, whatever a power
// cut leaves now.
func (p *Proof) requireDurable(d *faultfs.Disk, want Tree, where string) {
	p.t.Helper()
	cuts := &faultfs.Cuts{Limit: afterLimit}
	for cut := range cuts.Of(d) {
		requireTree(p.t, want, p.treeOf(cut), where)
		ended, err := p.s.Recover(cut)
		require.NoError(p.t, err, where)
		require.Zero(p.t, ended, "%s something was recovered", where)
	}
}

// nearer is the set that differs less.
func (p *Proof) nearer(tree Tree) Tree {
	if len(diff(p.old, tree)) <= len(diff(p.new, tree)) {
		return p.old
	}
	return p.new
}

func requireTree(t testing.TB, want, got Tree, where string) {
	t.Helper()
	if d := diff(want, got); d != "" {
		t.Fatalf("after %s:\n%s", where, d)
	}
}
