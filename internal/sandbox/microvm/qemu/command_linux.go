package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/unwind"
)

// arguments are those of every machine.
func (a abilities) arguments() []string {
	// What is emulated moves a byte at a time where a processor says that it is fast at moving strings of bytes.
	cpu := "max,erms=off,fsrm=off"
	if a.accelerator == kvm {
		cpu = "host"
	}
	args := []string{
		"-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
		// Kernels look for a real-time clock, and wait two seconds for one that is not there.
		"-machine", "microvm,x-option-roms=off,rtc=on,pit=off,pic=off,dump-guest-core=off,mem-merge=off,accel=" + a.accelerator,
		"-cpu", cpu,
	}
	if a.filter {
		// Denying to elevate privileges would deny to give them up. The filter implies that programs give none.
		args = append(args, "-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny")
	}
	return args
}

// cmdline is what kernels are told of such machines.
func (a abilities) cmdline() string {
	const console = "console=ttyS0"
	if a.accelerator == kvm {
		return console // the host tells them the time
	}
	// Defences against what processors do by speculation are of no use to one that does not.
	return fmt.Sprintf("%s tsc_early_khz=%d tsc=reliable mitigations=off", console, a.tscKHz)
}

// Command implements [vmm.VMM].
func (q *QEMU) Command(m vmm.Machine) (_ *exec.Cmd, err error) {
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	found, err := q.abilities(context.Background())
	if err != nil {
		return nil, err
	}
	var files []*os.File
	undo.Add(func() {
		for _, f := range files {
			_ = f.Close() // nothing was written
		}
	})
	for _, name := range []string{guestSocket, monitorSocket} {
		f, err := listen(m.Dir, name)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	const first = 3 // of ExtraFiles in the child
	args := append(found.arguments(),
		"-name", "nex-"+m.ID,
		"-m", strconv.FormatInt(m.MemoryBytes>>20, 10)+"M", "-smp", strconv.Itoa(m.CPUs),
		"-kernel", m.Kernel, "-append", found.cmdline()+" "+m.Cmdline,
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", fmt.Sprintf("socket,id=guest,fd=%d,server=on,wait=off", first),
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d,server=on,wait=off", first+1),
		"-mon", "chardev=monitor,mode=control",
	)
	switch {
	case m.Leaves != "":
		memory, err := memoryBackend(filepath.Join(m.Leaves, memoryFile), m.MemoryBytes, true)
		if err != nil {
			return nil, err
		}
		args = append(args, memory...)
	case m.Snapshot != "":
		f, err := q.memories.open(m.Snapshot)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		memory, err := memoryBackend("/dev/fd/"+strconv.Itoa(first+len(files)-1), m.MemoryBytes, false)
		if err != nil {
			return nil, err
		}
		args = append(append(args, memory...), "-incoming", "defer")
	}
	if m.Initrd != "" {
		args = append(args, "-initrd", m.Initrd)
	}
	devices, err := devices(m)
	if err != nil {
		return nil, err
	}
	args = append(args, devices...)
	if m.User != nil {
		args = append(args, "-chroot", m.Dir, "-runas", fmt.Sprintf("%d:%d", m.User.UID, m.User.GID))
	}
	cmd := exec.Command(q.path, args...)
	cmd.ExtraFiles = files
	return cmd, nil
}

// listen makes a socket for a child.
func listen(dir, name string) (*os.File, error) {
	l, err := vmm.Listen(dir, name)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.File()
}

// devices are the arguments for what the machine has. A guest finds devices, and names them, in this order.
func devices(m vmm.Machine) ([]string, error) {
	var args []string
	for n, d := range m.Disks {
		disk, err := blockDevice(n, d)
		if err != nil {
			return nil, err
		}
		// A disk of the host that is full is an error to the guest, and does not stop the machine.
		args = append(args, "-blockdev", disk, "-device", "virtio-blk-device,werror=report,rerror=report,drive=disk"+strconv.Itoa(n))
	}
	// The first port is for a console. Guests set up queues for all that there may be, which takes its time.
	args = append(args, "-device", "virtio-serial-device,max_ports=2", "-device", "virtserialport,chardev=guest,name="+guest.PortName)
	if n := m.Network; n != nil {
		args = append(args,
			"-netdev", "tap,id=network,script=no,downscript=no,vhost=off,ifname="+n.Tap,
			"-device", "virtio-net-device,netdev=network,mac="+n.MAC)
	}
	return args, nil
}

// blockDevice describes the n-th disk.
func blockDevice(n int, d vmm.Disk) (string, error) {
	b, err := json.Marshal(map[string]any{
		"node-name": "disk" + strconv.Itoa(n), "driver": "raw", "read-only": d.ReadOnly, "discard": "unmap",
		// What is written need not outlive the host.
		"cache": map[string]any{"no-flush": !d.ReadOnly},
		"file":  map[string]any{"driver": "file", "filename": d.Path},
	})
	if err != nil {
		return "", fmt.Errorf("describe disk %s: %w", d.Path, err)
	}
	return string(b), nil
}
