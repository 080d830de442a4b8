#!/bin/bash
# NVIDIA's driver with koweld: five modules from objects and signatures into a
# scratch root and back, each compared with what kbuild and sign-file made; and
# beside it what Ubuntu's packages do with the same inputs.
#
# Needs Go, Debian 12 and, the first time, the network and minutes: see build.sh.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tap.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tree.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/kbuild.sh"

modules=(nvidia nvidia-modeset nvidia-drm nvidia-uvm nvidia-peermem)

# timed COMMAND...: runs it; what it took is in $microseconds.
timed() {
	local code=0 start=$EPOCHREALTIME
	"$@" || code=$?
	microseconds=$((${EPOCHREALTIME/./} - ${start/./}))
	return "$code"
}

# seconds MICROSECONDS
seconds() { printf '%d.%02d' $(($1 / 1000000)) $(($1 % 1000000 / 10000)); }

# run CODE COMMAND...: shows the command and its output, and checks the exit
# code.
run() {
	local want=$1 code=0
	shift
	printf '\n$ %s\n' "$*"
	timed "$@" 2>&1 || code=$?
	check "exit code $want, after $(seconds "$microseconds") s" [ "$code" -eq "$want" ]
}

# fresh_root: a root with the package's files and without modules.
fresh_root() {
	rm -rf "$root"
	mkdir -p "$root/usr/lib/modules/$kernel" "$root/var/lib"
	ln -s usr/lib "$root/lib"
	: >"$root/usr/lib/modules/$kernel/modules.order"
	: >"$root/usr/lib/modules/$kernel/modules.builtin"
	: >"$root/usr/lib/modules/$kernel/modules.builtin.modinfo"
	cp -R "$out/package/." "$root"
	chmod -R u=rwX,go=rX "$root/usr/lib/linux-objects" "$root/usr/lib/linux-signatures" "$root/usr/share"
	depmod -b "$root" "$kernel"
}

# best COMMAND...: the least time of three, printed. Before each, what koweld
# placed is taken back, and everything is written out: its fsync shall not pay
# for what others wrote.
best() {
	local least=0 try
	for try in 1 2 3; do
		koweld --root "$root" -q remove "$package" >/dev/null 2>&1
		sync -f "$work"
		timed "$@" || {
			echo failed
			return
		}
		((least > 0 && least < microseconds)) || least=$microseconds
	done
	seconds "$least"
}

# ubuntu MODULE: the lines of Ubuntu's BUILD for one module.
ubuntu() (
	cd "$work/ubuntu/bits" || exit
	grep -E " -o $1\.k?o " BUILD | sh -e || exit
	grep " $1.ko\$" SHA256SUMS | sha256sum --quiet -c || exit
	cat "$1.ko" "$1.ko.sig" >"../$1.ko"
)

ubuntu_all() { env --chdir="$work/ubuntu/bits" sh ./BUILD >/dev/null; }

welded() { koweld --root "$root" -q install "$package" >/dev/null; }

# only MODULE: the manifest with that module alone.
only() {
	awk -v want="$1" '
		/^  - name: / { keep = ($3 == want) }
		/^[a-z]/ { keep = 1 }
		keep' "$out/package/$manifest"
}

unchanged() { tree "$root" | diff "$1" -; }

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need go=golang-1.26 ld.bfd=binutils depmod=kmod getfattr=attr || exit 1
out=$("$here/build.sh") || exit 1

# The scratch root lies beside the cached files: the same file system for all.
work=$(mktemp -d "${out%/*}/demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
manifest=$(cd "$out/package" && find usr/share/koweld/manifests -name '*.yaml')
package=$(basename "$manifest" .yaml)
kernel=${package#linux-modules-nvidia-}
objects=$out/package/usr/lib/linux-objects/nvidia/$kernel
placed=$root/usr/lib/modules/$kernel/kernel/nvidia

(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$work/bin/koweld" ./cmd/koweld) || exit 1
PATH=$work/bin:$PATH

fresh_root
tree "$root" >"$work/before"
run 0 koweld --root "$root" lint "$root/$manifest"
run 0 koweld --root "$root" install "$package"
for module in "${modules[@]}"; do
	check "$module.ko is kbuild's, signed by sign-file (cmp)" \
		cmp "$out/modules/$module.ko" "$placed/$module.ko"
done
run 0 koweld --root "$root" status
run 0 modinfo -b "$root" -k "$kernel" -F signer "${modules[@]}"
run 0 koweld --root "$root" verify
run 0 koweld --root "$root" install "$package"
run 0 koweld --root "$root" remove "$package"
check "the root is as before (tree diff)" unchanged "$work/before"

printf '\n# The same inputs in the way of Ubuntu: ld.bfd, sha256sum -c, cat\n'
cp -R "$out/ubuntu" "$work/ubuntu"
run 0 env --chdir="$work/ubuntu/bits" sh ./BUILD
for module in "${modules[@]}"; do
	check "$module.ko is the same (cmp)" cmp "$out/modules/$module.ko" "$work/ubuntu/$module.ko"
done

printf '\n# Sizes in bytes, times in seconds of wall clock, the best of three\n'
row='%-16s %12s %12s %10s %10s\n'
# shellcheck disable=SC2059 # the format is a constant
{
	printf "$row" module objects module koweld ubuntu
	for module in "${modules[@]}"; do
		inputs=$(find "$objects" \( -path "$objects/$module/*" -o -name "$module.mod.o" -o -name "$module.o" \) \
			-printf '%s\n' | awk '{ sum += $1 } END { print sum }')
		only "$module" >"$root/$manifest"
		printf "$row" "$module" "$inputs" "$(size "$out/modules/$module.ko")" \
			"$(best welded)" "$(best ubuntu "$module")"
	done
	cp "$out/package/$manifest" "$root/$manifest"
	printf "$row" "all five" "" "" "$(best welded)" "$(best ubuntu_all)"
} | tee "$work/table"
check "each try succeeded" [ -z "$(grep failed "$work/table")" ]
cat <<'END'
(koweld: proves the signature, makes everything durable with fsync, runs depmod;
Ubuntu: ld, sha256sum and cat, none of these)
END

echo
finish "NVIDIA's driver"
