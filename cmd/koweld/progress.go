package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"koweld/internal/unit"
)

// progress is one line on a terminal that is written over and over; elsewhere
// each event is a line of its own, so that logs stay readable.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	width int // of the terminal; 0 elsewhere
	shown bool
}

// newProgress looks at where standard error goes.
func (a *app) newProgress() *progress {
	p := &progress{w: a.stderr}
	f, ok := a.stderr.(*os.File)
	if !ok || a.script || a.verbose || a.getenv("TERM") == "dumb" || a.getenv("TERM") == "" {
		return p
	}
	if ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
		p.width = int(ws.Col)
	}
	return p
}

// overwrite shows a line in the place of the last one.
func (p *progress) overwrite(line string) {
	if len(line) >= p.width {
		line = line[:max(p.width-1, 0)]
	}
	fmt.Fprintf(p.w, "\r%s\x1b[K", line)
	p.shown = true
}

// clear removes the line.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// observer prints what happens during a run.
func (a *app) observer() func(unit.Event) {
	a.progress = a.newProgress()
	p := a.progress
	return func(e unit.Event) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if e.Kind == unit.Welded {
			switch {
			case a.quiet, a.script && !a.verbose:
			case p.width > 0:
				p.overwrite(fmt.Sprintf("[%d/%d] %s  %s", e.Index, e.Total, e.Name, size(e.Size)))
			default:
				a.infof("%s: %s, %s", e.Name, size(e.Size), e.Detail)
			}
			return
		}
		p.clear()
		switch e.Kind {
		case unit.Recovered:
			a.warnf("an interrupted run of %s was %s", e.Unit, e.Detail)
		case unit.Waiting:
			a.infof("waiting for the lock, which %s holds", e.Name)
		case unit.Kept:
			if e.Detail == e.Name {
				a.warnf("%s is not what koweld placed: left as it is", e.Name)
				return
			}
			a.warnf("%s is not what koweld placed: kept as %s", e.Name, e.Detail)
		case unit.Saved:
			a.warnf("the file that was at %s before cannot go back: it stays as %s", e.Name, e.Detail)
		case unit.Switched:
			a.infof("%s: active in the place of %s", e.Unit, e.Name)
		case unit.Warning:
			a.warnf("%s: %s", e.Unit, e.Detail)
		}
	}
}

// endProgress removes the line of progress, if there is one.
func (a *app) endProgress() {
	if a.progress != nil {
		a.progress.clear()
	}
}

// size is a number of bytes for people.
func size(n int64) string {
	const units = "KMGT"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.1f %ciB", v, units[i])
}

// count is "1 module", "2 modules".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, strings.TrimSuffix(what, "s"))
}

// reportChange prints what a run did to a unit.
func (a *app) reportChange(c *unit.Change) {
	a.result(c, func(w io.Writer) {
		switch {
		case c.Action == unit.Planned:
			for _, step := range c.Steps {
				fmt.Fprintf(w, "%s: %s\n", c.Package, step)
			}
			if len(c.Steps) == 0 {
				fmt.Fprintf(w, "%s: nothing to do\n", c.Package)
			}
		case a.quiet, a.script && (c.Action == unit.Unchanged || c.Action == unit.Dropped):
		case c.Action == unit.Unchanged && c.Kernel == "":
			fmt.Fprintf(w, "%s: nothing is installed\n", c.Package)
		default:
			var what []string
			if c.Modules > 0 {
				what = append(what, count(c.Modules, "module"))
			}
			if c.Files > 0 {
				what = append(what, count(c.Files, "file"))
			}
			if a.script {
				fmt.Fprint(w, "koweld: ")
			}
			fmt.Fprintf(w, "%s: %s", c.Package, c.Action)
			if c.Action == unit.Waits {
				fmt.Fprintf(w, " for kernel %s, which is not installed", c.Kernel)
			}
			if len(what) > 0 {
				fmt.Fprintf(w, " (%s for kernel %s)", strings.Join(what, ", "), c.Kernel)
			}
			fmt.Fprintln(w)
		}
	})
}
