package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A maintainer script tells of its begin and its end and does what it is
// answered; between lies the snippet of dh_koweld. KOWELD_SCENE is the folder of
// the scene. A line told is of fields with a tab after each: begin or end, the
// process that is dpkg, and then the call, or the exit code.
const script = `#!/bin/sh
set -e
tell() {
	{ printf '%s\t' "$@"; echo; } >"$KOWELD_SCENE/told"
	read -r order point <"$KOWELD_SCENE/order"
}
ended() {
	code=$?
	trap - EXIT
	tell end "$PPID" "$code"
	[ "$order" = go ] || exit 1
	exit "$code"
}
tell begin "$PPID" SHORT VERSION SCRIPT "$@"
trap ended EXIT
case $order in
go) ;;
kill)
	export KOWELD_KILL="$point" PATH="$KOWELD_SCENE/killer:$PATH"
	;;
*) exit 1 ;;
esac
`

// scriptOf is a maintainer script of a package.
func scriptOf(t *testing.T, name string, d deb) string {
	text := strings.NewReplacer("SHORT", d.short, "VERSION", d.version, "SCRIPT", name).Replace(script)
	switch {
	case d.short == "modules":
		return text + snippet(t, name)
	case d.short == "koweld" && name == "postinst":
		return text + "koweld maintscript postinst koweld \"$@\"\n"
	}
	return text
}

// snippet is what dh_koweld puts in a script of the package of modules.
func snippet(t *testing.T, name string) string {
	text, err := os.ReadFile(filepath.Join("../../debian/autoscripts", name+"-koweld"))
	if os.IsNotExist(err) {
		return "" // preinst has none
	}
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "#PACKAGE#", packages["modules"])
}

// killer is a koweld that is killed where KOWELD_KILL says: at that call of those
// that change something, or a little later. 0 only counts them.
const killer = `#!/bin/sh
exec strace -f -qq --seccomp-bpf -e signal=none \
	-e trace=execve,mkdirat,unlinkat,renameat2,linkat,openat,write,fsync,ftruncate,fallocate \
	-o "|$KOWELD_SCENE/killer/count $KOWELD_KILL" KOWELD "$@"
`

// counter reads what strace writes: the process, then the call.
const counter = `#!/bin/sh
n=0
while read -r process call; do
	n=$((n + 1))
	[ $n -gt 1 ] || koweld=$process
	[ $n -ne "$1" ] || kill -KILL "$koweld"
done
echo $n >"$KOWELD_SCENE/counted"
`
