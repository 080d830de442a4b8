# FROM is about to go to TO, and ALIAS to ALIASED if that is the same place. The file
# that is there gets its second name, by the spelling that its package has (DEP17, M18).
koweld_divert_before() ( # SHIP MOVE CONFLICT FROM TO ALIAS ALIASED
	set -e
	ship=$1 move=$2 conflict=$3 from=$4 to=$5 alias=$6 aliased=$7
	cannot="cannot divert $from"
	# An absolute link in a root leads a shell out of it.
	top=$(readlink -f "$koweld_divert_root/")
	for name in "$from" "$to"; do
		case $(readlink -m "$koweld_divert_root${name%/*}")/ in
		"${top%/}"/*) ;;
		*) koweld_divert_fail "$cannot: $name leads out of $koweld_divert_root" ;;
		esac
	done
	! koweld_divert_one_place "$from" "$to" || koweld_divert_fail "$cannot: $to is the same place here"
	if [ "$alias" ] && ! koweld_divert_one_place "$from" "$alias"; then
		if [ -L "$koweld_divert_root$from" ] || [ -L "$koweld_divert_root$alias" ]; then
			[ "$(stat -Lc %d:%i "$koweld_divert_root$from" 2>/dev/null || echo none)" != "$(stat -Lc %d:%i "$koweld_divert_root$alias" 2>/dev/null)" ] ||
				koweld_divert_fail "$cannot: of it and $alias one is a link to the other; if /usr is being merged, end that first"
		fi
		alias=
	fi

	# What dpkg would refuse, or not see, and before anything is changed.
	held=all
	set -- "$from" "$to"
	[ -z "$alias" ] || set -- "$@" "$alias" "$aliased"
	while [ $# -gt 0 ]; do
		if ! koweld_divert_held "$1" "$2"; then
			held=${held#all}
			for name in "$1" "$2"; do
				holder=$(dpkg-divert --listpackage "$name")
				[ -z "$holder" ] || koweld_divert_fail "$cannot: $name is in a diversion of $holder already"
			done
			owner=$(koweld_divert_shipped "$2" | head -n 1)
			[ -z "$owner" ] || koweld_divert_fail "$cannot: package $owner ships $2"
		else
			held=${held:-one}
		fi
		shift 2
	done

	[ "$move" = auto ] && koweld_divert_there "$from" || exit 0
	[ ! -d "$koweld_divert_root$from" ] || [ -L "$koweld_divert_root$from" ] || koweld_divert_fail "$cannot: it is a folder"
	by=$(koweld_divert_others "$from")
	byalias=
	[ -z "$alias" ] || byalias=$(koweld_divert_others "$alias")
	if koweld_divert_ours "$from" ${alias:+"$alias"}; then
		# If others ship it too, the last one that came has replaced the file.
		[ "$held" != all ] && [ "$by$byalias" ] && [ ! -L "$koweld_divert_root$from" ] || exit 0
		set -- "#PACKAGE#:$DPKG_MAINTSCRIPT_ARCH" md5sums
		sums=$(dpkg-query --control-show "$@" 2>/dev/null || dpkg-query --control-show "#PACKAGE#" md5sums 2>/dev/null) || exit 0
		sum=$(md5sum <"$koweld_divert_root$from")
		! printf '%s\n' "$sums" | grep -Fqx -e "${sum%-}${from#/}" -e "${sum%-}${alias#/}" || exit 0
	fi
	# Killed before the file had moved, or the next version has come to its place.
	[ -z "$held" ] || [ "$by$byalias" ] || exit 0
	if [ "$by" ] && [ "$byalias" ]; then
		[ "$held" != all ] || exit 0
		koweld_divert_fail "$cannot: $by ships it, and $byalias the same place as $alias; whose file is there is not known"
	fi
	dest=$to
	[ -z "$byalias" ] || dest=$aliased
	for name in "$from" "$dest"; do
		! mountpoint -q "$koweld_divert_root$name" 2>/dev/null || koweld_divert_fail "$cannot: a file is mounted on $name"
	done
	if koweld_divert_there "$dest"; then
		if koweld_divert_held "$from" "$dest" || koweld_divert_held "${alias:-$from}" "$dest"; then exit 0; fi
		if koweld_divert_links "$from" "$dest" || koweld_divert_alike "$from" "$dest"; then exit 0; fi
		[ ! -d "$koweld_divert_root$dest" ] || [ -L "$koweld_divert_root$dest" ] || koweld_divert_fail "$cannot: $dest is a folder"
		[ "$conflict" = save ] || koweld_divert_fail "$cannot: there is a file at $dest, and it is another"
		koweld_divert_aside "$dest"
	fi
	if [ "$ship" = no ] && [ "$by$byalias" ]; then
		# The name of an Essential package's file must not be without one (Policy 3.8).
		for owner in $by $byalias; do
			if dpkg-query -W -f '${Essential}\n' "$owner" | grep -qx yes; then exit 0; fi
		done
	fi
	koweld_divert_link "$from" "$dest"
)
