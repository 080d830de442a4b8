package main

import "runtime/debug"

// version is set by the linker (go build -ldflags "-X main.version=1.2-3"): that of
// the package.
var version string

// programVersion is the version that was linked in, else what the go command knows.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
