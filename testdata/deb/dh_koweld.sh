#!/bin/bash
# dh_koweld in its options, on a source package of three binary packages whose
# objects, signatures and manifest are those of testdata/acme.
set -uo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/tap.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/../sh/packages.sh"
command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
need dh=debhelper go=golang-1.26 || exit 1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
debian=$here/../../debian
acme=$here/../acme/package
kernel=$(sed -n 's/^kernel=//p' "$here/../acme/make.sh")
modules=linux-modules-acme-$kernel
objects=linux-objects-acme-$kernel
signatures=linux-signatures-acme-$kernel

mkdir "$scratch/bin"
sed 's/@VERSION@/1.2.3/' "$debian/debhelper/dh_koweld" >"$scratch/bin/dh_koweld"
chmod +x "$scratch/bin/dh_koweld"
(cd "$here/../.." && CGO_ENABLED=0 go build -buildvcs=false -o "$scratch/bin/koweld" ./cmd/koweld) || exit 1
PATH=$scratch/bin:$PATH
export DH_AUTOSCRIPTDIR=$debian/autoscripts

# fresh: the source package after dh_install, without a run of dh_koweld.
fresh() {
	rm -rf "$scratch/source"
	mkdir -p "$scratch/source/debian/$objects/usr/lib" "$scratch/source/debian/$signatures/usr/lib" "$scratch/source/debian/$modules"
	cd "$scratch/source" || exit
	cp -R "$acme/usr/lib/linux-objects" "debian/$objects/usr/lib"
	cp -R "$acme/usr/lib/linux-signatures" "debian/$signatures/usr/lib"
	sed "s/^kernel: .*/kernel: \${env:KERNEL}/; \$a# \${DEB_NOTHING}" "$acme/usr/share/koweld/manifests/$modules.yaml" \
		>"debian/$modules.koweld.yaml"
	{
		printf 'Source: acme-driver\nMaintainer: nobody <nobody@nowhere.example>\nBuild-Depends: debhelper-compat (= 13)\n'
		printf '\nPackage: %s\nArchitecture: any\nDescription: none\n' "$objects" "$signatures" "$modules" another
	} >debian/control
	printf 'acme-driver (1.0) unstable; urgency=medium\n\n  * None.\n\n -- nobody <nobody@nowhere.example>  Thu, 26 Nov 2026 08:00:00 +0000\n' >debian/changelog
	export KERNEL=$kernel
}

manifest=debian/$modules/usr/share/koweld/manifests/$modules.yaml

# fails TEXT COMMAND...: it fails, and says so.
fails() {
	local text=$1 output
	shift
	output=$("$@" 2>&1) && return 1
	grep -qF -- "$text" <<<"$output" || {
		printf '%s\n' "$output"
		return 1
	}
}

# lines FILE LINE...: it has each of them.
lines() {
	local file=$1 line
	shift
	for line; do grep -qxF -- "$line" "$file" || {
		echo "$file has no line $line"
		return 1
	}; done
}

nothing_done() { [[ -z $(find debian -name '*.substvars' -o -name '*.debhelper' -o -name manifests -o -name .debhelper) ]]; }

fresh
check "a manifest is proven and installed" dh_koweld
check "the environment's variable is filled in" lines "$manifest" "kernel: $kernel"
check "variables of the manifest and comments are left alone" lines "$manifest" \
	"objects: /usr/lib/linux-objects/acme/\${kernel}" "# \${DEB_NOTHING}"
check "it is for anybody to read" [ "$(stat -c %a "$manifest")" = 644 ]
check "koweld is depended on" lines "debian/$modules.substvars" "misc:Depends=koweld (>= 0.1~)"
check "triggers are on the folders of the other packages" lines debian/.debhelper/generated/"$modules"/triggers \
	"# Triggers added by dh_koweld/1.2.3" "interest-noawait /usr/lib/linux-objects/acme/$kernel" "interest-noawait /usr/lib/linux-signatures/acme/$kernel"
for script in postinst prerm postrm; do
	check "$script has its snippet, for the package" grep -q "^	*.*koweld maintscript $script \"$modules\" \"\$@\"" "debian/$modules.$script.debhelper"
done
check "nothing is done for the others" [ -z "$(find debian -name "$objects.*" -o -name "$signatures.*" -o -name 'another.*')" ]
check "the tree that was proven is gone" [ -z "$(ls debian/.debhelper/koweld)" ]
check "dh_missing is told of each package" [ -e debian/.debhelper/generated/another/installed-by-dh_koweld ]
check "dh_installdeb takes them" dh_installdeb
check "the postinst is a script" sh -n "debian/$modules/DEBIAN/postinst"
check "the triggers are packed" grep -q interest-noawait "debian/$modules/DEBIAN/triggers"

fresh
check "--no-act does nothing" dh_koweld --no-act
check "nothing has been done" nothing_done

fresh
check "-n adds no scripts" dh_koweld -n
check "no script and no trigger is there" [ -z "$(find debian -type f \( -name '*.debhelper' -o -name triggers \))" ]
check "the manifest is" [ -e "$manifest" ]

fresh
check "-N leaves the package out" dh_koweld -N "$modules"
check "its manifest is not there" [ ! -e "$manifest" ]
check "-p takes it alone" dh_koweld -p "$modules"
check "its manifest is there" [ -e "$manifest" ]

fresh
DH_VERBOSE=1 dh_koweld >"$scratch/verbose" 2>&1
check "DH_VERBOSE shows what is run" grep -q "koweld --root .* lint" "$scratch/verbose"

fresh
mkdir -p "debian/$modules/usr/lib"
mv "debian/$objects/usr/lib/linux-objects" "debian/$modules/usr/lib"
dh_koweld >/dev/null 2>&1
check "no trigger is on a folder of the package itself" [ "$(grep -c interest "debian/.debhelper/generated/$modules/triggers")" = 1 ]

# What must fail the build.
fresh
unset KERNEL
check "a variable that is not set fails" fails "the environment has no KERNEL" dh_koweld
fresh
echo "x-other: \${DEB_HOST_NOTHING}" >>"debian/$modules.koweld.yaml"
check "a variable that dpkg-architecture has not fails" fails "DEB_HOST_NOTHING" dh_koweld
fresh
echo "x-other: [\${DEB_HOST_MULTIARCH}]" >>"debian/$modules.koweld.yaml"
check "one that it has is filled in" dh_koweld
check "with its value" lines "$manifest" "x-other: [$(dpkg-architecture -qDEB_HOST_MULTIARCH)]"
fresh
strip --strip-debug "debian/$objects/usr/lib/linux-objects/acme/$kernel/core.o"
check "an object that was stripped fails" fails "core.o" dh_koweld
fresh
rm "debian/$signatures/usr/lib/linux-signatures/acme/$kernel/plain.ko.sig"
check "a signature that is not packed fails" fails "plain.ko.sig" dh_koweld
check "--no-lint takes it" dh_koweld --no-lint
fresh
echo "colour: red" >>"debian/$modules.koweld.yaml"
check "a key that is unknown fails, even without lint" fails "colour" dh_koweld --no-lint
fresh
sed -i "s/^package: .*/package: $objects/" "debian/$modules.koweld.yaml"
check "the manifest of another package fails" fails "it is the manifest of $objects, not of $modules" dh_koweld

# What dh itself runs between dh_install and dh_koweld leaves the bytes alone.
fresh
find debian/linux-* -type f -exec sha256sum {} + >"$scratch/before"
for tool in dh_strip_nondeterminism dh_compress dh_fixperms dh_dwz dh_strip; do check "$tool runs" "$tool"; done
check "it has changed no byte of objects, recipes and signatures" sha256sum --quiet -c "$scratch/before"
finish dh_koweld
