// Package diverted has only tests. Packages with static diversions, built by dpkg-deb
// with the scripts of divert/static, go through the real dpkg of several releases into
// roots of each layout of /usr. After each run of dpkg, what it says of its packages
// tells which files and diversions there must be; nothing else may be.
//
// As in internal/scenario no chroot is entered, and root is needed. It takes the host's
// dpkg and a selection of cases; with KOWELD_TEST=all that of each release, and all.
// Scripts find only programs of Essential packages.
package diverted
