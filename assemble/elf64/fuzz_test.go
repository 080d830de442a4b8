package elf64_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"koweld/assemble/elf64"
)

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../recipe/testdata/*/*.?o")
	require.NoError(f, err)
	more, err := filepath.Glob("../recipe/testdata/*/*.o")
	require.NoError(f, err)
	require.NotEmpty(f, append(files, more...))
	for _, name := range append(files, more...) {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := elf64.Parse(data)
		if err != nil {
			return
		}
		require.NotEmpty(t, m.Sections)
		require.Less(t, m.Names, len(m.Sections))
		require.LessOrEqual(t, len(m.Sections)*elf64.SectionHeaderSize, len(data))
		table := m.Order.Uint64(data[40:])
		var header [elf64.SectionHeaderSize]byte
		for i := range m.Sections {
			m.Sections[i].Encode(m.Order, header[:])
			require.Equal(t, data[table+uint64(i)*elf64.SectionHeaderSize:][:elf64.SectionHeaderSize], header[:])
			_ = m.Contents(i)
			_, _ = m.SectionName(i)
		}
		for i := range m.NumSymbols() {
			s := m.Symbol(i)
			if text, ok := elf64.CString(m.Strings, s.Name); ok {
				require.NotContains(t, string(text), "\x00")
			}
		}
	})
}
