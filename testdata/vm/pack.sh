# Sourced by the scripts beside: a package as docs/packager.md makes one by hand.
# shellcheck shell=bash disable=SC2154 # $here, $scratch

# pack TREE VERSION: a .deb of a tree that holds objects, signatures and one manifest,
# with the scripts of debian/autoscripts; the file is $scratch/PACKAGE.deb, and in the
# variable packed.
pack() {
	local manifest package script at
	manifest=$(ls "$1"/usr/share/koweld/manifests/*.yaml) || return
	package=$(basename "$manifest" .yaml)
	at=$scratch/pack-$package
	mkdir -p "$at/DEBIAN" && cp -R "$1/usr" "$at" || return
	chmod -R u=rwX,go=rX "$at"
	cat >"$at/DEBIAN/control" <<-END
		Package: $package
		Version: $2
		Architecture: amd64
		Maintainer: nobody <nobody@nowhere.example>
		Depends: koweld
		Description: modules for a test
	END
	for script in postinst prerm postrm; do
		{
			printf '#!/bin/sh\nset -e\n'
			sed "s/#PACKAGE#/$package/g" "$here/../../debian/autoscripts/$script-koweld"
		} >"$at/DEBIAN/$script"
		chmod 755 "$at/DEBIAN/$script"
	done
	packed=$scratch/$package.deb
	dpkg-deb --root-owner-group -Znone --build "$at" "$packed" >/dev/null && rm -r "$at"
}
