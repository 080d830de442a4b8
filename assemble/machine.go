package assemble

import (
	"debug/elf"

	"koweld/assemble/elf64"
)

// machines by the emulations that kbuild gives to ld -m (KBUILD_LDFLAGS in
// arch/*/Makefile) for the 64-bit architectures of Debian. Of others nothing is
// known: all inputs must then be for the same machine.
var machines = map[string]elf64.Machine{
	"elf_x86_64":     {Arch: elf.EM_X86_64, Data: elf.ELFDATA2LSB},
	"aarch64elf":     {Arch: elf.EM_AARCH64, Data: elf.ELFDATA2LSB},
	"aarch64elfb":    {Arch: elf.EM_AARCH64, Data: elf.ELFDATA2MSB},
	"aarch64linux":   {Arch: elf.EM_AARCH64, Data: elf.ELFDATA2LSB},
	"aarch64linuxb":  {Arch: elf.EM_AARCH64, Data: elf.ELFDATA2MSB},
	"elf64_s390":     {Arch: elf.EM_S390, Data: elf.ELFDATA2MSB},
	"elf64lppc":      {Arch: elf.EM_PPC64, Data: elf.ELFDATA2LSB},
	"elf64ppc":       {Arch: elf.EM_PPC64, Data: elf.ELFDATA2MSB},
	"elf64lriscv":    {Arch: elf.EM_RISCV, Data: elf.ELFDATA2LSB},
	"elf64loongarch": {Arch: elf.EM_LOONGARCH, Data: elf.ELFDATA2LSB},
	"elf64ltsmip":    {Arch: elf.EM_MIPS, Data: elf.ELFDATA2LSB},
	"elf64btsmip":    {Arch: elf.EM_MIPS, Data: elf.ELFDATA2MSB},
}
