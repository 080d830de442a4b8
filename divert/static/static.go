// Package static writes the diversions that a package holds for as long as it is
// installed as shell for its maintainer scripts.
//
// Each dpkg-divert stands there as one literal line, where reviewers, code search
// and lintian see it, always with --package and --no-rename: with --rename it would
// delete a file that has two spellings (see package divert). Around it, functions
// look at what lies at the names, and give the file its second name before it loses
// the first.
//
// The scripts need nothing but Essential packages, koweld least of all. Killed
// anywhere and run again, they end the same. They are for dpkg of bullseye and
// newer: that of bionic knows no --no-rename.
package static

import (
	_ "embed"
	"fmt"
	"strings"

	"koweld/divert"
)

// Diversion is one that a package declares. No name and no version has a character
// that means something to a shell.
type Diversion struct {
	ID string
	divert.Diversion
	// Twin is the other spelling of From if that is to be diverted too where it is
	// the same place; "" if not.
	Twin     string
	Ship     bool // the package has a file From
	Move     bool // a file that is there already is moved
	Since    string
	Conflict string // save, leave or fail

	// Until is the version that no longer diverts; "" for a diversion of the present.
	// Then is the one that follows it at the same place, in the preinst of the
	// version that has both; nil if there is none.
	Until string
	Then  *Diversion
}

// Scripts are what is to be pasted into maintainer scripts that begin with set -e;
// "" is nothing.
type Scripts struct {
	Preinst  string `json:"preinst"`
	Postinst string `json:"postinst"`
	Postrm   string `json:"postrm"`
}

var (
	//go:embed common.sh
	common string
	//go:embed preinst.sh
	before string
	//go:embed after.sh
	after string
	//go:embed over.sh
	over string
	//go:embed back.sh
	back string
	//go:embed again.sh
	again string
	//go:embed shared.sh
	shared string
)

// Write returns the scripts for the diversions of one package.
func Write(all []Diversion) Scripts {
	if len(all) == 0 {
		return Scripts{}
	}
	return Scripts{
		Preinst:  script(all, []bool{true, false}, "install | upgrade", preinst, common, before, after, over),
		Postinst: script(all, []bool{true}, "configure", postinst, common, back),
		Postrm:   script(all, []bool{false, true}, "remove | abort-install | disappear | abort-upgrade", postrm, common, back, again, shared),
	}
}

// script is the functions that its lines use, and these for each diversion, those
// of the past first or last.
func script(all []Diversion, order []bool, calls string, write func(w *writer, d *Diversion), functions ...string) string {
	w := &writer{}
	for _, past := range order {
		for i := range all {
			if (all[i].Until != "") == past {
				write(w, &all[i])
			}
		}
	}
	if w.String() == "" {
		return ""
	}
	body := "case \"$1\" in\n" + calls + ")\n" + w.String() + "\t;;\nesac\n"
	for i := len(functions) - 1; i >= 0; i-- {
		if used(functions[i], body) {
			body = functions[i] + body
		}
	}
	return strings.ReplaceAll(body, "#PACKAGE#", all[0].Package)
}

// used reports whether some text calls one of the functions.
func used(functions, text string) bool {
	for line := range strings.Lines(functions) {
		name, _, is := strings.Cut(line, "()")
		if is && strings.HasPrefix(name, "koweld_") && strings.Contains(text, name+" ") {
			return true
		}
	}
	return false
}

// writer indents lines.
type writer struct {
	strings.Builder
	depth int
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(w, "%s%s\n", strings.Repeat("\t", w.depth+1), fmt.Sprintf(format, args...))
}

// when writes lines that hold under a condition.
func (w *writer) when(condition string, lines func()) {
	w.line("if %s; then", condition)
	w.depth++
	lines()
	w.depth--
	w.line("fi")
}

func (w *writer) divert(action string, d divert.Diversion) {
	w.line("dpkg-divert --quiet --package %s --no-rename --divert %s --%s %s", d.Package, d.To, action, d.From)
}

// records are the diversions of each spelling.
func (d *Diversion) records() []divert.Diversion {
	if d.Twin == "" {
		return []divert.Diversion{d.Diversion}
	}
	return []divert.Diversion{d.Diversion, d.aliased()}
}

// aliased is the diversion of the other spelling.
func (d *Diversion) aliased() divert.Diversion {
	return divert.Diversion{From: d.Twin, To: divert.AliasedTo(d.To), Package: d.Package}
}

// alias are the last two arguments of most functions.
func (d *Diversion) alias() string {
	if d.Twin == "" {
		return "'' ''"
	}
	return d.Twin + " " + divert.AliasedTo(d.To)
}

func (w *writer) title(d *Diversion) {
	line := fmt.Sprintf("# %s: %s goes to %s", d.ID, d.From, d.To)
	if d.Since != "" {
		line += ", since " + d.Since
	}
	if d.Until != "" {
		line += ", until " + d.Until
	}
	w.line("%s.", line)
}

func held(d divert.Diversion) string { return fmt.Sprintf("koweld_divert_held %s %s", d.From, d.To) }

// preinst adds what is of the present, and takes away what that follows.
func preinst(w *writer, d *Diversion) {
	if d.Until != "" {
		if t := d.Then; t != nil {
			w.title(d)
			for _, r := range d.records() {
				w.when(fmt.Sprintf("%s && koweld_divert_one_place %s %s", held(r), r.From, t.From), func() {
					w.line("koweld_divert_over %s %s %s %s", r.To, t.From, t.To, t.alias())
					w.divert("remove", r)
				})
			}
		}
		return
	}
	w.title(d)
	word := func(yes bool, a, b string) string {
		if yes {
			return a
		}
		return b
	}
	w.line("koweld_divert_before %s %s %s %s %s %s", word(d.Ship, "yes", "no"), word(d.Move, "auto", "never"), d.Conflict, d.From, d.To, d.alias())
	w.divert("add", d.Diversion)
	if d.Twin != "" {
		w.when(fmt.Sprintf("koweld_divert_one_place %s %s", d.From, d.Twin), func() { w.divert("add", d.aliased()) })
	}
	if d.Move && !d.Ship {
		_, to, _ := strings.Cut(d.alias(), " ")
		w.line("koweld_divert_after %s %s %s", d.From, d.To, to)
	}
}

// postinst takes back what is of the past. In the preinst the file that the former
// version had at the name would still be there, and dpkg would remove whatever had
// come in its place.
func postinst(w *writer, d *Diversion) {
	w.title(d)
	w.when(fmt.Sprintf(`dpkg --compare-versions "$2" lt-nl %s`, d.Until), func() { w.endPast(d) })
}

// endPast takes back what is there of a diversion of the past.
func (w *writer) endPast(d *Diversion) {
	for _, r := range d.records() {
		w.when(held(r), func() {
			w.line(`koweld_divert_back "$1" %s %s %s '' ''`, d.Conflict, r.From, r.To)
			w.divert("remove", r)
		})
	}
}

// end takes back a diversion of the present, if it is there.
func (w *writer) end(d *Diversion) {
	w.line(`koweld_divert_back "$1" %s %s %s %s`, d.Conflict, d.From, d.To, d.alias())
	for _, r := range d.records() {
		w.when(held(r), func() { w.divert("remove", r) })
	}
}

// postrm takes back what the preinst of the same version has done, and what is of
// the past if the version was never configured (Policy, appendix 7).
func postrm(w *writer, d *Diversion) {
	w.title(d)
	switch {
	case d.Until == "" && d.Since == "":
		w.when(`[ "$1" != abort-upgrade ] && ! koweld_divert_shared ''`, func() { w.end(d) })
	case d.Until == "":
		w.when(fmt.Sprintf(`{ [ "$1" != abort-upgrade ] || dpkg --compare-versions "$2" lt-nl %s; } && ! koweld_divert_shared %[1]s`, d.Since), func() { w.end(d) })
	default:
		w.when(`[ "$1" != abort-upgrade ] && ! koweld_divert_shared ''`, func() { w.endPast(d) })
		if d.Then != nil {
			w.restore(d)
		}
	}
}

// restore puts a diversion of the past back in the place of the one that follows it,
// which has been taken back.
func (w *writer) restore(d *Diversion) {
	condition := fmt.Sprintf(`[ "$1" = abort-upgrade ] && dpkg --compare-versions "$2" lt-nl %s`, d.Until)
	if d.Since != "" {
		condition += fmt.Sprintf(` && dpkg --compare-versions "$2" ge %s`, d.Since)
	}
	w.when(condition+" && ! koweld_divert_shared "+d.Then.Since, func() {
		then := d.Then.records()
		if d.Twin == "" {
			_, aliasedTo, _ := strings.Cut(d.Then.alias(), " ")
			w.divert("add", d.Diversion)
			w.line("koweld_divert_again %s %s %s", d.To, d.Then.To, aliasedTo)
			return
		}
		w.divert("add", d.Diversion)
		w.line("koweld_divert_again %s %s ''", d.To, then[0].To)
		w.when(fmt.Sprintf("koweld_divert_one_place %s %s", d.From, d.Twin), func() {
			w.divert("add", d.aliased())
			w.line("koweld_divert_again %s %s ''", d.aliased().To, then[len(then)-1].To)
		})
	})
}
