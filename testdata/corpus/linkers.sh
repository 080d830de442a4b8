# Sourced by the scripts beside: modules of other sets, linked by other linkers
# than kbuild took, and changed after the link.
# shellcheck shell=bash disable=SC2034,SC2154 # names of set.sh

# SET/ID of what is linked again: small, with and without debugging information,
# of one source file and of several, from C and from assembler.
relinked=(
	6.1-fs-fat/fat
	6.1-fs-fat/vfat
	6.1-net-sched/sch_cake
	6.1-net-sched/cls_flower
	6.1-net-sched/act_ct
	6.1-net-sched/act_ife
	6.1-arch-x86-crypto/aesni-intel
	6.1-arch-x86-crypto/chacha-x86_64
	6.1-arch-x86-crypto/crc32-pclmul
	6.1-crypto/af_alg
	6.1-crypto/blowfish_common
	6.1-crypto/xor
)

# The same for --small.
relinked_small=(
	6.1-dkms-gost-crypto/gost28147_generic
	6.1-dkms-digimend/hid-uclogic
	6.1-dkms-nat-rtsp/nf_nat_rtsp
)

# other_ld RELEASE: GNU ld of another release, which runs with that release's own
# libraries. Its words are in the array linker afterwards, ld-VERSION in kind.
other_ld() {
	local root=$work/binutils-$1
	closure "$root" "$1" binutils:amd64
	linker=(
		"$(find "$root" -name ld-linux-x86-64.so.2 -print -quit)"
		--library-path "$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu"
		"$root/usr/bin/x86_64-linux-gnu-ld.bfd"
	)
	kind=ld-$("${linker[@]}" --version | sed -n '1s/.* \([0-9]*\.[0-9]*\).*/\1/p')
}

linkers() {
	local case kind linker release
	need ld.gold=binutils ld.lld=lld
	for case in "${relinked[@]}"; do
		kind=gold linker=(ld.gold)
		relink "$case"
		kind=lld linker=(ld.lld)
		relink "$case"
		for release in bullseye trixie; do
			other_ld "$release"
			relink "$case"
		done
		changes "$case"
	done
}

linkers_small() {
	local case kind=gold linker=(ld.gold)
	need ld.gold=binutils
	for case in "${relinked_small[@]}"; do
		relink "$case"
		changes "$case"
	done
}

# changes SET/ID: the module after programs that packages run on it.
changes() {
	change "$1" stripped strip -g
	change "$1" stripped-unneeded strip --strip-unneeded
	change "$1" objcopy objcopy
	change "$1" objcopy-added objcopy --remove-section .comment \
		--add-section .added="$here/README.md"
}

# case_of SET/ID: the line of the index in the variables kernel, arch, image and
# inputs; the files kept in this set.
case_of() {
	local from=$corpus/${1%/*} file
	IFS=$'\t' read -r _ kernel arch _ image inputs < <(grep "^${1#*/}	" "$from/index.tsv")
	[[ -n $image ]]
	for file in $image $inputs; do [[ -f $set/$file ]] || keep "$from/$file" "$file"; done
	[[ -f $set/module.lds ]] || cp "$from/module.lds" "$set"
}

# relink SET/ID: the final link by $linker, a case of the kind $kind.
relink() {
	local id=${1#*/} words out line=() word
	case_of "$1"
	read -ra words <"$corpus/${1%/*}/$id/$id.ld"
	for word in "${words[@]:1}"; do
		# Only the newer versions of GNU ld know it.
		[[ $word == --no-warn-rwx-segments && $kind =~ gold|lld|ld-2.35 ]] || line+=("$word")
	done
	out=$id-$kind/$id.ko
	mkdir -p "$set/$id-$kind"
	if (cd "$set" && "${linker[@]}" "${line[@]}" -o "$out"); then
		printf 'ld.%s %s\n' "$kind" "${line[*]}" >"$set/$id-$kind/$id-$kind.ld"
		# shellcheck disable=SC2086 # words
		add_case "$id-$kind" "$kind" "$out" $inputs
	else
		failed "$id: $kind ended with $?"
	fi
}

# change SET/ID WHAT COMMAND...: the module after that command, as a case of the
# kind that WHAT begins with.
change() {
	local id=${1#*/} what=$2 out
	case_of "$1"
	shift 2
	out=$id-$what/$id.ko
	mkdir -p "$set/$id-$what"
	if [[ $1 == strip ]]; then
		"$@" -o "$set/$out" "$set/$image"
	else
		"$@" "$set/$image" "$set/$out"
	fi
	# shellcheck disable=SC2086 # words
	add_case "$id-$what" "${what%%-*}" "$out" $inputs
}

# stripped_objects SET: the modules of that set linked of stripped components, as
# those packages do that ship objects.
stripped_objects() {
	local from=$corpus/$1 id kind image inputs kernel arch file first final
	cp "$from/module.lds" "$set"
	while IFS=$'\t' read -r id kernel arch kind image inputs; do
		[[ $kind == both ]] || continue
		for file in $inputs; do
			mkdir -p "$set/${file%/*}"
			strip -g -o "$set/$file" "$from/$file"
		done
		cp "$from/${image%/*}"/*.ld "$set/${image%/*}"
		{
			read -ra first
			read -ra final
		} <"$from/${image%/*}/$id.ld"
		(cd "$set" && "${first[@]}" -o "${image%.ko}.o" && "${final[@]}" -o "$image")
		# shellcheck disable=SC2086 # words
		add_case "$id" both "$image" $inputs
		add_case "${id%-both}" final "$image" "${image%.ko}.o" "${image%.ko}.mod.o"
	done <"$from/index.tsv"
}
