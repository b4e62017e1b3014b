package firecracker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// Command implements [vmm.VMM].
func (f *Firecracker) Command(m vmm.Machine) (*exec.Cmd, error) {
	if err := f.suits(m); err != nil {
		return nil, err
	}
	if err := f.furnish(m); err != nil {
		return nil, err
	}
	// The guest's console is on standard output, as is the log: what is in it between errors is of no use.
	args := []string{"--api-sock", apiSocket, "--level", "Error"}
	if f.jailer != "" {
		return exec.Command(f.jailer, append([]string{
			"--id", m.ID,
			"--exec-file", f.path,
			"--uid", strconv.Itoa(m.User.UID), "--gid", strconv.Itoa(m.User.GID),
			"--chroot-base-dir", m.Dir,
			"--",
		}, args...)...), nil
	}
	cmd := exec.Command(f.path, append([]string{"--id", m.ID}, args...)...)
	cmd.Dir = m.Dir
	if m.User != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(*m.User)}
	}
	return cmd, nil
}

// suits is an error for a machine that cannot be.
func (f *Firecracker) suits(m vmm.Machine) error {
	const mostCPUs = 32
	switch {
	case m.CPUs < 1 || m.CPUs > mostCPUs:
		return fmt.Errorf("firecracker gives a machine 1 to %d processors, not %d", mostCPUs, m.CPUs)
	case m.MemoryBytes < 1<<20 || m.MemoryBytes%(1<<20) != 0:
		return fmt.Errorf("firecracker gives a machine whole MiB of memory, not %d bytes", m.MemoryBytes)
	case len(m.Disks) > maxDisks:
		return fmt.Errorf("a machine has %d disks at most, not %d", maxDisks, len(m.Disks))
	case f.jailer != "" && m.User == nil:
		return errors.New("the jailer needs a user for firecracker to be")
	}
	return nil
}

// credential is a user, with the group that may use KVM.
func credential(u vmm.User) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID)}
	if info, err := os.Stat("/dev/kvm"); err == nil {
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Gid != 0 {
			c.Groups = []uint32{s.Gid}
		}
	}
	return c
}

// cmdline is the kernel's command line: how it ends the machine, which has no power to switch off, and that it
// need not look for what is not there.
func cmdline(m vmm.Machine) string {
	words := []string{"console=ttyS0", "panic=1", "pci=off"}
	if runtime.GOARCH == "amd64" {
		words = append(words, "reboot=k", "i8042.noaux", "i8042.nomux", "i8042.dumbkbd")
	}
	return strings.TrimSpace(strings.Join(words, " ") + " " + m.Cmdline)
}

// Complaint implements [vmm.VMM]: it is why a program says that it has ended, or else its last line.
func (f *Firecracker) Complaint(stderr []byte) string {
	const most = 500
	said := ""
	for line := range strings.Lines(strings.ToValidUTF8(string(stderr), "\uFFFD")) {
		line = strings.TrimSpace(line)
		if why, ok := strings.CutPrefix(line, "Error: "); ok {
			said = why
			break
		}
		if line != "" {
			said = line
		}
	}
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return said
}
