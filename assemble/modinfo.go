package assemble

import (
	"bytes"
	"fmt"

	"koweld/assemble/elf64"
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
