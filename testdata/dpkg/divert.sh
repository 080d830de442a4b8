#!/bin/bash
# Diversions: real dpkg-divert of this machine and of other releases, if fetch.sh
# gets them within ten minutes, on real layouts of /usr; the same where the kernel
# denies openat2 and renameat2; random lives of a system, broken at any call; a
# diversion broken at each of its calls; and packages that divert, through all that
# dpkg does.
#
#   divert.sh           prints a table of what was tried
#   divert.sh -json     as tools/layer reads it
#
# KOWELD_LIVES says how many random lives there are; with KOWELD_TEST=all packages are
# tried with each dpkg, and in systems of the releases: an hour.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need dpkg-deb=dpkg xz=xz-utils zstd=zstd || exit 1
timeout -k 10 600 "$here/fetch.sh" >&2 || echo "some releases are left out, see above" >&2
cd "$here/../.." || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
CGO_ENABLED=0 go build -buildvcs=false -o "$work/answered" ./tools/answered || exit

format=-v
[[ ${1-} != -json ]] || format=-json
broken=0
# run NAME ARG...: go test, which prints, or of which a table is made.
run() {
	local name=$1
	shift
	if [[ $format == -json ]]; then
		go test -json -count=1 -timeout 30m "$@" || broken=1
		return
	fi
	go test -v -count=1 -timeout 30m "$@" >"$work/$name" 2>&1 || {
		broken=1
		grep -v -e '^=== ' -e '^ *--- PASS' "$work/$name"
	}
}

KOWELD_DPKG="bullseye bookworm trixie sid" run releases -run '^TestDpkg' ./divert
for errno in ENOSYS EPERM; do
	run "$errno" -exec "$work/answered $errno openat2,renameat2" -run '^TestDpkgRows$' ./divert
done
# Packages that divert; with KOWELD_TEST=all by the dpkg of each release.
run packages ./internal/scenario/diverted
run lives -run '^TestNoLifeLosesAFile$' ./internal/crash -rapid.checks="${KOWELD_LIVES:-1000}"
[[ $format == -json ]] || run killed -run '^TestKilledDiversions$' ./internal/crash # CI has a layer for these

# table FILE: how many tests of each dpkg and layout passed, failed and were skipped.
table() {
	sed -n 's/^ *--- \(PASS\|FAIL\|SKIP\): TestDpkgRows\/\([a-z]*\)\/.*\/\([a-z]*\) (.*/\2 \3 \1/p' "$1" | sort | uniq -c |
		awk '{ n[$2 " " $3] = 1; c[$2 " " $3, $4] = $1 }
		END { for (k in n) printf "%-10s %-11s %5d %5d %5d\n", substr(k, 1, index(k, " ") - 1), substr(k, index(k, " ") + 1), c[k, "PASS"], c[k, "FAIL"], c[k, "SKIP"] }' | sort
}
# sum FILE: the same of all of a file.
sum() {
	local word
	for word in PASS FAIL SKIP; do
		printf '%5d ' "$(grep -c "^ *--- $word: " "$work/$1")"
	done
	echo
}
if [[ $format == -v ]]; then
	printf '%-10s %-11s %5s %5s %5s\n' dpkg layout pass fail skip
	table "$work/releases"
	echo
	printf '%-34s %5s %5s %5s\n' "all of it" pass fail skip
	printf '%-34s %s\n' "real dpkg-divert" "$(sum releases)"
	printf '%-34s %s\n' "packages that divert, real dpkg" "$(sum packages)"
	for errno in ENOSYS EPERM; do
		printf '%-34s %s\n' "openat2 and renameat2 say $errno" "$(sum "$errno")"
	done
	echo
	sed -n 's/.*lives_test.go:[0-9]*: {/random lives: {/p; s/.*divert_test.go:[0-9]*: \([a-z]*: [0-9].*violations\)/\1/p' "$work/lives" "$work/killed" |
		awk '/lives/ { print; next } { n[$1] += $2; s[$1] += $5 } END { for (k in n) printf "%s %d crash points, %d states, 0 violations\n", k, n[k], s[k] }'
	((broken)) && echo "FAIL: divert" || echo "PASS: divert"
fi
exit "$broken"
