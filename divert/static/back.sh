koweld_divert_returns() { koweld_divert_there "$1" && [ -z "$(koweld_divert_shipped "$1")" ]; }
koweld_divert_back_one() { # CONFLICT TO FROM
	if [ ! -d "$koweld_divert_root${3%/*}/" ] || { [ -d "$koweld_divert_root$3" ] && [ ! -L "$koweld_divert_root$3" ]; }; then
		koweld_divert_warn "$2 stays: it cannot come back to $3"
		return
	elif koweld_divert_there "$3"; then
		if ! koweld_divert_links "$2" "$3" && ! koweld_divert_alike "$2" "$3"; then
			case $1 in
			save) koweld_divert_aside "$3" ;;
			leave)
				koweld_divert_warn "there is a file at $3 already: $2 stays"
				return
				;;
			*) koweld_divert_fail "cannot take back the diversion of $3: there is a file already, and that at $2 is another" ;;
			esac
			koweld_divert_link "$2" "$3"
		fi
	else
		koweld_divert_link "$2" "$3"
	fi
	rm -f "$koweld_divert_root$2"
}
# The diversions of FROM and ALIAS are about to end: the file comes back.
koweld_divert_back() ( # CALL CONFLICT FROM TO ALIAS ALIASED
	set -e
	call=$1 conflict=$2 from=$3 to=$4 alias=$5 aliased=$6
	# A package that goes is still listed by dpkg as the owner of what it had.
	gone="#PACKAGE#"
	case $call in
	configure | abort-upgrade)
		gone=.
		if koweld_divert_shipped "$from" | grep -Fqx "#PACKAGE#"; then exit 0; fi
		;;
	esac
	one='' two='' held=''
	if koweld_divert_held "$from" "$to"; then
		held=yes
		if koweld_divert_returns "$to"; then one=$to; fi
	fi
	if [ "$alias" ] && koweld_divert_held "$alias" "$aliased"; then
		held=yes
		if koweld_divert_returns "$aliased"; then two=$aliased; fi
	fi
	if [ "$one" ] && [ "$two" ] && koweld_divert_one_place "$from" "$alias"; then
		if [ "$(koweld_divert_others "$alias")" ] && [ -z "$(koweld_divert_others "$from")" ]; then
			koweld_divert_warn "$to stays: $aliased comes back to $from"
			one=
		else
			koweld_divert_warn "$aliased stays: $to comes back to $from"
			two=
		fi
	fi
	if [ "$one" ]; then koweld_divert_back_one "$conflict" "$to" "$from"; fi
	if [ "$two" ]; then koweld_divert_back_one "$conflict" "$aliased" "$alias"; fi
	for dest in "$to" "$aliased"; do
		[ "$dest" ] || continue
		# The second name of a file that was never diverted.
		if [ -z "$held" ] && koweld_divert_there "$from" && koweld_divert_returns "$dest" && koweld_divert_links "$from" "$dest"; then
			rm -f "$koweld_divert_root$dest"
		fi
		# A folder that was made for it before the package had unpacked its own.
		folder=${dest%/*}
		while [ "$folder" ] && [ -d "$koweld_divert_root$folder" ] &&
			! koweld_divert_shipped "$folder" | grep -Fqvx "$gone" &&
			rmdir "$koweld_divert_root$folder" 2>/dev/null; do folder=${folder%/*}; done
	done
)
