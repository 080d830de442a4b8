package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// state is what the commands of one script remember.
type state struct {
	data string // testdata
	code int    // of the last exits
	lock *os.File
	// opened is told by the kernel of each open of the lock.
	opened *os.File // tells that somebody opened the lock
}

type stateKey struct{}

func stateOf(ts *testscript.TestScript) *state { return ts.Value(stateKey{}).(*state) }

func positive(ts *testscript.TestScript, neg bool, args []string, n int, usage string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

// root [split]: makes the folder root, a system with one kernel and what
// testdata/acme/package ships; /usr is merged unless split is said.
func cmdRoot(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 0, "root [split]")
	root := ts.MkAbs("root")
	lib := filepath.Join(root, "usr/lib")
	ts.Check(os.MkdirAll(lib, 0o755))
	if len(args) == 1 && args[0] == "split" {
		lib = filepath.Join(root, "lib")
	} else {
		ts.Check(os.Symlink("usr/lib", filepath.Join(root, "lib")))
	}
	kernel := filepath.Join(lib, "modules", acmeKernel)
	ts.Check(os.MkdirAll(kernel, 0o755))
	ts.Check(os.MkdirAll(filepath.Join(root, "var/lib"), 0o755))
	for _, name := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		ts.Check(os.WriteFile(filepath.Join(kernel, name), nil, 0o644))
	}
	ts.Check(copyTree(filepath.Join(stateOf(ts).data, "acme/package"), root))
}

// links: drops the recipes from the manifest, so that the linker forms modules.
func cmdLinks(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 0, "links")
	ts.Check(dropRecipes(ts.MkAbs("root")))
}

var recipeWay = regexp.MustCompile(`(?m)^ *- \{recipe: .*\n`)

// dropRecipes leaves a system with testdata/acme the links alone.
func dropRecipes(root string) error {
	name := filepath.Join(root, acmeManifest)
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !recipeWay.Match(text) {
		return errors.New("the manifest has no recipe")
	}
	return os.WriteFile(name, recipeWay.ReplaceAll(text, nil), 0o644)
}

// copyTree copies files and folders with the modes that a package has,
// whatever the umask was when the repository was checked out.
func copyTree(from, to string) error {
	return filepath.Walk(from, func(name string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(name, from))
		if info.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, data, 0o644); err != nil {
			return err
		}
		return os.Chmod(target, 0o644)
	})
}

// exits CODE COMMAND...: runs a command and checks its exit code; a code such
// as SIGKILL is the signal it died of.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 2, "exits CODE COMMAND...")
	got := "0"
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = strconv.Itoa(exit.ExitCode())
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
			got = unix.SignalName(status.Signal())
		}
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, not %s", got, args[0])
	}
	stateOf(ts).code, _ = strconv.Atoi(got)
}

// json [PATH VALUE]...: checks that the last output is one document of
// koweld's whose exit is the exit code, and looks at values in it; a PATH is
// e.g. results.0.action. "-" is a VALUE that is not there.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 0, "json [PATH VALUE]...")
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		ts.Fatalf("no JSON: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("something follows the document")
	}
	if _, ok := doc["results"].([]any); !ok {
		ts.Fatalf("results is not a list")
	}
	args = append([]string{"koweld", "1", "exit", strconv.Itoa(stateOf(ts).code)}, args...)
	for ; len(args) >= 2; args = args[2:] {
		if got := lookup(doc, args[0]); got != args[1] {
			ts.Fatalf("%s is %s, not %s", args[0], got, args[1])
		}
	}
}

func lookup(v any, path string) string {
	for _, key := range strings.Split(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(at) {
				return "-"
			}
			v = at[i]
		default:
			return "-"
		}
	}
	if v == nil {
		return "-"
	}
	return fmt.Sprint(v)
}

// flip FILE OFFSET: turns one bit over; a negative OFFSET is from the end.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 2, "flip FILE OFFSET")
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	offset, err := strconv.Atoi(args[1])
	ts.Check(err)
	if offset < 0 {
		offset += len(data)
	}
	data[offset] ^= 1
	ts.Check(os.WriteFile(name, data, 0o644))
}

// edit FILE OLD NEW: replaces each OLD, of which there must be one. \n is a
// new line.
func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 3, "edit FILE OLD NEW")
	lines := strings.NewReplacer(`\n`, "\n")
	old, text := lines.Replace(args[1]), ts.ReadFile(args[0])
	if !strings.Contains(text, old) {
		ts.Fatalf("%s does not contain %q", args[0], old)
	}
	text = strings.ReplaceAll(text, old, lines.Replace(args[2]))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// fake TOOL WAY: makes a tool fail from now on, in the way fake-WAY. ! fake
// TOOL makes it real again.
func cmdFake(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Check(os.Remove(ts.MkAbs("fakes/" + args[0])))
		return
	}
	positive(ts, neg, args, 2, "fake TOOL WAY")
	dir := ts.MkAbs("fakes")
	if err := os.Mkdir(dir, 0o755); err == nil {
		ts.Setenv("PATH", dir+string(os.PathListSeparator)+ts.Getenv("PATH"))
	}
	// With exec the tool's parent is koweld and not a shell.
	script := "#!/bin/sh\nexec fake-" + args[1] + " \"$@\"\n"
	ts.Check(os.WriteFile(filepath.Join(dir, args[0]), []byte(script), 0o755))
}

// only TOOL...: from now on there are only these programs.
func cmdOnly(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 0, "only TOOL...")
	dir := ts.MkAbs("only")
	ts.Check(os.RemoveAll(dir))
	ts.Check(os.Mkdir(dir, 0o755))
	for _, name := range append(args, "koweld") {
		program, err := exec.LookPath(name)
		ts.Check(err)
		ts.Check(os.Symlink(program, filepath.Join(dir, name)))
	}
	ts.Setenv("PATH", dir)
}

// lock: takes koweld's lock, as another koweld would.
func cmdLock(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 0, "lock")
	s := stateOf(ts)
	name := filepath.Join(ts.MkAbs("root"), "var/lib/koweld/lock")
	ts.Check(os.MkdirAll(filepath.Dir(name), 0o755))
	var err error
	s.lock, err = os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	ts.Check(err)
	_, err = fmt.Fprintf(s.lock, "%d\n", os.Getpid())
	ts.Check(err)
	ts.Check(unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	ts.Check(err)
	s.opened = os.NewFile(uintptr(watch), "inotify")
	_, err = unix.InotifyAddWatch(watch, name, unix.IN_OPEN)
	ts.Check(err)
	// Of this lock and not of a later one: a script may lock again.
	lock, opened := s.lock, s.opened
	ts.Defer(func() { lock.Close(); opened.Close() })
}

// unlock: gives the lock back, once somebody has tried to take it.
func cmdUnlock(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 0, "unlock")
	s := stateOf(ts)
	_, err := s.opened.Read(make([]byte, 4096))
	ts.Check(err)
	ts.Check(s.lock.Close())
}

// mount DIR SIZE: mounts an empty file system. mount DIR ro makes it
// read-only, mount DIR rw writable.
func cmdMount(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 2, "mount DIR ro|rw|SIZE")
	dir := ts.MkAbs(args[0])
	switch args[1] {
	case "ro":
		ts.Check(unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	case "rw":
		ts.Check(unix.Mount("", dir, "", unix.MS_REMOUNT, ""))
	default:
		ts.Check(unix.Mount("none", dir, "tmpfs", 0, "mode=755,size="+args[1]))
		ts.Defer(func() { ts.Check(unix.Unmount(dir, unix.MNT_DETACH)) })
	}
}

// certificate NAME [expired]: makes NAME.key and NAME.pem and sets the
// variable NAME to the certificate's fingerprint.
func cmdCertificate(ts *testscript.TestScript, neg bool, args []string) {
	positive(ts, neg, args, 1, "certificate NAME [expired]")
	name, end := args[0], time.Now().AddDate(1, 0, 0)
	if len(args) > 1 && args[1] == "expired" {
		end = time.Now().AddDate(0, 0, -1)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer " + name},
		NotBefore: end.AddDate(-2, 0, 0), NotAfter: end, SubjectKeyId: []byte(name),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for ext, block := range map[string]pem.Block{
		".pem": {Type: "CERTIFICATE", Bytes: der},
		".key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		var b bytes.Buffer
		ts.Check(pem.Encode(&b, &block))
		ts.Check(os.WriteFile(ts.MkAbs(name+ext), b.Bytes(), 0o644))
	}
	sum := sha256.Sum256(der)
	ts.Setenv(name, hex.EncodeToString(sum[:]))
}
