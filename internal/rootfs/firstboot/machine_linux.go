package firstboot

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/initramfs"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/microvm/setup"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// memory is the machine's, in bytes. It takes what it uses.
const memory = 1 << 30

// Machine runs scripts.
type Machine struct {
	Config
	vmm    *qemu.QEMU
	script []byte
}

// New looks whether there is all that the machine takes, and whether machines run here. The error says what is
// missing, and what to do.
func New(ctx context.Context, c Config) (*Machine, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(c.Kernel); err != nil {
		return nil, fmt.Errorf("a script is run in a virtual machine, and its kernel cannot be read: %w: name another one with --kernel", err)
	}
	m := &Machine{Config: c}
	info, err := os.Stat(c.Script)
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%s is a directory", c.Script)
	case info.Size() == 0 || info.Size() > MaxScript:
		err = fmt.Errorf("%s has %d bytes, and may have from 1 to %d", c.Script, info.Size(), MaxScript)
	default:
		m.script, err = os.ReadFile(c.Script)
	}
	if err != nil {
		return nil, fmt.Errorf("the script cannot be used: %w", err)
	}
	if m.vmm, err = qemu.New(qemu.Config{}); err == nil {
		err = m.vmm.Check(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("a script is run in a virtual machine, and none can run here: %w", err)
	}
	if err := microvm.CheckKernel(c.Kernel); err != nil {
		return nil, fmt.Errorf("a script is run in a virtual machine, and %w: name another one with --kernel", err)
	}
	if c.Modules != "" {
		if err := setup.CheckModules(c.Kernel, c.Modules); err != nil {
			return nil, fmt.Errorf("a script is run in a virtual machine, and its --modules cannot be used: %w", err)
		}
	}
	return m, nil
}

// Change runs the script in the file system in the file disk, which nobody else uses. It is in order
// afterwards, or there is an error, and it is of no use. One machine can change several, one after the other.
func (m *Machine) Change(ctx context.Context, disk string) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, m.Timeout, timeoutError{m.Timeout})
	defer cancel()
	dir, err := os.MkdirTemp("", "nex-firstboot-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	own := filepath.Join(dir, "vmm")
	if err := os.Mkdir(own, 0o700); err != nil {
		return err
	}
	initrd := filepath.Join(dir, "initramfs")
	cmd, err := m.vmm.Command(vmm.Machine{
		ID: "script", Dir: own, Kernel: m.Kernel, Initrd: initrd, Cmdline: microvm.Cmdline(initrd),
		MemoryBytes: memory, CPUs: min(runtime.NumCPU(), microvm.MaxDefaultCPUs), Disks: []vmm.Disk{{Path: disk}},
	})
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range cmd.ExtraFiles {
			_ = f.Close() // nothing was written
		}
	}()
	network := m.vmm.ConnectAsUser(ctx, cmd)
	if network == nil {
		m.Say("This QEMU has no network for its users: the script has none")
	}
	if err := m.writeInitramfs(initrd, network); err != nil {
		return err
	}
	m.Say("Running %s in a virtual machine", m.Script)
	return m.run(ctx, cmd)
}

// writeInitramfs makes what the kernel begins with.
func (m *Machine) writeInitramfs(path string, network *guest.Network) (err error) {
	entropy := make([]byte, guest.MaxEntropy)
	_, _ = rand.Read(entropy) // it never fails
	setup, err := json.Marshal(guest.ScriptSetup{Time: time.Now(), Entropy: entropy, Network: network})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return initramfs.Write(f, initramfs.Config{Init: m.Init, Modules: m.Modules, Files: []initramfs.File{
		{Name: guest.ScriptPath[1:], Mode: 0o700, Content: m.script},
		{Name: guest.ScriptSetupPath[1:], Mode: 0o600, Content: setup},
	}})
}

// run sees the machine to its end, or ends it with ctx.
func (m *Machine) run(ctx context.Context, cmd *exec.Cmd) error {
	var complaints bytes.Buffer
	console := &console{to: m.Output}
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{}, console, &complaints
	// Whoever interrupts us interrupts ctx.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the machine would end with this thread
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // it may have ended
	ended := cmd.Wait()
	if !stop() {
		return context.Cause(ctx)
	}
	console.flush()
	if said := m.vmm.Complaint(complaints.Bytes()); said != "" && console.exit == nil && console.said == "" {
		return fmt.Errorf("the machine for the script does not run: %s", said)
	}
	err := console.result(ended)
	if err != nil && console.exit == nil && m.Modules == "" {
		err = fmt.Errorf("%w; a kernel that has not all built in needs --modules", err)
	}
	return err
}
