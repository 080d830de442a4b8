#!/bin/bash
# The calls of maintainer scripts by real dpkg: that of this machine, and those of
# other releases if fetch.sh gets them within ten minutes. KOWELD_TEST says how many
# calls are tried, see internal/scenario. Arguments go to go test.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need dpkg-deb=dpkg depmod=kmod xz=xz-utils zstd=zstd openssl=openssl strace=strace || exit 1
timeout -k 10 600 "$here/fetch.sh" >&2 || echo "some releases are left out, see above" >&2
# In its folder go shows the table that the tests print in the end.
cd "$here/../../internal/scenario" && go test -count=1 -timeout 6h "$@"
