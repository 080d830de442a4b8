# dpkg sets both; where a root is given by hand, dpkg-divert of bullseye would take
# the database of the host.
export DPKG_ADMINDIR="${DPKG_ADMINDIR:-${DPKG_ROOT%/}/var/lib/dpkg}"
koweld_divert_root=${DPKG_ROOT%/}

koweld_divert_warn() { printf 'koweld: warning: %s\n' "$*" >&2; }
koweld_divert_fail() {
	printf 'koweld: error: %s\n' "$*" >&2
	exit 1
}
koweld_divert_there() { [ -e "$koweld_divert_root$1" ] || [ -L "$koweld_divert_root$1" ]; }
# A place is a folder, by device and inode, and a name in it: where /usr is merged, by
# links or by mounts, two names are one place.
koweld_divert_place() (
	folder=${1%/*}
	rest=/${1##*/}
	until [ -d "$koweld_divert_root$folder/" ]; do
		rest=/${folder##*/}$rest
		folder=${folder%/*}
	done
	printf '%s%s\n' "$(stat -Lc %d:%i "$koweld_divert_root$folder/")" "$rest"
)
koweld_divert_one_place() { [ "$(koweld_divert_place "$1")" = "$(koweld_divert_place "$2")" ]; }
koweld_divert_held() {
	[ "$(dpkg-divert --truename "$1")" = "$2" ] && [ "$(dpkg-divert --listpackage "$1")" = "#PACKAGE#" ]
}
# The packages that ship these very names.
koweld_divert_owners() {
	LC_ALL=C dpkg-query -S "$@" 2>/dev/null |
		sed '/^diversion by /d; /^local diversion /d; s,: /.*,,; s/, /,/g' | tr , '\n' | sed 's/:.*//' | sort -u
}
koweld_divert_others() { koweld_divert_owners "$@" | grep -Fvx "#PACKAGE#" || :; }
koweld_divert_ours() { koweld_divert_owners "$@" | grep -Fqx "#PACKAGE#"; }
# Those that ship a place, by either spelling.
koweld_divert_shipped() (
	case $1 in /usr/*) twin=${1#/usr} ;; *) twin=/usr$1 ;; esac
	koweld_divert_one_place "$1" "$twin" || twin=$1
	koweld_divert_owners "$1" "$twin"
)
koweld_divert_links() {
	[ "$(stat -c %d:%i "$koweld_divert_root$1")" = "$(stat -c %d:%i "$koweld_divert_root$2")" ] &&
		[ "$(stat -c %h "$koweld_divert_root$1")" -gt 1 ]
}
koweld_divert_alike() {
	if [ -L "$koweld_divert_root$1" ] || [ -L "$koweld_divert_root$2" ]; then
		[ "$(readlink "$koweld_divert_root$1")" = "$(readlink "$koweld_divert_root$2")" ]
	else
		cmp -s "$koweld_divert_root$1" "$koweld_divert_root$2"
	fi
}
# A file gets a second name, whole and durable, before it loses the first: at no moment
# is it without one. Where there are no hard links, it is a copy.
koweld_divert_link() {
	mkdir -p "$koweld_divert_root${2%/*}"
	if ! ln -PT "$koweld_divert_root$1" "$koweld_divert_root$2" 2>/dev/null; then
		cp -aT "$koweld_divert_root$1" "$koweld_divert_root$2.koweld-new"
		[ -L "$koweld_divert_root$1" ] || sync "$koweld_divert_root$2.koweld-new"
		mv -fT "$koweld_divert_root$2.koweld-new" "$koweld_divert_root$2"
	fi
	sync "$koweld_divert_root${2%/*}"
}
koweld_divert_aside() (
	n=1
	while koweld_divert_there "$1.koweld-saved-$n"; do n=$((n + 1)); done
	koweld_divert_warn "$1 is in the way of the file of another package: kept as $1.koweld-saved-$n"
	mv -T "$koweld_divert_root$1" "$koweld_divert_root$1.koweld-saved-$n"
)
