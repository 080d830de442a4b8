package quirks

import (
	"slices"
	"strings"

	"koweld/internal/dpkg"
	"koweld/manifest"
)

// Where actions are legal: what is kept can be taken back, what is cleaned up is
// done once.
var (
	keepActions    = []string{"divert", "protect", "mirror", "message", "abort"}
	cleanupActions = []string{"redivert", "release", "remove_stale", "trigger", "message", "abort"}
	allActions     = []string{"divert", "redivert", "release", "protect", "remove_stale", "mirror", "trigger", "message", "abort"}
)

// action reads one action. legal are those that may stand here, at the stages of a
// cleanup at which it is done, nil in keep.
func (p *parser) action(v manifest.Value, legal []string, at []Stage) (Action, bool) {
	f := v.Fields(append([]string{"require", "undo"}, allActions...)...)
	keys := f.Of(allActions...)
	if len(keys) != 1 {
		if !f.Suspect() {
			v.Errorf("", "an action has one of %s, and this one has %d", either(allActions), len(keys))
		}
		return Action{}, false
	}
	key, a := keys[0], Action{Pos: v.Pos()}
	body := f.Get(key)
	if !slices.Contains(legal, key) {
		body.Errorf("", "%s is no action here: it is one of %s", key, either(legal))
		return Action{}, false
	}
	for _, s := range at {
		if s != "" && !slices.Contains(may(key), s) {
			body.Errorf("", "%s is not legal at %s", key, s)
			return Action{}, false
		}
	}
	undo := f.Get("undo")
	if undo.Is() && key != "divert" {
		undo.Errorf("", "%s has nothing to say about its undoing", key)
	}
	var names map[string]string
	a.Do, names = p.doing(key, body, undo)
	p.doc.With(names, func() {
		if r := f.Get("require"); r.Is() {
			a.Require = p.each(r.List())
		}
	})
	return a, true
}

// doing reads what an action does, and the names that its requirements may use.
func (p *parser) doing(key string, v, undo manifest.Value) (Doing, map[string]string) {
	switch key {
	case "divert":
		return p.divert(v, undo)
	case "protect":
		return p.protect(v)
	case "redivert":
		return p.redivert(v)
	case "release":
		return p.release(v)
	case "remove_stale":
		return p.removeStale(v)
	case "mirror":
		f := v.Fields("from", "to", "mode")
		m := Mirror{From: p.name(f.Need("from")), To: p.name(f.Need("to"))}
		m.Link = f.Get("mode").OneOf("copy", "copy", "hardlink") == "hardlink"
		if m.From != "" && m.From == m.To {
			v.Errorf("", "both names are %s", m.From)
		}
		return m, map[string]string{"from": m.From, "to": m.To}
	case "trigger":
		f := v.Fields("name")
		return Activate{f.Need("name").Name(triggerName, "the name of a trigger (deb-triggers(5))")}, nil
	case "message":
		f := v.Fields("level", "text")
		text, _ := f.Need("text").Text()
		return Message{f.Get("level").OneOf("info", Levels...), text}, nil
	}
	f := v.Fields("text")
	text, _ := f.Need("text").Text()
	return Abort{text}, nil
}

func (p *parser) divert(v, undo manifest.Value) (Doing, map[string]string) {
	f := v.Fields("from", "to", "holder", "move")
	d := Divert{From: p.name(f.Need("from")), Package: p.holder(f.Get("holder"))}
	names := map[string]string{"from": d.From}
	d.To = d.From + ".distrib"
	p.doc.With(names, func() {
		if to := f.Get("to"); to.Is() {
			d.To = p.name(to)
		}
	})
	if move := f.Get("move"); move.IsMapping() {
		d.MoveWhen = All{}
		if when := move.Fields("when").Need("when"); when.Is() {
			d.MoveWhen = p.condition(when)
		}
	} else {
		d.Move = move.OneOf("auto", "auto", "never") == "auto"
	}
	d.Undo = p.undo(undo, d.Move)
	if d.From != "" && d.From == d.To {
		v.Errorf("", "%s is diverted to itself", d.From)
	}
	names["to"] = d.To
	return d, names
}

func (p *parser) undo(v manifest.Value, moved bool) Undo {
	u := Undo{Leave, Leave}
	if moved {
		u.Target = MoveBack
	}
	if v.Is() {
		f := v.Fields("target", "stale")
		u.Target = Fate(f.Get("target").OneOf(string(u.Target), string(Leave), string(MoveBack), string(DeleteOrphan)))
		u.Stale = Fate(f.Get("stale").OneOf(string(Leave), string(Leave), string(DeleteOrphan)))
		if s := f.Get("stale"); s.Is() && moved {
			s.Errorf("", "nothing stays at a name from which the file is moved")
		}
	}
	return u
}

const protected = ".usr-is-merged"

func (p *parser) protect(v manifest.Value) (Doing, map[string]string) {
	f := v.Fields("path", "to", "holder")
	d := Divert{From: p.name(f.Need("path")), Package: p.holder(f.Get("holder")), Undo: Undo{Leave, Leave}, Protected: true}
	d.To = d.From + protected
	if to := f.Get("to"); to.Is() {
		d.To = p.name(to)
	}
	if d.From != "" && strings.HasPrefix(d.From, "/usr/") {
		f.Get("path").Errorf("it is the aliased name, "+dpkg.Twin(d.From)+", that is protected", "%s is in /usr", d.From)
	}
	return d, map[string]string{"from": d.From, "to": d.To}
}

func (p *parser) redivert(v manifest.Value) (Doing, map[string]string) {
	f := v.Fields("from", "was", "to", "holder", "was_holder")
	d := Redivert{From: p.name(f.Need("from")), Was: p.name(f.Need("was")), To: p.name(f.Need("to")), Package: p.holder(f.Get("holder"))}
	d.WasPackage = d.Package
	if h := f.Get("was_holder"); h.Is() {
		d.WasPackage = p.holder(h)
	}
	if d.From != "" && d.was() == d.is() {
		v.Errorf("", "it is to be as it was")
	}
	return d, map[string]string{"from": d.From, "to": d.To}
}

func (p *parser) release(v manifest.Value) (Doing, map[string]string) {
	f := v.Fields("from", "to", "holder", "move")
	d := Release{From: p.name(f.Need("from")), Package: p.holder(f.Need("holder"))}
	if to := f.Get("to"); to.Is() {
		d.To = p.name(to)
	}
	d.Move = f.Get("move").OneOf("never", "auto", "never") == "auto"
	return d, map[string]string{"from": d.From, "to": d.To}
}

func (p *parser) removeStale(v manifest.Value) (Doing, map[string]string) {
	f := v.Fields("path", "keep", "verify", "content")
	d := RemoveStale{Path: p.name(f.Need("path"))}
	if k := f.Get("keep"); k.Is() {
		d.Keep = p.name(k)
		d.Verified = f.Get("verify").Bool(true)
	} else if w := f.Get("verify"); w.Is() {
		w.Errorf("", "there is no keep to verify")
	}
	c := f.Get("content")
	for _, e := range c.OneOrMore() {
		s, _ := e.Word()
		sum, named := strings.CutPrefix(s, "sha256:")
		switch {
		case named && isDigest(sum):
			d.SHA256 = append(d.SHA256, sum)
		case s == "differs":
			d.Differs = true
		case s != "" && s != "any":
			e.Errorf("", "must be any, differs or sha256:DIGEST")
		}
	}
	switch {
	case f.Suspect():
	case d.Keep == "" && d.SHA256 == nil:
		v.Errorf("give keep, the file that stays, or content: sha256:…", "nothing tells that the file is stale")
	case d.Keep == "" && d.Differs:
		c.Errorf("", "there is no keep to differ from")
	case d.Keep != "" && d.Keep == d.Path:
		v.Errorf("", "the file that stays is the one that goes")
	}
	return d, map[string]string{"path": d.Path, "keep": d.Keep}
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

const holderPackage = "package:"

// holder is the package that holds a diversion, "" for a local one.
func (p *parser) holder(v manifest.Value) string {
	s, ok := v.Text()
	if !ok { // by default, the package; the administrator's are local
		if !v.Is() && p.pkg == "" {
			return ""
		}
		return p.pkg
	}
	pkg, named := strings.CutPrefix(s, holderPackage)
	switch {
	case named && pkgName.MatchString(pkg):
		return pkg
	case named:
		v.Errorf("", "%s is not %s", pkg, packageRule)
	case s == ownSelf:
		if p.pkg == "" {
			v.Errorf("", "the document names no package")
		}
		return p.pkg
	case s == local:
		if !p.local {
			v.Errorf("a package's own diversions are held by it (Policy 3.9); allow_local: true allows it", "a local diversion is the administrator's")
		}
		return ""
	default:
		v.Errorf(manifest.Nearest(s, []string{ownSelf, local}), "must be self, local or package:NAME")
	}
	return ""
}
