#!/bin/bash
# koweld's speed and memory beside the tools that do (less of) the same on the
# same files; docs/performance.md has what it printed and what it means.
#
#	bench.sh [ROUNDS]      5 rounds by default; the slow subjects have one
#
# Needs Go, Debian 12 and, the first time, the network (560 MB) and minutes: see
# testdata/nvidia/build.sh and testdata/signatures/fetch.sh. 15 GB of disk
# beside their cached files while it runs.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/debian.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/stopwatch.sh"

rounds=${1:-5}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld

die() {
	printf '%s\n' "$*" >&2
	exit 1
}

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need go=golang-1.26 ld.bfd=binutils depmod=kmod openssl=openssl || exit 1
need /usr/lib/linux-kbuild-6.1/scripts/sign-file=linux-kbuild-6.1 || exit 1
nvidia=$("$here/../nvidia/build.sh") || exit 1
"$here/../signatures/fetch.sh" >/dev/null || exit 1

work=$(mktemp -d "$cache/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
mkdir "$work/bin"
(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$work/bin" ./cmd/koweld ./tools/answered) || exit 1
PATH=$work/bin:$PATH

# new_root FOLDER KERNEL: an empty root with merged /usr and a kernel.
new_root() {
	mkdir -p "$1/usr/lib/modules/$2" "$1/usr/share/koweld/manifests" "$1/var/lib" &&
		ln -s usr/lib "$1/lib" &&
		touch "$1/usr/lib/modules/$2"/modules.{order,builtin,builtin.modinfo}
}

# place ROOT PACKAGE: what the bench is about.
place() { koweld --root "$1" -q install "$2"; }

# --- NVIDIA's five modules, linked ------------------------------------------

nvidia_manifest=$(cd "$nvidia/package" && find usr/share/koweld/manifests -name '*.yaml')
nvidia_package=$(basename "$nvidia_manifest" .yaml)
nvidia_kernel=${nvidia_package#linux-modules-nvidia-}

# The pipeline runs no depmod, so koweld runs none either.
cp -R "$nvidia/package" "$work/nvidia" && chmod -R u=rwX,go=rX "$work/nvidia" || exit 1
sed -i 's/depmod: true/depmod: false/' "$work/nvidia/$nvidia_manifest"

# Each module has two ways: a recipe, which comes first, and a link.
cp -R "$work/nvidia" "$work/nvidia_link" || exit 1
sed -i '/- {recipe: /d' "$work/nvidia_link/$nvidia_manifest"

prepare_nvidia_recipe() { new_root "$1" "$nvidia_kernel" && cp -Rl "$work/nvidia/." "$1"; }
prepare_nvidia_link() { new_root "$1" "$nvidia_kernel" && cp -Rl "$work/nvidia_link/." "$1"; }
nvidia_recipe() { place "$1" "$nvidia_package"; }
nvidia_link() { place "$1" "$nvidia_package"; }

prepare_nvidia_recipe_void() { prepare_nvidia_recipe "$@"; }
prepare_nvidia_link_void() { prepare_nvidia_link "$@"; }
# unsynced PROGRAM [ARG...]: its syncs do nothing.
unsynced() { answered 0 fsync,fdatasync,sync_file_range,sync,syncfs "$@"; }
nvidia_recipe_void() { unsynced koweld --root "$1" -q install "$nvidia_package"; }
nvidia_link_void() { nvidia_recipe_void "$@"; }
prepare_nvidia_single() { prepare_nvidia_recipe "$@"; }
nvidia_single() { GOMAXPROCS=1 nvidia_recipe_void "$@"; }

prepare_nvidia_ubuntu() { cp -Rl "$nvidia/ubuntu/." "$1"; }
nvidia_ubuntu() { env --chdir="$1/bits" sh ./BUILD; }
prepare_nvidia_ubuntu_sync() { prepare_nvidia_ubuntu "$@"; }
nvidia_ubuntu_sync() { nvidia_ubuntu "$1" && sync -f "$1"; }

race_nvidia() {
	local subject
	race "$rounds" nvidia_ubuntu nvidia_recipe_void nvidia_link_void nvidia_single nvidia_ubuntu_sync nvidia_recipe nvidia_link
	for subject in nvidia_recipe_void nvidia_link_void nvidia_single nvidia_recipe nvidia_link; do
		diff -r "$nvidia/modules" "$work/$subject.0/lib/modules/$nvidia_kernel/kernel/nvidia" ||
			die "$subject placed other modules"
	done
	heading "NVIDIA 535: five modules formed from their objects, 135 MB"
	row nvidia_ubuntu nvidia_ubuntu "ld, sha256sum -c, cat"
	row nvidia_ubuntu nvidia_recipe_void "koweld install by recipes, syncs void"
	row nvidia_ubuntu nvidia_single "koweld install by recipes, syncs void, one processor"
	row nvidia_ubuntu nvidia_link_void "koweld install by ld, syncs void"
	row nvidia_ubuntu_sync nvidia_ubuntu_sync "ld, sha256sum -c, cat; then sync -f"
	row nvidia_ubuntu_sync nvidia_recipe "koweld install by recipes: durable"
	row nvidia_ubuntu_sync nvidia_link "koweld install by ld: durable"
}

# --- nvidia.ko alone, by its recipe -------------------------------------------

nvidia_objects=$work/nvidia/usr/lib/linux-objects/nvidia/$nvidia_kernel
mapfile -t nvidia_inputs < <(sed -n 's/.*{recipe: nvidia.recipe, inputs: \[\(.*\)\]}/\1/p' "$work/nvidia/$nvidia_manifest" |
	tr -d ' ' | tr , '\n' | sed "s|^|$nvidia_objects/|")

apply_recipe() { unsynced koweld -q recipe apply -o "$1/nvidia.ko" "$nvidia_objects/nvidia.recipe" "${nvidia_inputs[@]}"; }
apply_floor() { cat "${nvidia_inputs[@]}" >"$1/bytes" && openssl dgst -sha256 "$1/bytes"; }

race_apply() {
	((${#nvidia_inputs[@]} > 40)) || die "the manifest has no recipe of nvidia.ko"
	race $((3 * rounds)) apply_floor apply_recipe
	heading "nvidia.ko alone, 76 MB: reading $((${#nvidia_inputs[@]})) objects, one SHA-256, writing"
	row apply_floor apply_floor "cat, openssl dgst -sha256"
	row apply_floor apply_recipe "koweld recipe apply, syncs void"
}

# --- Debian's 3,888 modules, whole ------------------------------------------

debian=$work/debian
debian_package=linux-modules-debian-$debian_kernel

prepare_debian_koweld() {
	new_root "$1" "$debian_kernel" || return
	mkdir "$1"/usr/lib/linux-{objects,signatures} &&
		cp -Rl "$debian/unsigned" "$1/usr/lib/linux-objects/debian" &&
		cp -Rl "$debian/detached" "$1/usr/lib/linux-signatures/debian" &&
		cp "$debian/signer.pem" "$1/usr/lib/linux-signatures/debian" &&
		cp "$debian/manifest" "$1/usr/share/koweld/manifests/$debian_package.yaml"
}
debian_koweld() { place "$1" "$debian_package"; }
prepare_debian_unsynced() { prepare_debian_koweld "$@"; }
debian_unsynced() { unsynced koweld --root "$1" -q install "$debian_package"; }

debian_cp() { cp -a "$debian/unsigned" "$1/modules"; }
debian_cp_sync() { debian_cp "$1" && sync -f "$1"; }

# As Ubuntu's packages do it.
debian_cat() {
	local module
	while read -r module; do
		mkdir -p "$1/modules/${module%/*}"
		cat "$debian/unsigned/$module" "$debian/detached/$module.sig" >"$1/modules/$module"
	done <"$debian/list"
}

# As debian/rules.real of linux-signed-amd64 does it.
debian_signfile() {
	local module
	cp -a "$debian/unsigned" "$1/modules"
	while read -r module; do
		/usr/lib/linux-kbuild-6.1/scripts/sign-file -s "$debian/cms/$module.sig" sha256 dummy "$1/modules/$module" || return
	done <"$debian/list"
}

# same_modules FOLDER: whether it holds Debian's signed modules.
same_modules() {
	diff <(cd "$debian/signed" && xargs -d '\n' sha256sum <"$debian/list") \
		<(cd "$1" && xargs -d '\n' sha256sum <"$debian/list") >/dev/null ||
		die "$1 holds other modules than Debian's package"
}

race_debian() {
	race "$rounds" debian_cp debian_unsynced debian_cp_sync debian_koweld
	race 1 debian_cat debian_signfile
	same_modules "$work/debian_unsynced.0/lib/modules/$debian_kernel"
	same_modules "$work/debian_koweld.0/lib/modules/$debian_kernel"
	same_modules "$work/debian_cat.0/modules"
	same_modules "$work/debian_signfile.0/modules"
	heading "Debian 5.10: $(wc -l <"$debian/list") whole modules, $(($(du -sb "$debian/unsigned" | cut -f1) / 1000000)) MB, from one manifest"
	row debian_cp debian_cp "cp -a (no signatures)"
	row debian_cp debian_unsynced "koweld install, syncs void"
	row debian_cp debian_cat "sh: cat (one round)"
	row debian_cp debian_signfile "cp -a, sign-file -s (one round)"
	row debian_cp_sync debian_cp_sync "cp -a; then sync -f"
	row debian_cp_sync debian_koweld "koweld install: durable"
}

# --- the same set again ------------------------------------------------------

again_install() { place "$placed" "$debian_package"; }
again_verify() { koweld --root "$placed" -q verify "$debian_package"; }
again_find() { find "$placed/usr/lib/modules" "$placed/usr/lib/linux-objects" -printf '%p %s %T@ %i\n'; }
again_sha256sum() { (cd "$placed/usr/lib/modules/$debian_kernel" && xargs -d '\n' sha256sum <"$debian/list"); }
again_openssl() { (cd "$placed/usr/lib/modules/$debian_kernel" && xargs -d '\n' openssl dgst -sha256 <"$debian/list"); }

race_again() {
	placed=$work/debian_koweld.0
	again_install || die "cannot install again"
	race $((3 * rounds)) again_find again_install again_sha256sum again_openssl again_verify
	heading "The same set again, nothing to do"
	row again_find again_find "find -printf of the modules and their sources"
	row again_find again_install "koweld install"
	row again_openssl again_openssl "openssl dgst -sha256"
	row again_openssl again_sha256sum "sha256sum"
	row again_openssl again_verify "koweld verify"
}

# --- memory ------------------------------------------------------------------

# largest FILE...: sums, over as many workers as there are processors, the
# largest files; bytes.
largest() { stat -c %s "$@" | sort -rn | head -"$(nproc)" | awk '{ sum += $1 } END { print sum }'; }

# memory TEXT LIMIT COMMAND...
memory() {
	local text=$1 limit=$2 kib
	shift 2
	kib=$(peak "$@") || die "$* failed: see above"
	printf '| %s | %d | %d |\n' "$text" $((kib / 1024)) $((limit / 1048576))
}

peaks() {
	local workers images inputs
	workers=$(($(nproc) * (64 << 20)))
	printf '\nPeak of koweld itself, MiB, beside inputs + image + 64 MiB for each of %d workers\n\n' "$(nproc)"
	printf '| | peak | limit |\n|---|---:|---:|\n'
	mkdir "$work/nvidia_peak" "$work/nvidia_link_peak" "$work/debian_peak"
	prepare_nvidia_recipe "$work/nvidia_peak" || die "cannot lay out NVIDIA's package"
	prepare_nvidia_link "$work/nvidia_link_peak" || die "cannot lay out NVIDIA's package"
	prepare_debian_koweld "$work/debian_peak" || die "cannot lay out Debian's package"
	images=$(largest "$nvidia"/modules/*.ko)
	inputs=$images # a link adds and drops little
	memory "NVIDIA: install by recipes" $((workers + images + inputs)) koweld --root "$work/nvidia_peak" -q install "$nvidia_package"
	memory "NVIDIA: install by ld" $((workers + images + inputs)) koweld --root "$work/nvidia_link_peak" -q install "$nvidia_package"
	memory "NVIDIA: verify" "$workers" koweld --root "$work/nvidia_peak" -q verify "$nvidia_package"
	images=$(cd "$debian/signed" && find . -name '*.ko' -size +1M -print0 | xargs -0 stat -c %s | sort -rn | head -"$(nproc)" | awk '{ sum += $1 } END { print sum }')
	memory "Debian: install" $((workers + 2 * images)) koweld --root "$work/debian_peak" -q install "$debian_package"
	memory "Debian: install again" "$workers" koweld --root "$work/debian_peak" -q install "$debian_package"
	memory "Debian: verify" "$workers" koweld --root "$work/debian_peak" -q verify "$debian_package"
	memory "Debian: remove" "$workers" koweld --root "$work/debian_peak" -q remove "$debian_package"
}

say "laying out Debian's modules"
debian_lay_out "$cache/signatures" "$debian" || die "cannot lay out Debian's modules"
printf '%s, %d processors (%s), %d MiB, %s on %s\n' "$(date +%F)" "$(nproc)" \
	"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" \
	"$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)" \
	"$(uname -sr | sed 's/-.*//')" "$(findmnt -no FSTYPE --target "$work")"
printf '%s; %s; %s; %s\n' "$(go version | cut -d' ' -f3)" "$(ld.bfd --version | head -1)" \
	"$(sha256sum --version | head -1)" "$(openssl version | cut -d' ' -f1-2)"
say "NVIDIA"
race_nvidia
race_apply
say "Debian"
race_debian
say "again"
race_again
say "memory"
peaks
printf '\nload at the end: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
