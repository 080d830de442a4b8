// Package scenario has only tests. Real packages, built by dpkg-deb, go through
// the real dpkg of several releases into a root, with maintainer scripts that
// call the koweld built here. Each scenario is written as a table: what dpkg is
// told, each call of a script that must follow, and which set of modules must be
// placed after it.
//
// No chroot is entered: dpkg runs with --root and --force-script-chrootless, so
// that scripts run on the host with the root in DPKG_ROOT. A script tells the
// test of its begin and its end through a pair of FIFOs and is answered what to
// do: go on, fail, or die with dpkg. Between the two the test looks at the root.
//
// What no table says, such as mounts, other architectures and what goes on at the
// same time, are cases: tests of their own.
//
// It needs root, and what is told by a skip. KOWELD_TEST widens it: "full" takes
// all releases of dpkg and a selection of faults, "all" every fault.
package scenario
