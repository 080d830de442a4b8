// Command guest is the first process of the virtual machines of testdata/vm. It
// runs a script on the disk's Debian and says how the script ended.
//
// As /init of an initramfs of its own it loads the modules listed in
// /modules/order and goes on in the file system on /dev/vda. As init=/usr/lib/vm/guest
// of the kernel's command line it comes after the initramfs that Debian made. In both it
// unpacks the tar archive on /dev/vdb, which the host has made, to /run/vm, and runs
// /run/vm/script. The kernel's command line has the rest:
//
//	vm.secureboot=1   fail unless Secure Boot and lockdown are on
//	vm.systemd=1      the script runs when systemd has reached multi-user.target
//
// The kernel's own messages are on the first serial port. The second has what the
// script prints, the third one line, "vm: result N" or "vm: error TEXT"; what the
// firmware writes there comes before a line "vm: begin".
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	payload = "/run/vm"
	script  = payload + "/script"
	self    = payload + "/guest"
)

func main() {
	asService := len(os.Args) == 2 && os.Args[1] == "service"
	if os.Getpid() != 1 && !asService {
		fmt.Fprintln(os.Stderr, "usage: the first process of a virtual machine; see testdata/vm")
		os.Exit(64)
	}
	if asService {
		end(runScript())
	}
	end(start())
}

// start makes the system and runs the script; it does not return where systemd
// takes over.
func start() (int, error) {
	os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
	if os.Args[0] == "/init" {
		if err := initramfs(); err != nil {
			return 0, err
		}
	}
	if err := mountAll(); err != nil {
		return 0, err
	}
	if err := unpack("/dev/vdb", payload); err != nil {
		return 0, fmt.Errorf("cannot unpack what the host gave: %v", err)
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return 0, err
	}
	options := strings.Fields(string(cmdline))
	if has(options, "vm.secureboot=1") {
		if err := assertSecureBoot(); err != nil {
			return 0, err
		}
	}
	if has(options, "vm.systemd=1") {
		return 0, systemd()
	}
	return runScript()
}

func has(options []string, option string) bool {
	for _, o := range options {
		if o == option {
			return true
		}
	}
	return false
}

// runScript runs the script with the second serial port as its output.
func runScript() (int, error) {
	out, err := serial("/dev/ttyS1")
	if err != nil {
		return 0, err
	}
	defer out.Close()
	cmd := exec.Command("/bin/sh", script)
	cmd.Dir = payload
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if exit.ExitCode() < 0 {
			return 0, fmt.Errorf("the script ended with %v", exit)
		}
		return exit.ExitCode(), nil
	}
	return 0, err
}

// systemd becomes the disk's init, which will run this program again as a
// service of the boot.
func systemd() error {
	const units = "/run/systemd/system"
	unit := "[Unit]\nDescription=The test of this virtual machine\nAfter=multi-user.target\n" +
		"[Service]\nType=oneshot\nExecStart=" + self + " service\n"
	wants := units + "/multi-user.target.wants"
	if err := os.MkdirAll(wants, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(units+"/vm.service", []byte(unit), 0o644); err != nil {
		return err
	}
	if err := os.Symlink("../vm.service", wants+"/vm.service"); err != nil {
		return err
	}
	const init = "/sbin/init"
	return fmt.Errorf("cannot run %s: %v", init, unix.Exec(init, []string{init}, []string{"PATH=" + os.Getenv("PATH")}))
}

// end says the result on the third serial port and turns the machine off. What is
// still mounted is synced; the journal of the file system is for the next mount.
func end(code int, err error) {
	line := fmt.Sprintf("vm: result %d\n", code)
	if err != nil {
		line = fmt.Sprintf("vm: error %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	unix.Sync()
	fmt.Print(line) // for the console
	if out, err := serial("/dev/ttyS2"); err == nil {
		_, _ = out.WriteString(line)
		_ = unix.IoctlSetInt(int(out.Fd()), unix.TCSBRK, 1) // tcdrain
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}
