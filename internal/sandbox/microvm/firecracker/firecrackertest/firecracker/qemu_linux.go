package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
)

// launcherFile is the file by which the jailer starts programs outside, if LauncherVariable is set.
const (
	launcherFile     = 3
	launcherVariable = "FIRECRACKERTEST_LAUNCHER"
)

const (
	guestSocket   = ".guest"
	monitorSocket = ".monitor"
	portID        = "guestport"
)

// qemu is the machine.
type qemu struct {
	monitor *monitor
}

// startMachine boots what was configured.
func (p *process) startMachine() error {
	if p.boot == nil {
		return errors.New("start microvm: cannot start without a kernel")
	}
	if err := checkKernel(p.boot.Kernel); err != nil {
		return fmt.Errorf("start microvm: cannot load the kernel: %w", err)
	}
	line := p.boot.Args + " " + tuning
	for _, d := range p.drives {
		if d.Root && d.ReadOnly {
			line += " root=/dev/vda ro"
		} else if d.Root {
			line += " root=/dev/vda rw"
		}
	}
	args := []string{"-kernel", p.boot.Kernel, "-append", line}
	if p.boot.Initrd != "" {
		args = append(args, "-initrd", p.boot.Initrd)
	}
	if err := p.launch(args); err != nil {
		return fmt.Errorf("start microvm: %w", err)
	}
	if err := p.qemu.monitor.run("cont", nil); err != nil {
		return fmt.Errorf("start microvm: %w", err)
	}
	p.state = running
	return nil
}

// checkKernel refuses what is no kernel of any kind.
func checkKernel(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 0x206)
	if _, err := io.ReadFull(f, head); err != nil || string(head[:4]) != "\x7fELF" && string(head[0x202:]) != "HdrS" {
		return errors.New("invalid ELF magic number")
	}
	return nil
}

// launch starts QEMU, with the machine paused.
func (p *process) launch(boot []string) error {
	l, err := net.Listen("unix", monitorSocket)
	if err != nil {
		return err
	}
	defer l.Close()
	args := append([]string{
		"-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-S",
		"-machine", machine, "-cpu", processor,
		"-m", strconv.Itoa(p.machine.MemoryMiB) + "M", "-smp", strconv.Itoa(p.machine.VCPUs),
		"-chardev", "socket,id=monitor,path=" + monitorSocket, "-mon", "chardev=monitor,mode=control",
		"-chardev", "socket,id=guest,path=" + guestSocket + ",server=on,wait=off",
	}, boot...)
	if p.serial.Path == "" {
		args = append(args, "-chardev", "stdio,id=console,signal=off")
	} else {
		args = append(args, "-chardev", "file,id=console,path="+p.serial.Path)
	}
	args = append(args, "-serial", "chardev:console")
	args = append(args, p.devices()...)
	gone := make(chan error, 1)
	if err := p.onMain(func() error { return start(args, p.openTaps(), gone) }); err != nil {
		return err
	}
	conn, err := accept(l, gone)
	if err != nil {
		return err
	}
	m, err := openMonitor(conn)
	if err != nil {
		return err
	}
	p.qemu = &qemu{m}
	m.onPort = p.vsock.setOpen
	go func() { // ends with QEMU, and the process with it
		err := <-m.gone
		p.end(err)
	}()
	for _, d := range p.drives {
		if err := p.qemu.throttle(d); err != nil {
			return err
		}
	}
	return nil
}

// accept waits until QEMU connects, or has ended.
func accept(l net.Listener, gone <-chan error) (net.Conn, error) {
	accepted := make(chan net.Conn, 1)
	go func() { // ends when the listener is closed
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	select {
	case c := <-accepted:
		return c, nil
	case err := <-gone:
		return nil, fmt.Errorf("QEMU has ended: %w", err)
	}
}

// openTaps are the taps of the networks, in their order.
func (p *process) openTaps() []*os.File {
	var files []*os.File
	for _, n := range p.networks {
		files = append(files, p.taps[n.ID])
	}
	return files
}

// firstFile is the number that the first of the files has in QEMU which it is started with.
const firstFile = 3

// start starts QEMU in the root of the process, whose children end with the calling thread. The channel gets how
// it has ended.
func start(args []string, files []*os.File, gone chan<- error) error {
	if os.Getenv(launcherVariable) != "" {
		return startOutside(args, files, gone)
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	cmd := exec.Command(qemuPath, append(args, "-name", strings.ReplaceAll(root, ",", ",,"))...)
	cmd.ExtraFiles = files
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { gone <- cmd.Wait() }() // until it ends
	return nil
}

// startOutside has the jailer's launcher start QEMU.
func startOutside(args []string, files []*os.File, gone chan<- error) error {
	message, err := json.Marshal(args)
	if err != nil {
		return err
	}
	var numbers []int
	for _, f := range files {
		numbers = append(numbers, int(f.Fd()))
	}
	if err := unix.Sendmsg(launcherFile, message, unix.UnixRights(numbers...), nil, 0); err != nil {
		return fmt.Errorf("ask the launcher: %w", err)
	}
	launcher := os.NewFile(launcherFile, "launcher")
	go func() { // ends with the launcher, which ends with QEMU
		_, err := io.Copy(io.Discard, launcher)
		gone <- errors.Join(errors.New("the launcher says so"), err)
	}()
	return nil
}

// devices are the arguments for disks, network, the port inside and random numbers. A guest finds
// devices, and names them, in this order.
func (p *process) devices() []string {
	var args []string
	add := func(device string) { args = append(args, "-device", device) }
	for _, d := range p.drives {
		disk, _ := json.Marshal(map[string]any{ // of strings and booleans
			"node-name": "disk-" + d.ID, "driver": "raw", "read-only": d.ReadOnly,
			"file": map[string]any{"driver": "file", "filename": d.Path, "locking": "off"},
		})
		args = append(args, "-blockdev", string(disk))
		add("virtio-blk-device,id=" + d.ID + ",drive=disk-" + d.ID)
	}
	if p.vsock != nil {
		add("virtio-serial-device,id=serial,max_ports=2")
		args = append(args, "-device", "virtserialport,bus=serial.0,nr=1,chardev=guest,id="+portID+",name="+guest.PortName)
	}
	for at, n := range p.networks {
		args = append(args, "-netdev", fmt.Sprintf("tap,id=net-%s,vhost=off,fd=%d", n.ID, firstFile+at))
		device := "virtio-net-device,id=" + n.ID + ",netdev=net-" + n.ID
		if n.MAC != "" {
			device += ",mac=" + n.MAC
		}
		add(device)
	}
	if p.entropy {
		args = append(args, "-object", "rng-builtin,id=random")
		add("virtio-rng-device,rng=random")
	}
	return args
}

// throttle bounds a disk.
func (q *qemu) throttle(d fcapi.Drive) error {
	limits := map[string]any{"id": d.ID}
	for _, name := range strings.Fields("bps bps_rd bps_wr iops iops_rd iops_wr") {
		limits[name] = 0
	}
	if r := d.Rates; r != nil {
		limits["bps"], limits["iops"] = perSecond(r.Bandwidth), perSecond(r.Operations)
	}
	return q.monitor.run("block_set_io_throttle", limits)
}

func perSecond(b *fcapi.TokenBucket) int64 {
	if b == nil || b.Size == 0 || b.RefillMillis == 0 {
		return 0
	}
	return max(b.Size*1000/b.RefillMillis, 1)
}
