package manifest

import (
	"fmt"
)

// The full form of a manifest, as it is written: every key that has a meaning
// for it, no vars, no defaults. The order is that of koweld-manifest(5).
type (
	fullManifest struct {
		Koweld     int                    `yaml:"koweld"`
		Package    string                 `yaml:"package"`
		Replaces   []string               `yaml:"replaces,omitempty"`
		Provides   *fullProvides          `yaml:"provides,omitempty"`
		Userspace  []string               `yaml:"userspace,omitempty"`
		Kernel     string                 `yaml:"kernel"`
		Needs      []string               `yaml:"needs,omitempty"`
		Objects    string                 `yaml:"objects"`
		Signatures string                 `yaml:"signatures"`
		Signers    []fullSigner           `yaml:"signers,omitempty"`
		Linker     *fullLinker            `yaml:"linker,omitempty"`
		Modules    []fullModule           `yaml:"modules,omitempty"`
		Files      []fullFile             `yaml:"files,omitempty"`
		Inputs     map[string]fullContent `yaml:"inputs,omitempty"` // is written sorted
		Diverts    []fullDivert           `yaml:"diverts,omitempty"`
		After      fullAfter              `yaml:"after"`
	}
	fullProvides struct {
		Group    string `yaml:"group"`
		Version  string `yaml:"version,omitempty"`
		Priority int64  `yaml:"priority"`
	}
	fullSigner struct {
		Certificate string `yaml:"certificate"`
		SHA256      string `yaml:"sha256"`
	}
	fullLinker struct {
		Emulation  string        `yaml:"emulation,omitempty"`
		Script     string        `yaml:"script,omitempty"`
		Flags      []string      `yaml:"flags,omitempty"`
		InnerFlags []string      `yaml:"inner-flags,omitempty"`
		Recorded   *fullRecorded `yaml:"recorded,omitempty"`
	}
	fullRecorded struct {
		Name    string `yaml:"name"`
		Version string `yaml:"version"`
		Path    string `yaml:"path,omitempty"`
	}
	fullModule struct {
		Name      string     `yaml:"name"`
		Form      []fullForm `yaml:"form"`
		Image     fullImage  `yaml:"image"`
		Signature string     `yaml:"signature"`
		Install   string     `yaml:"install"`
		Compress  string     `yaml:"compress"`
	}
	fullForm struct {
		Whole  string   `yaml:"whole,omitempty"`
		Link   []any    `yaml:"link,omitempty"` // a string or a fullStep
		Recipe string   `yaml:"recipe,omitempty"`
		Inputs []string `yaml:"inputs,omitempty"`
	}
	fullStep struct {
		Name    string `yaml:"name"`
		Objects []any  `yaml:"objects"`
	}
	fullImage struct {
		SHA256 string `yaml:"sha256"`
		Size   int64  `yaml:"size"`
	}
	fullFile struct {
		Source  string `yaml:"source"`
		Install string `yaml:"install"`
		Beside  string `yaml:"beside,omitempty"`
		Mode    string `yaml:"mode"`
	}
	fullContent struct {
		Size   int64  `yaml:"size"`
		SHA256 string `yaml:"sha256"`
	}
	fullDivert struct {
		ID         string `yaml:"id"`
		From       string `yaml:"from"`
		To         string `yaml:"to"`
		Ship       bool   `yaml:"ship"`
		Move       string `yaml:"move"`
		Alias      string `yaml:"alias"`
		Since      string `yaml:"since,omitempty"`
		Until      string `yaml:"until,omitempty"`
		OnConflict string `yaml:"on_conflict"`
	}
	fullAfter struct {
		Depmod    bool   `yaml:"depmod"`
		Initramfs string `yaml:"initramfs"`
	}
)

// Expand is the manifest as YAML in full: variables replaced, defaults filled
// in, paths absolute. [Parse] gives the same manifest for it, positions and
// digest aside.
func (m *Manifest) Expand() ([]byte, error) {
	full := fullManifest{
		Koweld: m.Version, Package: m.Package, Replaces: m.Replaces, Kernel: m.Kernel, Needs: m.Needs,
		Objects: m.Objects, Signatures: m.Signatures,
		Linker: m.Linker.full(),
		After:  fullAfter{m.After.Depmod, string(m.After.Initramfs)},
	}
	if p := m.Provides; p != nil {
		full.Provides = &fullProvides{p.Group, p.Version, p.Priority}
	}
	full.Userspace = m.Userspace
	for _, s := range m.Signers {
		full.Signers = append(full.Signers, fullSigner{s.Certificate, s.SHA256})
	}
	for i := range m.Modules {
		full.Modules = append(full.Modules, m.Modules[i].full())
	}
	for _, f := range m.Files {
		full.Files = append(full.Files, fullFile{f.Source, f.Install, f.Beside, fmt.Sprintf("%04o", f.Mode)})
	}
	for _, d := range m.Diverts {
		full.Diverts = append(full.Diverts, fullDivert{
			d.ID, d.From, d.To, d.Ship, string(d.Move), string(d.Alias), d.Since, d.Until, string(d.OnConflict),
		})
	}
	if len(m.Inputs) > 0 {
		full.Inputs = make(map[string]fullContent, len(m.Inputs))
	}
	for name, c := range m.Inputs {
		full.Inputs[name] = fullContent{c.Size, c.SHA256}
	}
	out, err := writeYAML(full)
	if err != nil {
		return nil, fmt.Errorf("cannot expand %s: %v", m.File, err)
	}
	return out, nil
}

func (l *Linker) full() *fullLinker {
	if l == nil {
		return nil
	}
	f := &fullLinker{Emulation: l.Emulation, Script: l.Script, Flags: l.Flags, InnerFlags: l.InnerFlags}
	if r := l.Recorded; r != (Recorded{}) {
		f.Recorded = &fullRecorded{r.Name, r.Version, r.Path}
	}
	return f
}

func (m *Module) full() fullModule {
	f := fullModule{
		Name:      m.Name,
		Image:     fullImage{m.Image.SHA256, m.Image.Size},
		Signature: m.Signature,
		Install:   m.Install,
		Compress:  string(m.Compress),
	}
	for _, way := range m.Form {
		f.Form = append(f.Form, fullForm{way.Whole, fullInputs(way.Link), way.Recipe, way.Inputs})
	}
	return f
}

func fullInputs(inputs []Input) []any {
	var full []any
	for _, in := range inputs {
		if in.Object != "" {
			full = append(full, in.Object)
			continue
		}
		full = append(full, fullStep{in.Name, fullInputs(in.Objects)})
	}
	return full
}
