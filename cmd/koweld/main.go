// Koweld forms, proves and places signed kernel modules on the machine that
// will load them, and takes them back.
package main

import (
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}

// run is the program: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	a := newApp(stdin, stdout, stderr, environ)
	cmd := newRootCommand(a)
	cmd.SetArgs(args)
	return a.exit(cmd.Execute())
}
