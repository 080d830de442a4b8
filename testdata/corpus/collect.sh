# Sourced by the scripts beside: what kbuild built, kept as cases. It records
# the line that made FILE in .FILE.cmd (scripts/Kbuild.include, if_changed), and
# the objects of a composite NAME.o in NAME.mod.
# shellcheck shell=bash

# collect KERNEL ARCH TREE BUILT_IN: every module below TREE, whose paths are
# relative to BUILT_IN, into $set. With $levels=1 the components are left out:
# from 6.12 on objtool changes the composite after its link, so that the
# components do not make it.
collect() {
	local kernel=$1 arch=$2 tree=$3 built_in=$4 cmd
	while IFS= read -r -d '' cmd; do
		collect_module "$cmd"
	done < <(find "$tree" -name '.*.ko.cmd' -print0 | sort -z)
}

# recorded CMD-FILE: the words of the first command there.
recorded() { sed -n '1{s/^[^=]*:= *//;s/;.*//;p}' "$1"; }

# keep FILE AS: FILE, or what it points at, in $set under another name.
keep() {
	mkdir -p "$set/${2%/*}"
	ln -fL "$1" "$set/$2" 2>/dev/null || cp -L "$1" "$set/$2"
}

# from PATH: a path that kbuild wrote, as one of this process.
from() {
	if [[ $1 == /* ]]; then printf '%s\n' "${root-}$1"; else printf '%s\n' "$built_in/$1"; fi
}

collect_module() {
	local cmd=$1 folder name ko words line=() inputs=() i file id n=2
	folder=${cmd%/*}
	name=${cmd##*/.}
	name=${name%.ko.cmd}
	ko=$folder/$name.ko
	# Some packages move their modules about.
	[[ -f $ko ]] || ko=$(find "$tree" -name "$name.ko" -print -quit)
	[[ -n $ko ]] || return 0
	id=$name
	while [[ -d $set/$id ]]; do id=$name~$((n++)); done

	read -ra words < <(recorded "$cmd")
	for ((i = 0; i < ${#words[@]}; i++)); do
		case ${words[i]} in
		-o) i=$((i + 1)) ;; # the output
		-T)
			i=$((i + 1))
			file=$(from "${words[i]}")
			cmp -s "$file" "$set/module.lds" || cp "$file" "$set/module.lds"
			line+=(-T module.lds)
			;;
		-*) line+=("${words[i]}") ;;
		*.o)
			file=$(from "${words[i]}")
			keep "$file" "$id/${file##*/}"
			inputs+=("$id/${file##*/}")
			line+=("$id/${file##*/}")
			;;
		*) line+=("${words[i]}") ;;
		esac
	done
	keep "$ko" "$id/$name.ko"
	printf '%s\n' "${line[*]}" >"$set/$id/$id.ld"
	add_case "$id" "$(final_kind "$id" "$name")" "$id/$name.ko" "${inputs[@]}"

	[[ ${levels-2} == 2 ]] || return 0
	grep -qs '^[^=]*:= .* -r .*@' "$folder/.$name.o.cmd" || return 0
	inputs=("${inputs[@]:1}")
	local parts=()
	while read -r file; do
		# With folders: two components may have one base name.
		i=$(realpath -s "$(from "$file")")
		file=$id/parts/$(realpath -ms --relative-to="$tree" "$i" | sed 's|\.\./||g')
		keep "$i" "$file"
		parts+=("$file")
	done < <(tr -s ' ' '\n' <"$folder/$name.mod" | grep '\.o$')
	add_case "$id-both" both "$id/$name.ko" "${parts[@]}" "${inputs[@]}"
}

# final_kind ID NAME: final if the recorded line makes the module, which is
# tried; btf if what differs is that BTF was added.
final_kind() {
	local out=$set/again.ko words
	read -ra words <"$set/$1/$1.ld"
	[[ -z ${ld-} ]] || words[0]=$ld
	if (cd "$set" && "${words[@]}" -o "$out" 2>/dev/null) && cmp -s "$out" "$set/$1/$2.ko"; then
		echo final
	elif readelf -SW "$set/$1/$2.ko" | grep -q ' \.BTF '; then
		echo btf
	else
		echo changed
	fi
	rm -f "$out"
}

# add_case ID KIND IMAGE INPUT...
add_case() {
	local id=$1 kind=$2 image=$3
	shift 3
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$id" "$kernel" "$arch" "$kind" "$image" "$*" \
		>>"$set/index.tsv"
}

# failed WHAT: is told at the end of the run.
failed() {
	printf '%s\n' "$*" >>"$set/failed"
	printf 'failed: %s\n' "$*" >&2
}
