#!/bin/bash
# Makes a tree as a package would ship it from NVIDIA's driver in Debian's
# non-free: kbuild compiles and links, the kernel's sign-file signs with a
# throw-away key, and what a target needs to do the same link is laid out with
# a manifest. It prints the folder that holds
#
#   package/     objects, recipes, signatures, manifest, as they lie below a root
#   modules/     the signed modules that kbuild and sign-file made
#   ubuntu/      the same inputs in the way of Ubuntu's linux-restricted-modules:
#                the recorded ld lines, sha256sum -c, cat
#
# Everything is kept in ${XDG_CACHE_HOME:-~/.cache}/koweld/nvidia: the download
# and the minutes of compiling happen once. The host's apt sources are not
# touched; the packages are unpacked, not installed.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/kbuild.sh"

package=nvidia-kernel-dkms
modules=(nvidia nvidia-modeset nvidia-drm nvidia-uvm nvidia-peermem)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/nvidia

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }

die() {
	printf '%s\n' "$*" >&2
	exit 1
}

# private_apt ARG...: apt with sources and state of its own.
private_apt() {
	retry apt-get "${apt_options[@]}" -q \
		-o Dir::Etc::SourceList="$cache/apt/sources.list" \
		-o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$cache/apt/lists" \
		-o Dir::Cache="$cache/apt/cache" \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

# download: the driver's .deb; prints its path. With one at hand, none is asked
# for.
download() {
	local found
	found=$(find "$cache" -maxdepth 1 -name "${package}_535.*.deb" | sort -V | tail -1)
	if [[ -z $found ]]; then
		say "downloading $package from bookworm's non-free (45 MB)"
		mkdir -p "$cache"/apt/{lists,cache/archives}/partial
		local key=/usr/share/keyrings/debian-archive-keyring.gpg
		cat >"$cache/apt/sources.list" <<-END
			deb [signed-by=$key] http://deb.debian.org/debian bookworm non-free
			deb [signed-by=$key] http://deb.debian.org/debian-security bookworm-security non-free
		END
		private_apt update
		(cd "$cache" && private_apt download "$package")
		found=$(find "$cache" -maxdepth 1 -name "${package}_535.*.deb" | sort -V | tail -1)
	fi
	[[ -n $found ]] || die "cannot download $package 535"
	printf '%s\n' "$found"
}

# newest_headers: the newest 6.1 kernel of Debian whose headers lie here.
newest_headers() {
	find /usr/src -maxdepth 1 -regex '.*/linux-headers-6\.1\.0-[0-9]+-amd64' -printf '%f\n' |
		sort -V | tail -1 | sed 's/^linux-headers-//'
}

# compile SOURCE: kbuild, with the make that NVIDIA's dkms.conf calls.
compile() {
	local jobs
	jobs=$(nproc)
	say "compiling five modules for $kernel on $jobs processors; minutes (log: $work/make.log)"
	make -C "$1" -j"$jobs" modules NV_VERBOSE=1 KERNEL_UNAME="$kernel" \
		>"$work/make.log" 2>&1 &
	local make=$! module done_objects
	trap 'kill "$make"' EXIT
	while kill -0 "$make" 2>/dev/null; do
		sleep 10
		done_objects=$(find "$1" -name '*.o' | wc -l)
		say "  $done_objects objects"
	done
	trap - EXIT
	wait "$make" || {
		tail -20 "$work/make.log" >&2
		die "cannot compile the driver: see $work/make.log"
	}
	for module in "${modules[@]}"; do
		[[ -f $1/$module.ko ]] || die "kbuild made no $module.ko: see $work/make.log"
	done
}

# components MODULE: the objects of the first-level link in their order, as
# kbuild's MODULE.mod lists them, relative to the source. nvidia-peermem and
# others of a single object have no such link.
components() {
	sed "s|^$src/||" "$src/$1.mod"
}

# is_composite MODULE: whether kbuild linked MODULE.o from several objects.
is_composite() { grep -q ' -r -o .*@' "$src/.$1.o.cmd" 2>/dev/null; }

# recipe_inputs MODULE: the objects that its recipe is for: no intermediate ones.
recipe_inputs() {
	if is_composite "$1"; then components "$1"; else echo "$1.o"; fi
	echo "$1.mod.o"
}

# joined WORD...: with commas between them.
joined() {
	local IFS=,
	printf '%s\n' "$*" | sed 's/,/, /g'
}

# lay_out: package/ and ubuntu/.
lay_out() {
	local objects=$out/package/usr/lib/linux-objects/nvidia/$kernel
	local signatures=$out/package/usr/lib/linux-signatures/nvidia/$kernel
	local manifest=$out/package/usr/share/koweld/manifests/linux-modules-nvidia-$kernel.yaml
	local module object inputs bits=$out/ubuntu/bits inner flags
	mkdir -p "$objects" "$signatures" "${manifest%/*}" "$out/modules" "$bits"

	say "signing with a throw-away key"
	openssl req -new -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 \
		-subj "/CN=koweld demonstration (key thrown away)" \
		-addext "extendedKeyUsage=codeSigning" \
		-keyout "$out/key.pem" -out "$signatures/signer.pem" 2>/dev/null
	for module in "${modules[@]}"; do
		"$headers/scripts/sign-file" sha256 "$out/key.pem" "$signatures/signer.pem" \
			"$src/$module.ko" "$out/modules/$module.ko"
		tail -c +$(($(size "$src/$module.ko") + 1)) "$out/modules/$module.ko" \
			>"$signatures/$module.ko.sig"
	done
	rm "$out/key.pem"

	cp "$headers/arch/x86/module.lds" "$objects"
	for module in "${modules[@]}"; do
		cp "$src/$module.mod.o" "$objects"
		if is_composite "$module"; then
			components "$module" | while read -r object; do
				# nv-kernel.o is a symlink to nv-kernel.o_binary; ld
				# writes the name it is given into the symbol table.
				install -D -m 644 "$src/$object" "$objects/$object"
			done
		else
			cp "$src/$module.o" "$objects"
		fi
	done

	say "making recipes"
	(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$work/koweld" ./cmd/koweld)
	for module in "${modules[@]}"; do
		mapfile -t inputs < <(recipe_inputs "$module")
		"$work/koweld" recipe make -q -o "$objects/$module.recipe" "$src/$module.ko" "${inputs[@]/#/$objects/}"
	done

	inner=$(link_flags "$src/.nvidia.o.cmd")
	flags=$(link_flags "$src/.nvidia.ko.cmd")
	{
		cat <<-END
			koweld: 1
			package: linux-modules-nvidia-$kernel
			kernel: $kernel
			objects: /usr/lib/linux-objects/nvidia/\${kernel}
			signatures: /usr/lib/linux-signatures/nvidia/\${kernel}
			signers:
			  - certificate: signer.pem
			    sha256: $(openssl x509 -in "$signatures/signer.pem" -outform DER | sha256sum | cut -d' ' -f1)
			linker:
			  emulation: elf_x86_64
			  script: module.lds
			  flags: $flags
			  inner-flags: $inner
			  recorded: {name: GNU ld, version: "$(ld_version)"}
			modules:
		END
		for module in "${modules[@]}"; do
			echo "  - name: $module"
			mapfile -t inputs < <(recipe_inputs "$module")
			echo "    form:"
			echo "      - {recipe: $module.recipe, inputs: [$(joined "${inputs[@]}")]}"
			if is_composite "$module"; then
				echo "      - link:"
				echo "          - name: $module.o"
				echo "            objects:"
				components "$module" | sed 's/^/              - /'
				echo "          - $module.mod.o"
			else
				echo "      - link: [$module.o, $module.mod.o]"
			fi
			echo "    image: {sha256: $(digest "$src/$module.ko"), size: $(size "$src/$module.ko")}"
			echo "    install: kernel/nvidia/$module.ko"
		done
		echo "after: {depmod: true, initramfs: never}"
	} >"$manifest"

	# What Ubuntu's package runs in its postinst, from the same objects.
	cp -Rl "$objects/." "$bits"
	rm "$bits"/*.recipe
	cp "$signatures"/*.sig "$bits"
	{
		for module in "${modules[@]}"; do
			if is_composite "$module"; then
				components "$module" >"$bits/$module.mod"
				echo "ld.bfd -m elf_x86_64 $(words "$inner") -r -o $module.o @$module.mod"
			fi
			echo "ld.bfd -r -m elf_x86_64 $(words "$flags") -T module.lds -o $module.ko $module.o $module.mod.o"
		done
		echo "sha256sum -c SHA256SUMS || exit 1"
		for module in "${modules[@]}"; do
			echo "cat $module.ko $module.ko.sig >../$module.ko"
			echo "rm -f $module.ko"
		done
	} >"$bits/BUILD"
	(cd "$src" && sha256sum -- "${modules[@]/%/.ko}") >"$bits/SHA256SUMS"
}

# words FLOW-LIST: its members as words.
words() { printf '%s\n' "${1//[][,]/}"; }

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 1800 9 || die "another build holds $cache/lock"

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need make=make gcc=gcc openssl=openssl ld.bfd=binutils go=golang-1.26
[[ -n $(newest_headers) ]] || need /usr/src/linux-headers-amd64=linux-headers-amd64
kernel=$(newest_headers)
[[ -n $kernel ]] || die "no headers of a 6.1 kernel below /usr/src: this needs Debian 12"
headers=/usr/src/linux-headers-$kernel

deb=$(download)
version=${deb#*_}
version=${version%%-*}
work=$cache/$version-$kernel
src=$work/source
out=$work/out
if [[ ! -f $work/compiled ]]; then
	rm -rf "$work"
	mkdir -p "$work"
	dpkg -x "$deb" "$work/deb"
	mv "$work/deb/usr/src/nvidia-current-$version" "$src"
	rm -r "$work/deb"
	compile "$src"
	touch "$work/compiled"
fi
# The format of recipes may be another one since.
if [[ ! -f $work/done || $work/done -ot $here/build.sh || $work/done -ot $here/../../assemble/recipe/recipe.go ]]; then
	rm -rf "$out"
	lay_out
	touch "$work/done"
fi
printf '%s\n' "$out"
