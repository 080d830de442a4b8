# The file that a diversion of the past has at OLD goes to where the one that follows
# it will look: TO, or ALIASED if its package ships ALIAS.
koweld_divert_over() ( # OLD FROM TO ALIAS ALIASED
	set -e
	if ! koweld_divert_there "$1" || [ "$(koweld_divert_shipped "$1")" ]; then exit 0; fi
	dest=$3
	if [ "$4" ] && koweld_divert_one_place "$2" "$4" && [ "$(koweld_divert_others "$4")" ]; then dest=$5; fi
	if koweld_divert_one_place "$1" "$dest"; then exit 0; fi
	if ! koweld_divert_there "$dest"; then
		koweld_divert_link "$1" "$dest"
	elif ! koweld_divert_links "$1" "$dest" && ! koweld_divert_alike "$1" "$dest"; then
		koweld_divert_warn "there is a file at $dest already: $1 stays"
		exit 0
	fi
	rm -f "$koweld_divert_root$1"
)
