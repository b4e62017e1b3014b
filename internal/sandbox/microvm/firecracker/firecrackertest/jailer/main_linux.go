// Command jailer plays Firecracker's jailer for tests: the program gets a root of its own and becomes another user.
// It differs in that one helper process stays outside, in the directory of the root, which starts QEMU as that user.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// These are set when it is built.
var (
	version  string // what it says of itself
	qemuPath string
)

const (
	launcherFile     = 3
	launcherVariable = "FIRECRACKERTEST_LAUNCHER"
	launch           = "launch" // the first argument of the helper
)

var idPattern = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

func main() {
	runtime.LockOSThread() // what is done to a thread is for what it becomes; QEMU ends with its thread
	run := jail
	if len(os.Args) > 1 && os.Args[1] == launch {
		run = launchFor
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(1)
	}
}

// jail becomes the program.
func jail(args []string) error {
	f := flag.NewFlagSet("jailer", flag.ContinueOnError)
	id := f.String("id", "", "")
	program := f.String("exec-file", "", "")
	uid := f.Int("uid", -1, "")
	gid := f.Int("gid", -1, "")
	base := f.String("chroot-base-dir", "/srv/jailer", "")
	showVersion := f.Bool("version", false, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	name := filepath.Base(*program)
	switch {
	case *showVersion:
		fmt.Printf("Jailer v%s\n\n", version)
		return nil
	case !idPattern.MatchString(*id):
		return fmt.Errorf("the id %q is invalid", *id)
	case !strings.Contains(name, "firecracker"):
		return fmt.Errorf("the name of %q does not contain firecracker", *program)
	case *uid < 0 || *gid < 0:
		return errors.New("user and group are missing")
	}
	root := filepath.Join(*base, name, *id, "root")
	if err := furnish(root, *program, name, *uid, *gid); err != nil {
		return err
	}
	if err := startLauncher(root, *uid, *gid); err != nil {
		return err
	}
	if err := errors.Join(unix.Chroot(root), unix.Chdir("/"),
		syscall.Setgroups(nil), syscall.Setgid(*gid), syscall.Setuid(*uid)); err != nil {
		return err
	}
	command := append([]string{name, "--id=" + *id, "--start-time-us=0", "--start-time-cpu-us=0"}, f.Args()...)
	return unix.Exec("/"+name, command, []string{launcherVariable + "=1"})
}

// furnish makes the root and what is in it.
func furnish(root, program, name string, uid, gid int) error {
	if err := os.MkdirAll(filepath.Join(root, "dev/net"), 0o700); err != nil {
		return err
	}
	in, err := os.Open(program)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(filepath.Join(root, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	for path, number := range map[string]uint64{"dev/kvm": unix.Mkdev(10, 232), "dev/net/tun": unix.Mkdev(10, 200)} {
		path = filepath.Join(root, path)
		if err := errors.Join(unix.Mknod(path, unix.S_IFCHR|0o600, int(number)), os.Chown(path, uid, gid)); err != nil {
			return err
		}
	}
	for _, dir := range []string{"dev/net", "dev"} {
		if err := os.Chown(filepath.Join(root, dir), uid, gid); err != nil {
			return err
		}
	}
	return errors.Join(os.Chmod(root, 0o700), os.Chown(root, uid, gid))
}

// startLauncher starts the helper, which has the other end of launcherFile.
func startLauncher(root string, uid, gid int) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	there := os.NewFile(uintptr(pair[1]), "launcher")
	defer there.Close()
	cmd := exec.Command("/proc/self/exe", launch, strconv.Itoa(uid), strconv.Itoa(gid))
	cmd.Dir, cmd.Env = root, os.Environ()
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{there} // it is launcherFile there, too
	if err := cmd.Start(); err != nil {
		return err
	}
	if pair[0] == launcherFile { // dup3 to itself fails
		_, err = unix.FcntlInt(launcherFile, unix.F_SETFD, 0)
		return err
	}
	return unix.Dup3(pair[0], launcherFile, 0)
}

// launchFor is the helper: it starts one QEMU with the arguments that it is given, and ends with it, or with who
// has given them. The name of the machine is the root, so that it is found by that among all processes.
func launchFor(args []string) error {
	if len(args) != 3 {
		return errors.New("user and group are missing")
	}
	uid, err := strconv.ParseUint(args[1], 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(args[2], 10, 32)
	if err != nil {
		return err
	}
	unix.CloseOnExec(launcherFile)
	arguments, files, err := receive()
	if err != nil || arguments == nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	cmd := exec.Command(qemuPath, append(arguments, "-name", strings.ReplaceAll(root, ",", ",,"))...)
	cmd.ExtraFiles = files
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, Pdeathsig: syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for _, f := range files {
		_ = f.Close() // it is QEMU's
	}
	asker := os.NewFile(launcherFile, "launcher")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	go func() { // who has asked is gone when there is nothing to read any more
		_, err := io.Copy(io.Discard, asker)
		ended <- err
	}()
	return <-ended // QEMU ends with this process
}

// receive is what the launcher is asked to start QEMU with: arguments, and files. Without arguments it is not.
func receive() (arguments []string, files []*os.File, err error) {
	message, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(16*4))
	n, m, _, _, err := unix.Recvmsg(launcherFile, message, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return nil, nil, err
	}
	controls, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return nil, nil, err
	}
	for _, c := range controls {
		numbers, err := unix.ParseUnixRights(&c)
		if err != nil {
			return nil, nil, err
		}
		for _, fd := range numbers {
			files = append(files, os.NewFile(uintptr(fd), "tap"))
		}
	}
	return arguments, files, json.Unmarshal(message[:n], &arguments)
}
