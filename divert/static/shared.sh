# Multi-Arch: same: whether another instance of the package diverts too; that is one of
# VERSION or later, if it is given.
koweld_divert_shared() (
	[ "${DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT:-1}" -gt 1 ] || exit 1
	dpkg-query -W -f '${Architecture} ${db:Status-Status} ${Version}\n' "#PACKAGE#" | {
		while read -r arch status version; do
			case $arch:$status in "$DPKG_MAINTSCRIPT_ARCH":* | *:not-installed | *:config-files) continue ;; esac
			if [ -z "$1" ] || dpkg --compare-versions "$version" ge "$1"; then exit 0; fi
		done
		exit 1
	}
)
