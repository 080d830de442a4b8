#!/bin/bash
# Makes a recipe of each module of the corpus, applies it and tampers with it:
#
#   test.sh            of the sets that are there
#   test.sh --small    of those that CI has, which are made first
#
# Results are lines of TAP; tables follow. Other arguments go to tools/recipes.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need go=golang-1.26

small=()
if [[ ${1-} == --small ]]; then
	shift
	small=(--small)
	# A set that cannot be made is told of; the others are judged all the same.
	"$here/build.sh" --small >&2 || true
fi
mapfile -t indices < <("$here/build.sh" --indices "${small[@]}")
if ((${#indices[@]} == 0)); then
	echo "no set is there: make corpus" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$work/recipes" ./tools/recipes)
"$work/recipes" "$@" "${indices[@]}"
