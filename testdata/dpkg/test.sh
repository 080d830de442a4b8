#!/bin/bash
# The calls of maintainer scripts by real dpkg, and real dpkg-divert: those of
# this machine, and those of other releases if fetch.sh gets them within ten
# minutes. KOWELD_TEST says how many calls are tried, see internal/scenario.
# Arguments go to go test.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need dpkg-deb=dpkg depmod=kmod xz=xz-utils zstd=zstd openssl=openssl strace=strace || exit 1
timeout -k 10 600 "$here/fetch.sh" >&2 || echo "some releases are left out, see above" >&2
# What dpkg-divert does, and that the plans of package divert know it.
broken=0
cd "$here/../.." && KOWELD_DPKG="bullseye bookworm trixie sid" \
	go test -count=1 -timeout 1h -run '^TestDpkg' "$@" ./divert || broken=1
# Packages that divert; with KOWELD_TEST=all by the dpkg of each release.
cd "$here/../.." && go test -count=1 -timeout 3h "$@" ./internal/scenario/diverted || broken=1
# In its folder go shows the table that the tests print in the end.
cd "$here/../../internal/scenario" && go test -count=1 -timeout 6h "$@" || broken=1
exit "$broken"
