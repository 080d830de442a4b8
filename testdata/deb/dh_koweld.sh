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
		printf '\nPackage: %s\nArchitecture: any\nDescription: none\n' "$objects" "$signatures" another
		printf '\nPackage: %s\nArchitecture: any\nDescription: none\n' "$modules"
		# shellcheck disable=SC2016 # dpkg's own
		printf 'Depends: %s (= ${binary:Version}), %s (= ${binary:Version}), ${misc:Depends}\n' "$objects" "$signatures"
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

# What koweld says of the manifest is what counts, and not how that is spelt.
fresh
mkdir -p "debian/$objects/usr/lib/more:x"
cp "debian/$objects/usr/lib/linux-objects/acme/$kernel/plain.ko" "debian/$objects/usr/lib/more:x/plain.ko"
sed -i 's|- whole: plain.ko|- {"whole": "/usr/lib/more:x/plain.ko"}|; s|version: "2.40"}|version: "2.40", path: /opt/bin/ld}|' "debian/$modules.koweld.yaml"
check "a folder of an odd name is taken" dh_koweld
check "it has its trigger" lines "debian/.debhelper/generated/$modules/triggers" "interest-noawait /usr/lib/more:x"
check "and the linker's has none" [ "$(grep -c interest "debian/.debhelper/generated/$modules/triggers")" = 3 ]

fresh
sed -i 's/^koweld: 1$/&\nprovides: {group: acme, version: "1"}\nuserspace: [acme-driver, acme-libs]/' "debian/$modules.koweld.yaml"
check "a stream of a driver is taken" dh_koweld
check "it hears of its userspace" lines "debian/.debhelper/generated/$modules/triggers" \
	"interest-noawait /usr/share/doc/acme-driver" "interest-noawait /usr/share/doc/acme-libs"

# Diversions: literal lines in the scripts, and the folders that they go to.
diverted() {
	fresh
	mkdir -p "debian/$modules/usr/sbin"
	echo own >"debian/$modules/usr/sbin/acme-tool"
	cat >>"debian/$modules.koweld.yaml" <<-'END'
		vars: {lib: "/usr/lib/${multiarch}"}
		diverts:
		  - {id: tool, from: /usr/sbin/acme-tool, since: 0.9-1}
		  - {id: lib, from: "${lib}/libacme.so.1", to: /usr/lib/acme/libacme.so.1, ship: false}
		  - {id: old, from: /usr/share/acme/old, until: 0.9-1}
	END
}
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
divert="dpkg-divert --quiet --package $modules --no-rename --divert"
# line SCRIPT LINE...: the script has each, once or more often, however indented.
line() {
	local script=$1 want
	shift
	for want; do sed 's/^\t*//' "debian/$modules.$script.debhelper" | grep -xF -- "$want" >/dev/null || {
		echo "$script has no line $want"
		return 1
	}; done
}
diverted
check "diversions are taken" dh_koweld
check "preinst adds them, by both spellings" line preinst \
	"$divert /usr/sbin/acme-tool.distrib --add /usr/sbin/acme-tool" \
	"$divert /sbin/acme-tool.distrib.usr-is-merged --add /sbin/acme-tool" \
	"$divert /usr/lib/acme/libacme.so.1 --add /usr/lib/$multiarch/libacme.so.1"
check "postrm removes them" line postrm \
	"$divert /usr/sbin/acme-tool.distrib --remove /usr/sbin/acme-tool" \
	"$divert /sbin/acme-tool.distrib.usr-is-merged --remove /sbin/acme-tool" \
	"$divert /usr/lib/acme/libacme.so.1 --remove /usr/lib/$multiarch/libacme.so.1"
check "postinst removes what is of the past" line postinst "$divert /usr/share/acme/old.distrib --remove /usr/share/acme/old"
check "nothing renames, nothing is local" [ -z "$(cat "debian/$modules".*.debhelper | sed 's/--no-rename//' | grep -E -- '--rename|--local')" ]
check "the folder of a target is made" [ -d "debian/$modules/usr/lib/acme" ]
check "that of another is everywhere" [ "$(ls "debian/$modules/usr")" = "$(printf 'lib\nsbin\nshare')" ]
check "what koweld placed goes before a diverted file comes back" [ "$(grep -nE 'maintscript postrm|^case .* in|koweld_divert_back \"' "debian/$modules.postrm.debhelper" | head -n 2 | grep -c maintscript)" = 1 ]
dh_installdeb
dh_gencontrol
for script in preinst postinst prerm postrm; do check "$script is a script" sh -n "debian/$modules/DEBIAN/$script"; done
check "another package has no preinst" [ ! -e "debian/$objects/DEBIAN/preinst" ]
mkdir -p "debian/$modules/usr/share/lintian/overrides"
cat >"debian/$modules/usr/share/lintian/overrides/$modules" <<-END
	$modules: diversion-for-unknown-file sbin/acme-tool [preinst:*]
	$modules: diversion-for-unknown-file lib/$multiarch/libacme.so.1 [preinst:*]
	$modules: diversion-for-unknown-file usr/lib/$multiarch/libacme.so.1 [preinst:*]
	$modules: remove-of-unknown-diversion usr/share/acme/old [postrm:*]
END
if command -v lintian >/dev/null; then
	dpkg-deb --root-owner-group --build "debian/$modules" "$scratch/diverted.deb" >/dev/null
	lintian --allow-root --no-user-dirs --fail-on none "$scratch/diverted.deb" >"$scratch/lintian"
	check "lintian looks at it" grep -q no-copyright-file "$scratch/lintian"
	check "it has nothing to say of the diversions but what is overridden" [ -z "$(grep -E 'divers|unused-override|mismatched-override|maintainer-script|bashism|essential' "$scratch/lintian")" ]
else
	skip "lintian on diversions" "lintian is not installed"
fi

fresh
diverted
rm "debian/$modules/usr/sbin/acme-tool"
check "a diverted name that is not shipped fails" fails "does not ship /usr/sbin/acme-tool" dh_koweld
check "--no-lint takes it" dh_koweld --no-lint
diverted
sed -i 's/since: 0.9-1/since: "1.1"/' "debian/$modules.koweld.yaml"
check "a version that is to come fails" fails "since 1.1 is later than 1.0" dh_koweld
diverted
check "--no-scripts diverts nothing" dh_koweld -n
check "no script is there" [ -z "$(find debian -type f -name "*.debhelper")" ]

# fake: a koweld of which only what it prints of a manifest is asked.
fake() {
	mkdir -p "$scratch/fake"
	cp "$scratch/bin/dh_koweld" "$scratch/fake"
	printf '#!/bin/sh\ncat <<\\END\n%s\nEND\nexit %d\n' "$1" "$2" >"$scratch/fake/koweld"
	chmod +x "$scratch/fake/koweld"
}
fresh
fake "{\"results\": [{\"package\": \"$modules\", \"kernel\": \"$kernel\", \"folders\": [\"/usr/lib/x\"], \"userspace\": [],
	\"needs\": [{\"feature\": \"a\", \"version\": \"9.10\"}, {\"feature\": \"b\", \"version\": \"9.9\"}, {\"feature\": \"c\"}]}]}" 0
check "features are taken from koweld" env PATH="$scratch/fake:$PATH" dh_koweld --no-lint
check "the highest version of them is depended on" lines "debian/$modules.substvars" "misc:Depends=koweld (>= 9.10~)"
check "folders are taken from koweld" [ "$(grep interest "debian/.debhelper/generated/$modules/triggers")" = "interest-noawait /usr/lib/x" ]
fresh
fake '{"results": [], "errors": [{"error": "cannot do it", "hint": "try harder"}]}' 65
check "an error of koweld is told" fails "koweld: error: cannot do it" env PATH="$scratch/fake:$PATH" dh_koweld --no-lint
check "and its hint" fails "koweld: hint: try harder" env PATH="$scratch/fake:$PATH" dh_koweld --no-lint
fake 'no document' 1
check "so is that it ends before it says anything" fails "returned exit code" env PATH="$scratch/fake:$PATH" dh_koweld --no-lint
fake "{\"results\": [{\"package\": \"$modules\", \"kernel\": \"1\", \"folders\": [], \"needs\": []}]}" 1
check "or after it" fails "returned exit code" env PATH="$scratch/fake:$PATH" dh_koweld --no-lint
fake 'no document' 0
check "or that it says something else" fails "cannot read what koweld says" env PATH="$scratch/fake:$PATH" dh_koweld --no-lint
fake '{"results": []}' 0
check "or nothing" fails "cannot read what koweld says" env PATH="$scratch/fake:$PATH" dh_koweld --no-lint

# The database of the tree: of the packages of the source, and of no others.
fresh
mkdir -p "debian/$objects/DEBIAN" "$scratch/spy"
touch "debian/$objects/DEBIAN/control"
printf 'extra:Depends=another\n' >"debian/$modules.substvars"
sed -i "s/\\\${misc:Depends}/&, \\\${extra:Depends}, \\\${none:Depends}, only (= \\\${source:Version}) [hurd-any]/" debian/control
{
	# shellcheck disable=SC2016 # for the script
	printf '#!/bin/sh\nif [ "$1" = --root ]; then cp -R "$2/var/lib/dpkg" "%s"; ls "$2" >"%s"; fi\n' "$scratch/spied" "$scratch/top"
	printf 'exec "%s" "$@"\n' "$scratch/bin/koweld"
} >"$scratch/spy/koweld"
chmod +x "$scratch/spy/koweld"
check "the tree is proven with a database" env PATH="$scratch/spy:$PATH" dh_koweld
check "it knows the packages" [ "$(dpkg-query --admindir="$scratch/spied" -W -f '${Package} ${Version} ${db:Status-Status} ')" = \
	"another 1.0 unpacked $modules 1.0 unpacked $objects 1.0 unpacked $signatures 1.0 unpacked " ]
check "their dependencies are filled in" [ "$(dpkg-query --admindir="$scratch/spied" -W -f '${Depends}' "$modules")" = \
	"$objects (= 1.0), $signatures (= 1.0), another" ]
check "their files are listed" [ "$(dpkg-query --admindir="$scratch/spied" -S "/usr/lib/linux-objects/acme/$kernel/core.o")" = \
	"$objects: /usr/lib/linux-objects/acme/$kernel/core.o" ]
check "control files are none" [ -z "$(grep -r DEBIAN "$scratch/spied/info"; grep DEBIAN "$scratch/top")" ]
check "nothing of this machine is in it" [ -z "$(grep -rE "$scratch|debhelper" "$scratch/spied")" ]

# depends FIELDS: the source package, where the modules have them in the place of
# their dependencies.
depends() {
	fresh
	sed -i "s/^Depends: .*/$1/" debian/control
}
depends "Depends: $signatures (= \${binary:Version})"
check "an input of a sibling that is not depended on fails" fails "(also 9 other files) is of package $objects 1.0, and $modules does not depend on it" dh_koweld
check "what to add is told" fails "hint: add \"Depends: $objects (= \${binary:Version})\"" dh_koweld
check "--no-lint takes it" dh_koweld --no-lint
depends "Depends: $signatures (= \${binary:Version}), $objects (= \${binary:Version}) [hurd-any]"
check "a dependency of another architecture is none" fails "does not depend on it" dh_koweld
depends "Depends: $signatures (= \${binary:Version}), $objects (= 0.9)"
check "nor is one on another version" fails "does not depend on it" dh_koweld
depends "Pre-Depends: $signatures (= \${source:Version})\\nDepends: \${koweld:Objects}"
echo "koweld:Objects=$objects (= \${binary:Version})" >"debian/$modules.substvars"
check "one by a substitution variable will do, and a Pre-Depends" dh_koweld
depends "Depends: $signatures (= \${binary:Version}), another"
sed -i "/^Package: another/aDepends: $objects" debian/control
dh_koweld >"$scratch/loose" 2>&1
check "one through another package will do" [ $? = 0 ]
check "that it is on any version is warned about" grep -q "warning: .* depends on no exact version of it" "$scratch/loose"
depends "Depends: $signatures (= \${binary:Version}), virtual-objects (= 7)"
sed -i "/^Package: $objects/aProvides: virtual-objects (= 7)" debian/control
check "one that is provided will do" dh_koweld

# Objects of another source package, which a build dependency has installed.
mkdir -p "$scratch/installed/var/lib/dpkg/info" "$scratch/installed/var/lib/dpkg/updates" "$scratch/installed/usr/lib"
cp -R "$acme/usr/lib/linux-objects" "$scratch/installed/usr/lib"
(cd "$scratch/installed" && find usr) | sed 's,^,/,' >"$scratch/installed/var/lib/dpkg/info/$objects.list"
printf 'Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: 0.9\nMaintainer: none\nDescription: none\n\n' "$objects" \
	>"$scratch/installed/var/lib/dpkg/status"
# two DEPENDS: the source package without the objects, where the modules depend so on them.
two() {
	depends "Depends: $signatures (= \${binary:Version}), $1"
	rm -r "debian/$objects"
	sed -i "/^Package: $objects/,/^$/d" debian/control
}
two "$objects (= 0.9)"
check "objects of another source that are not installed fail" fails "no such file" dh_koweld --inputs="$scratch/nowhere"
two "$objects (= 0.9)"
check "those that are installed are proven" dh_koweld --inputs="$scratch/installed"
check "with a trigger on their folder" grep -q "linux-objects/acme/$kernel" "debian/.debhelper/generated/$modules/triggers"
check "they are not packed" [ -z "$(find debian -name core.o)" ]
two "$objects"
dh_koweld --inputs="$scratch/installed" >"$scratch/loose" 2>&1
check "that the dependency is on any version is warned about" grep -q "warning: .* depends on no exact version of it" "$scratch/loose"
two another
check "that there is none fails" fails "is of package $objects 0.9, and $modules does not depend on it" dh_koweld --inputs="$scratch/installed"
fresh
rm "debian/$objects/usr/lib/linux-objects/acme/$kernel/core.o"
check "an older package of this source is no help" fails "core.o: no such file" dh_koweld --inputs="$scratch/installed"
echo changed >"$scratch/installed/usr/lib/linux-objects/acme/$kernel/core.o"
two "$objects (= 0.9)"
check "objects that are not those of the manifest fail" fails "core.o" dh_koweld --inputs="$scratch/installed"

# The modules of the kernel that the build machine has.
mkdir -p "$scratch/kernels/$kernel/kernel" "$scratch/kernels/other/kernel"
fresh
check "without a kernel nothing is compared" dh_koweld --modules="$scratch/kernels"
echo kernel/drivers/acme.ko >"$scratch/kernels/other/modules.order"
fresh
check "nor with another one" dh_koweld --modules="$scratch/kernels"
echo kernel/drivers/acme.ko >"$scratch/kernels/$kernel/modules.order"
fresh
check "a module that the kernel has fails" fails "module acme is in the kernel already: $scratch/kernels/$kernel/kernel/drivers/acme.ko of its modules.order" \
	dh_koweld --modules="$scratch/kernels"
check "--no-lint takes it" dh_koweld --no-lint --modules="$scratch/kernels"
fresh
if unshare -m true 2>/dev/null && [[ -d /lib/modules ]]; then
	# shellcheck disable=SC2016 # for the inner shell
	check "/lib/modules is looked at" fails "module acme is in the kernel already: /lib/modules/$kernel/kernel/drivers/acme.ko" \
		unshare -m sh -c 'mount --bind "$1" /lib/modules && exec dh_koweld' sh "$scratch/kernels"
else
	skip "/lib/modules is looked at" "needs CAP_SYS_ADMIN and a folder /lib/modules"
fi

# Quirks, with a manifest and without.
quirks() {
	fresh
	cat >"debian/another.koweld-quirks.yaml" <<-'END'
		koweld: 1
		package: another
		quirks:
		  - id: another-tool
		    title: A tool is to be elsewhere
		    keep:
		      when: {package: {name: tool}}
		      do:
		        - divert: {from: "/usr/lib/${multiarch}/tool", holder: self}
	END
}
quirks
check "quirks are installed, of a package without a manifest" dh_koweld
check "they are as they were" cmp debian/another.koweld-quirks.yaml debian/another/usr/share/koweld/quirks.d/another.yaml
check "anybody may read them" [ "$(stat -c %a debian/another/usr/share/koweld/quirks.d/another.yaml)" = 644 ]
check "no script is added for them" [ -z "$(find debian -name 'another*.debhelper' -o -name 'another.substvars')" ]
check "dh_missing knows the file" grep -q koweld-quirks debian/.debhelper/generated/another/installed-by-dh_koweld
quirks
mv debian/another.koweld-quirks.yaml "debian/$modules.koweld-quirks.yaml"
check "those of another package fail" fails "its package is \"another\"" dh_koweld
quirks
sed -i 's/holder: self/holder: local/' debian/another.koweld-quirks.yaml
check "a quirk that a package must not ship fails" fails "a local diversion is the administrator's" dh_koweld
quirks
check "--no-act does nothing with them" dh_koweld --no-act
check "nothing has been installed" [ ! -e debian/another/usr/share/koweld ]

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
