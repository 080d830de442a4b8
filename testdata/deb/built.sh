# Sourced by scripts, after tap.sh: the packages of koweld, for who is called alone.
# shellcheck shell=bash

# built FOLDER: they are there, or are made, and lintian finds no fault. Their tests
# are of other layers.
built() {
	compgen -G "$1/koweld_*_amd64.deb" >/dev/null ||
		check "koweld's packages are built, and lintian finds no fault" \
			env DEB_BUILD_OPTIONS=nocheck "${BASH_SOURCE[0]%/*}/build.sh" "$1"
}
