#!/bin/bash
# Installs the modules of the set "linkers" (or "linkers-small" with --small)
# from their objects with no linker at hand: whatever linked them or changed them
# since, what is placed must be the module that was linked, with the signature
# that the kernel's sign-file appends to it. Results are lines of TAP.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tap.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/kbuild.sh"

set=linkers
[[ ${1-} != --small ]] || set=linkers-small
corpus=${XDG_CACHE_HOME:-$HOME/.cache}/koweld/corpus/$set
signer=/usr/lib/linux-kbuild-6.1/scripts/sign-file

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need go=golang-1.26 openssl=openssl "$signer=linux-kbuild-6.1" || exit 1
[[ -f $corpus/index.tsv ]] || {
	skip "modules of other linkers" "the set $set is not there"
	finish "modules of other linkers"
	exit
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{bin,signed,root/var/lib}
(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$work/bin/koweld" ./cmd/koweld) || exit 1
read -r _ kernel _ <"$corpus/index.tsv"
package=linux-modules-linkers-$kernel
objects=$work/root/usr/lib/linux-objects/linkers
modules=$work/root/usr/lib/modules/$kernel
manifest=$work/root/usr/share/koweld/manifests/$package.yaml
mkdir -p "$objects" "$modules" "${manifest%/*}"
touch "$modules"/modules.{order,builtin} # or koweld waits for the kernel
ln -s usr/lib "$work/root/lib"

openssl req -new -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=corpus (key thrown away)" \
	-keyout "$work/key.pem" -out "$objects/signer.pem" 2>/dev/null || exit 1

# ship ID IMAGE INPUT...: what a package ships of a case, and its lines of the
# manifest.
ship() {
	local id=$1 image=$2 input names=() i=0
	shift 2
	for input; do
		# Two objects may have one base name.
		names+=("$id-$((i++)).o")
		cp "$corpus/$input" "$objects/${names[-1]}" || return
	done
	"$work/bin/koweld" -q recipe make -o "$objects/$id.recipe" "$corpus/$image" "${@/#/$corpus/}" &&
		"$signer" sha256 "$work/key.pem" "$objects/signer.pem" "$corpus/$image" "$work/signed/$id.ko" &&
		tail -c +$(($(size "$corpus/$image") + 1)) "$work/signed/$id.ko" >"$objects/$id.ko.sig" || return
	local IFS=,
	cat >>"$manifest" <<-END
		  - name: $id
		    form: [{recipe: $id.recipe, inputs: [${names[*]}]}]
		    image: {sha256: $(digest "$corpus/$image"), size: $(size "$corpus/$image")}
		    install: updates/$id.ko
	END
}

cat >"$manifest" <<END
koweld: 1
package: $package
kernel: $kernel
objects: /usr/lib/linux-objects/linkers
signatures: /usr/lib/linux-objects/linkers
signers:
  - certificate: signer.pem
    sha256: $(openssl x509 -in "$objects/signer.pem" -outform DER | sha256sum | cut -d' ' -f1)
after: {depmod: false, initramfs: never}
modules:
END
ids=() kinds=()
while IFS=$'\t' read -r id _ _ kind image inputs; do
	id=${id//./_} # no name of a module has a dot
	read -ra inputs <<<"$inputs"
	check "$id: a recipe is made, and the module signed" ship "$id" "$image" "${inputs[@]}"
	ids+=("$id")
	kinds+=("$kind")
done <"$corpus/index.tsv"

# A PATH with nothing in it but koweld.
check "koweld installs them with no linker at hand" \
	env -i PATH="$work/bin" koweld --root "$work/root" -q install "$package"
for i in "${!ids[@]}"; do
	check "${ids[i]} (${kinds[i]}) is what was linked, signed by sign-file (cmp)" \
		cmp "$work/signed/${ids[i]}.ko" "$modules/updates/${ids[i]}.ko"
done
finish "modules of other linkers"
