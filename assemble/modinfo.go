package assemble

import (
	"bytes"
	"fmt"
	"strings"

	"koweld/assemble/elf64"
	"koweld/manifest"
)

// Modinfo returns the tags of an image's .modinfo section: what MODULE_INFO
// (include/linux/moduleparam.h) and modpost put there, among them "name",
// "vermagic" and any number of "alias". An image without the section has none.
func Modinfo(image []byte) (map[string][]string, error) {
	data, err := findSection(image, ".modinfo")
	if err != nil {
		return nil, fmt.Errorf("cannot read .modinfo: %w", err)
	}
	tags := make(map[string][]string)
	for entry := range bytes.SplitSeq(data, []byte{0}) {
		if len(entry) == 0 {
			continue // padding between entries
		}
		key, value, ok := bytes.Cut(entry, []byte("="))
		if !ok {
			return nil, fmt.Errorf("cannot read .modinfo: entry %q has no value", entry)
		}
		tags[string(key)] = append(tags[string(key)], string(value))
	}
	return tags, nil
}

// refuseOther refuses a module that says it is of another kernel than the
// manifest. Kernels refuse it by its vermagic or, where symbols have versions, by
// those (kernel/module/version.c, same_magic). What says nothing is for them alone.
func refuseOther(man *manifest.Manifest, m *manifest.Module, image []byte) error {
	info, err := Modinfo(image)
	if err != nil || len(info["vermagic"]) == 0 {
		return nil
	}
	release, _, _ := strings.Cut(info["vermagic"][0], " ")
	if release == man.Kernel {
		return nil
	}
	return &KernelError{Module: m.Name, Got: release, Want: man.Kernel}
}

// findSection returns the contents of the first section of that name, nil if
// there is none.
func findSection(image []byte, name string) ([]byte, error) {
	m, err := elf64.Parse(image)
	if err != nil {
		return nil, err
	}
	for i := 1; i < len(m.Sections); i++ {
		got, err := m.SectionName(i)
		if err != nil {
			return nil, err
		}
		if got == name {
			return m.Contents(i), nil
		}
	}
	return nil, nil
}
