package assemble

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
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
	o, err := readObject(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		return nil, err
	}
	contents := func(s section) []byte {
		if s.kind == elf.SHT_NOBITS || s.kind == elf.SHT_NULL {
			return nil
		}
		return image[s.offset:][:s.size]
	}
	names := contents(o.sections[o.names])
	for _, s := range o.sections[1:] {
		if int64(s.name) >= int64(len(names)) {
			return nil, errors.New("a section's name is beyond the section names")
		}
		if got, _, _ := bytes.Cut(names[s.name:], []byte{0}); string(got) == name {
			return contents(s), nil
		}
	}
	return nil, nil
}
