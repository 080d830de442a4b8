# Sourced by the scripts beside: what kbuild built, kept as cases. It records
# the line that made FILE in .FILE.cmd (scripts/Kbuild.include, if_changed), and
# the objects of a composite NAME.o in NAME.mod.
# shellcheck shell=bash disable=SC2154 # names of set.sh

# collect KERNEL ARCH TREE BUILT_IN: every module below TREE, whose paths are
# relative to BUILT_IN, into $set.
collect() {
	local kernel=$1 arch=$2 tree=$3 built_in=$4 cmd
	while IFS= read -r -d '' cmd; do
		collect_module "$cmd"
	done < <(find "$tree" -name '.*.ko.cmd' -print0 | sort -z)
}

# collect_module CMD-FILE: the case "final", and "both" or "objtool" for a
# composite.
collect_module() {
	local cmd=$1 folder name ko id n=2 line inputs kind
	folder=${cmd%/*}
	name=${cmd##*/.}
	name=${name%.ko.cmd}
	ko=$folder/$name.ko
	# Some packages move their modules about.
	[[ -f $ko ]] || ko=$(find "$tree" -name "$name.ko" -print -quit)
	[[ -n $ko ]] || return 0
	id=$name
	while [[ -d $set/$id ]]; do id=$name~$((n++)); done

	keep "$ko" "$id/$name.ko"
	final_line "$cmd"
	printf '%s\n' "${line[*]}" >"$set/$id/$id.ld"
	kind=final
	if ! makes "$id/$name.ko"; then
		kind=changed
		! readelf -SW "$ko" | grep ' \.BTF ' >/dev/null || kind=btf
	fi
	add_case "$id" "$kind" "$id/$name.ko" "${inputs[@]}"

	if [[ $kind != changed ]] && grep -qs '^[^=]*:= .* -r .*@' "$folder/.$name.o.cmd"; then
		both_levels "$folder/.$name.o.cmd"
	fi
}

# recorded CMD-FILE: the words of the first command there.
recorded() { sed -n '1{s/^[^=]*:= *//;s/;.*//;p}' "$1"; }

# from PATH: a path that kbuild wrote, as one of this process.
from() {
	if [[ $1 == /* ]]; then printf '%s\n' "${root-}$1"; else printf '%s\n' "$built_in/$1"; fi
}

# keep FILE AS: FILE, or what it points at, in $set under another name.
keep() {
	mkdir -p "$set/${2%/*}"
	ln -fL "$1" "$set/$2" 2>/dev/null || cp -L "$1" "$set/$2"
}

# final_line CMD-FILE: the recorded line in the array line, with paths relative
# to $set and without -o; its inputs, which are kept, in inputs.
final_line() {
	local words i file
	line=() inputs=()
	read -ra words < <(recorded "$1")
	for ((i = 0; i < ${#words[@]}; i++)); do
		case ${words[i]} in
		-o) i=$((i + 1)) ;;
		-T)
			i=$((i + 1))
			[[ -f $set/module.lds ]] || cp "$(from "${words[i]}")" "$set/module.lds"
			line+=(-T module.lds)
			;;
		*.o)
			file=$(from "${words[i]}")
			keep "$file" "$id/${file##*/}"
			inputs+=("$id/${file##*/}")
			line+=("$id/${file##*/}")
			;;
		*) line+=("${words[i]}") ;;
		esac
	done
}

# both_levels CMD-FILE: a case of the components in place of the composite, if
# the recorded line makes it of them, or if it is objtool that changes it after
# that, as from 6.12 on.
both_levels() {
	local words i file final=("${line[@]}") parts=()
	line=()
	read -ra words < <(recorded "$1")
	for ((i = 0; i < ${#words[@]}; i++)); do
		case ${words[i]} in
		-o) i=$((i + 1)) ;;
		@*) ;;
		*.o | */*.o_*) # a blob beside the list
			file=$(from "${words[i]}")
			keep "$file" "$id/parts/${file##*/}"
			parts+=("$id/parts/${file##*/}")
			line+=("$id/parts/${file##*/}")
			;;
		*) line+=("${words[i]}") ;;
		esac
	done
	while read -r file; do
		file=$(realpath -s "$(from "$file")")
		# With folders: two components may have one base name.
		i=$(realpath -ms --relative-to="$tree" "$file")
		keep "$file" "$id/parts/${i//..\//}"
		parts+=("$id/parts/${i//..\//}")
		line+=("$id/parts/${i//..\//}")
	done < <(tr -s ' ' '\n' <"$folder/$name.mod" | grep '\.o$')
	if makes "${inputs[0]}"; then
		printf '%s\n' "${line[*]}" "${final[*]}" >"$set/$id/$id-both.ld"
		add_case "$id-both" both "$id/$name.ko" "${parts[@]}" "${inputs[@]:1}"
	elif grep -q '\bobjtool\b' "$1"; then
		add_case "$id-objtool" objtool "$id/$name.ko" "${parts[@]}" "${inputs[@]:1}"
	else
		rm -r "$set/$id/parts"
	fi
}

# makes FILE: whether $line makes that file of the set.
makes() {
	local same=1 command=("${line[@]}")
	[[ -z ${ld-} ]] || command=("${ld[@]}" "${line[@]:1}")
	if (cd "$set" && "${command[@]}" -o again) 2>/dev/null && cmp -s "$set/again" "$set/$1"; then
		same=0
	fi
	rm -f "$set/again"
	return "$same"
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
