# The upgrade is taken back, and with it what followed the diversion to OLD.
koweld_divert_again() ( # OLD TO ALIASED
	set -e
	for now in "$3" "$2"; do
		if [ "$now" ] && koweld_divert_there "$now" && [ -z "$(koweld_divert_shipped "$now")" ]; then
			if koweld_divert_one_place "$now" "$1"; then exit 0; fi
			if ! koweld_divert_there "$1"; then
				koweld_divert_link "$now" "$1"
			elif ! koweld_divert_links "$now" "$1" && ! koweld_divert_alike "$now" "$1"; then
				koweld_divert_warn "there is a file at $1 already: $now stays"
				exit 0
			fi
			rm -f "$koweld_divert_root$now"
			exit 0
		fi
	done
)
