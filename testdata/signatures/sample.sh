#!/bin/bash
# The sample of Debian's own signatures that `make test` takes, as TAP: all
# modules of the smallest kernel of which Debian published a pair. What cannot
# be downloaded within ten minutes is skipped.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tap.sh"

if ! timeout -k 10 600 "$here/fetch.sh" cloud >/dev/null; then
	skip "Debian's own signatures" "the packages cannot be downloaded, see above"
	finish signatures
	exit
fi
exec "$here/run.sh" --cloud
