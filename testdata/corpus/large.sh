# Sourced by the scripts beside: objects as no compiler of today makes them for a
# kernel module, but as the format allows.
# shellcheck shell=bash disable=SC2034,SC2154 # names of set.sh

large() {
	local kernel=none arch=x86_64 gnu=x86_64-linux-gnu emulation=elf_x86_64
	need as=binutils ld.bfd=binutils
	# Above 65,279 sections the number and the indices of sections move to
	# other places (gABI, SHN_XINDEX).
	functions 70000 | assemble sections/many.o
	functions 100 other_ | assemble sections/few.o
	link sections sections/many.o sections/few.o

	# The groups common_* are in both objects: the linker keeps the first.
	{ groups 300 common_ && groups 40 one_; } | assemble groups/one.o
	{ groups 300 common_ && groups 40 two_; } | assemble groups/two.o
	link groups groups/one.o groups/two.o
	link groups-allocated --force-group-allocation groups/one.o groups/two.o
}

# machines: a few hundred sections for machines whose compilers are not needed
# for it. s390x is big endian.
machines() {
	local kernel=none arch gnu emulation
	for arch in aarch64 s390x; do
		gnu=$arch-linux-gnu
		need "$gnu-as=binutils-$gnu"
		emulation=$([[ $arch == s390x ]] && echo elf64_s390 || echo aarch64linux)
		tables 200 a_ b_ | assemble "$arch/a.o"
		tables 30 b_ a_ | assemble "$arch/b.o"
		link "$arch" "$arch/a.o" "$arch/b.o"
	done
}

assemble() {
	mkdir -p "$set/${1%/*}"
	"$gnu-as" -o "$set/$1" -
}

# functions N [PREFIX]: assembly with a section for each function, which calls
# the one before, and for each tenth a section of data that points at it.
functions() {
	awk -v n="$1" -v p="${2-}f" 'BEGIN {
		for (i = 0; i < n; i++) {
			printf ".section .text.%s%d,\"ax\",@progbits\n.globl %s%d\n.type %s%d,@function\n", p, i, p, i, p, i
			printf "%s%d: call %s%d\nret\n.size %s%d,.-%s%d\n", p, i, p, i ? i - 1 : 0, p, i, p, i
			if (i % 10 == 0)
				printf ".section .data.%s%d,\"aw\"\n.quad %s%d+%d\n", p, i, p, i, i
		}
	}'
}

# tables N PREFIX OTHER: assembly that every machine has: code of zeroes, tables
# that point into it and at what the other object defines, strings, a COMDAT group.
tables() {
	awk -v n="$1" -v p="$2" -v q="$3" 'BEGIN {
		for (i = 0; i < n; i++) {
			printf ".section .text.%s%d,\"ax\"\n.globl %s%d\n%s%d: .4byte 0, 0\n.L%s%d: .4byte 0\n", p, i, p, i, p, i, p, i
			printf ".section .data.%s%d,\"aw\"\n.8byte %s%d, .L%s%d+4, %s%d\n", p, i, p, i, p, i, q, i % 30
			printf ".section .rodata.str1.1,\"aMS\",1\n.string \"name %d\"\n", i % 7
		}
		printf ".section .text.common,\"axG\",common,comdat\n.weak common\ncommon: .4byte 0\n"
		printf ".section .init_array,\"aw\"\n.8byte common\n"
	}'
}

# groups N PREFIX: assembly with COMDAT groups of a function and its table each.
groups() {
	awk -v n="$1" -v p="$2" 'BEGIN {
		for (i = 0; i < n; i++) {
			printf ".section .text.%s%d,\"axG\",@progbits,%s%d,comdat\n.weak %s%d\n", p, i, p, i, p, i
			printf "%s%d: lea .L%s%d(%%rip),%%rax\nret\n", p, i, p, i
			printf ".section .rodata.%s%d,\"aG\",@progbits,%s%d,comdat\n", p, i, p, i
			printf ".L%s%d: .quad %s%d, %d\n", p, i, p, i, i
		}
		printf ".section .data.%s,\"aw\"\n", p
		for (i = 0; i < n; i++) printf ".quad %s%d\n", p, i
	}'
}

# link ID [FLAG] INPUT INPUT.
link() {
	local id=$1 flags=() line
	shift
	if [[ $1 == -* ]]; then
		flags=("$1")
		shift
	fi
	mkdir -p "$set/$id"
	line=("$gnu-ld.bfd" -r -m "$emulation" --build-id=sha1 "${flags[@]}" "$@")
	(cd "$set" && "${line[@]}" -o "$id/$id.ko")
	printf '%s\n' "${line[*]}" >"$set/$id/$id.ld"
	add_case "$id" large "$id/$id.ko" "$@"
}
