# Sourced by the scripts beside: what a tree is, in lines that diff compares.
# shellcheck shell=bash

# tree ROOT: type, mode, owner and name of each entry, what symlinks point at,
# the sha256 of files, extended attributes. koweld's own state is left out.
tree() (
	cd "$1" || exit
	if ! command -v getfattr >/dev/null; then
		echo "cannot list $1: there is no getfattr (package attr)" >&2
		exit 1
	fi
	find . -path ./var/lib/koweld -prune -o -printf '%y %m %U:%G %p %l\n' | sort
	find . -path ./var/lib/koweld -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
	getfattr -Rhd -m - --absolute-names . 2>/dev/null | sed '/^# file: .\/var\/lib\/koweld/,/^$/d'
)

# flip FILE OFFSET: turns one bit over.
flip() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
