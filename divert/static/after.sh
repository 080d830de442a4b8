# FROM is diverted, and the package has no file to replace the one there.
koweld_divert_after() (
	set -e
	koweld_divert_there "$1" || exit 0
	! koweld_divert_ours "$1" || exit 0
	for dest in "$2" "$3"; do
		if [ "$dest" ] && koweld_divert_there "$dest" &&
			{ koweld_divert_links "$1" "$dest" || koweld_divert_alike "$1" "$dest"; }; then
			rm -f "$koweld_divert_root$1"
			exit 0
		fi
	done
)
