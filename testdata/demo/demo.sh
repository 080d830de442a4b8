#!/bin/bash
# The main job from end to end, in a scratch root: modules of testdata/acme are
# formed, proven, signed, placed and taken back. Each command is shown with its
# output; a second tool judges each result (sha256sum, modinfo, diff, ...).
#
# Needs Go and Debian 12; as root it installs the few packages that are missing.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tap.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tree.sh"

kernel=6.1.0-56-amd64
package=linux-modules-acme-$kernel
acme=$here/../acme

# The linker that linked the modules when they were signed. Another gives other
# bytes, and koweld refuses those; recipes need none.
recorded=2.40

chapter() { printf '\n# %s\n' "$*"; }

# run CODE COMMAND...: shows the command and its output, and checks the exit
# code.
run() {
	local want=$1 code=0
	shift
	printf '\n$ %s\n' "${*//"$PATH"/\$PATH}"
	{ "$@" 2>&1 || code=$?; } 2>/dev/null # without bash's own "Killed"
	if ((code > 128)); then echo "(killed by SIG$(kill -l "$code"))"; fi
	check "exit code $want" [ "$code" -eq "$want" ]
}

# unchanged LISTING: the root is what it was.
unchanged() { tree "$root" | diff "$1" -; }

# expected SET...: the placed modules, as sha256sum sees them without their
# compression, are kbuild's modules signed by sign-file.
expected() {
	local file
	rm -rf "$work/placed"
	mkdir "$work/placed"
	for file; do
		case $file in
		*.xz) xz -dc "$modules/$file" >"$work/placed/$(basename "$file" .xz)" ;;
		*) cp "$modules/$file" "$work/placed" ;;
		esac
	done
	cd "$work/placed" && sha256sum -c "$acme/SHA256SUMS"
}

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need go=golang-1.26 depmod=kmod xz=xz-utils getfattr=attr || exit 1

work=$(mktemp -d "${TMPDIR:-/tmp}/koweld-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
modules=$root/usr/lib/modules/$kernel
objects=$root/usr/lib/linux-objects/acme/$kernel
signatures=$root/usr/lib/linux-signatures/acme/$kernel
manifest=$root/usr/share/koweld/manifests/$package.yaml

chapter "koweld is built"
printf '$ CGO_ENABLED=0 go build ./cmd/koweld\n'
(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$work/bin/koweld" ./cmd/koweld) || exit 1
PATH=$work/bin:$PATH

chapter "A root with a kernel, a module of its own, a file that nobody owns, and what the package ships"
mkdir -p "$modules/kernel/stand-in" "$root/usr/lib/modprobe.d" "$root/etc" "$root/var/lib"
ln -s usr/lib "$root/lib"
cp "$acme/package/usr/lib/linux-objects/acme/$kernel/plain.ko" "$modules/kernel/stand-in/stand-in.ko"
echo kernel/stand-in/stand-in.ko >"$modules/modules.order"
: >"$modules/modules.builtin"
: >"$modules/modules.builtin.modinfo"
echo "options acme gentle=0 # by hand, older than the package" >"$root/usr/lib/modprobe.d/acme.conf"
chmod 600 "$root/usr/lib/modprobe.d/acme.conf"
setfattr -n user.note -v "by hand" "$root/usr/lib/modprobe.d/acme.conf" 2>/dev/null ||
	echo "(this file system keeps no user attributes: none is shown)"
cp -R "$acme/package/." "$root"
chmod -R u=rwX,go=rX "$root/usr/lib/linux-objects" "$root/usr/lib/linux-signatures" "$root/usr/share"
depmod -b "$root" "$kernel"
tree "$root" >"$work/before"
(cd "$root" && find . -type f | sort)

chapter "What a packager sees before an upload"
run 0 koweld --root "$root" lint "$manifest"

chapter "A signature with one bit turned over is refused, and nothing changes"
cp "$signatures/acme.ko.sig" "$work/good.sig"
flip "$signatures/acme.ko.sig" $(($(stat -c %s "$signatures/acme.ko.sig") - 1))
tree "$root" >"$work/tampered"
run 3 koweld --root "$root" install "$package"
check "the root is unchanged (tree diff)" unchanged "$work/tampered"
cp "$work/good.sig" "$signatures/acme.ko.sig"

# A depmod that kills the koweld that runs it: at that moment the modules have
# their names already, and nothing is committed.
mkdir "$work/killer"
cat >"$work/killer/depmod" <<'END'
#!/bin/sh
kill -KILL $PPID
END
chmod +x "$work/killer/depmod"

chapter "An install is killed while depmod runs, and undone"
run 137 env PATH="$work/killer:$PATH" koweld --root "$root" install "$package"
check "its journal is open" [ -n "$(find "$root/var/lib/koweld/journal" -type f)" ]
run 0 koweld --root "$root" repair --all
check "the root is as before (tree diff)" unchanged "$work/before"

# All programs there are for the install that follows: no linker among them.
mkdir "$work/only"
ln -s "$work/bin/koweld" "$(command -v depmod)" "$work/only"

chapter "Objects, recipes and signatures become modules; there is no linker"
run 0 koweld --root "$root" --dry-run install "$package"
check "a dry run changes nothing (tree diff)" unchanged "$work/before"
run 0 env PATH="$work/only" koweld --root "$root" install "$package"
run 0 koweld --root "$root" status
run 0 modinfo -b "$root" -k "$kernel" -F filename acme acme_aux plain
run 0 modinfo -b "$root" -k "$kernel" acme
check "they are kbuild's modules signed by sign-file (sha256sum -c)" \
	expected kernel/acme/acme.ko kernel/acme/acme_aux.ko.xz updates/plain.ko
check "acme_aux needs acme (modules.dep)" \
	grep -q '^kernel/acme/acme_aux.ko.xz: kernel/acme/acme.ko$' "$modules/modules.dep"
run 0 koweld --root "$root" verify

chapter "Twice is once"
tree "$root" >"$work/installed"
run 0 koweld --root "$root" install "$package"
check "the root is unchanged (tree diff)" unchanged "$work/installed"

chapter "The next version compresses acme.ko; its install is killed, and dpkg puts the older version back"
cp "$manifest" "$work/good.yaml"
sed -i 's/compress: none/compress: xz/' "$manifest"
run 137 env PATH="$work/killer:$PATH" koweld --root "$root" install "$package"
cp "$work/good.yaml" "$manifest"
run 0 koweld --root "$root" repair --all
run 0 koweld --root "$root" verify
check "the older modules are back, whole (tree diff)" unchanged "$work/installed"

chapter "The same install, not killed"
sed -i 's/compress: none/compress: xz/' "$manifest"
run 0 koweld --root "$root" install "$package"
check "acme.ko has become acme.ko.xz" [ ! -e "$modules/kernel/acme/acme.ko" -a -e "$modules/kernel/acme/acme.ko.xz" ]
check "the modules are still those (sha256sum -c)" \
	expected kernel/acme/acme.ko.xz kernel/acme/acme_aux.ko.xz updates/plain.ko

chapter "One bit of a placed module turns over"
flip "$modules/updates/plain.ko" 2000
run 4 koweld --root "$root" verify
run 0 koweld --root "$root" repair "$package"
run 0 koweld --root "$root" verify
check "the modules are those again (sha256sum -c)" \
	expected kernel/acme/acme.ko.xz kernel/acme/acme_aux.ko.xz updates/plain.ko

chapter "A recipe says how a module is made of its objects, in a fraction of its bytes"
run 0 koweld recipe show "$objects/acme.recipe"
run 0 koweld recipe apply -o "$work/acme.ko" "$objects/acme.recipe" "$objects"/{core,glue,acme.mod}.o
run 0 koweld recipe explain "$work/acme.ko" "$objects"/{core,glue,acme.mod}.o
sed 's/acme: ready/acme: steam/' "$objects/core.o" >"$work/core.o"
run 1 koweld recipe apply -o "$work/other.ko" "$objects/acme.recipe" "$work/core.o" "$objects"/{glue,acme.mod}.o
check "nothing was written" [ ! -e "$work/other.ko" ]

linker=$(ld.bfd --version 2>/dev/null | sed -n '1s/.* //p')
if [[ $linker == "$recorded" || $linker == "$recorded".* ]]; then
	chapter "The same without recipes, by the linker of the build"
	sed -i '/- {recipe: /d' "$manifest"
	run 0 koweld --root "$root" remove "$package"
	run 0 koweld --root "$root" install "$package"
	check "the modules are those again (sha256sum -c)" \
		expected kernel/acme/acme.ko.xz kernel/acme/acme_aux.ko.xz updates/plain.ko
else
	chapter "No link is shown: ld is ${linker:-missing}, and the modules were linked by $recorded"
fi

chapter "Everything is taken back"
run 0 koweld --root "$root" remove "$package"
run 0 koweld --root "$root" status
cp "$work/good.yaml" "$manifest"
check "the root is as before (tree diff: names, modes, owners, sha256, attributes)" unchanged "$work/before"
echo "# koweld keeps, of its own:"
(cd "$root" && find var/lib/koweld | sort)

echo
finish "the demonstration"
