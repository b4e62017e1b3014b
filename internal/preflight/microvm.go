package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/nex-engine/nex/internal/binpath"
	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/preflight/checklist"
)

// kvmDevice is where Linux offers hardware virtualization.
const kvmDevice = "/dev/kvm"

// MicroVM checks what level microvm is made of. All of it is optional.
func MicroVM(c config.Config, dataDir string) checklist.Group {
	g := checklist.NewGroup("Sandbox level microvm", append(searched(c.BinPath), c.ResourceDir(dataDir))...)
	if runtime.GOOS != "linux" {
		g.Add(needsLinux("Firecracker"))
		return g
	}
	g.Add(
		kvm(kvmDevice),
		monitor(c.BinPath),
		image("kernel", c.KernelPath(dataDir), "Linux kernel of the virtual machines", "kernel_filepath"),
		image("rootfs", c.RootfsPath(dataDir), "root file system of the virtual machines, with nex-agent in it", "rootfs_filepath"),
	)
	return g
}

func kvm(device string) checklist.Item {
	item := checklist.Item{
		Name: "kvm", Path: device, Description: "hardware virtualization, without which QEMU is slow and Firecracker does not run", Optional: true,
	}
	err := tryKVM(device)
	switch {
	case err == nil:
		return item.Found()
	case errors.Is(err, fs.ErrNotExist):
		return item.Missing("there is none: turn on virtualization in the firmware, or nested virtualization for a virtual machine, and load the kvm module")
	case errors.Is(err, fs.ErrPermission):
		return item.Missing("this user may not use it: make the user a member of the device's group, which most systems call kvm")
	}
	return item.Missing(fmt.Sprintf("it does not work (%v): check the virtualization of this machine", cause(err)))
}

// monitor checks for one of the programs that run virtual machines.
func monitor(binPath []string) checklist.Item {
	qemu := "qemu-system-x86_64"
	if runtime.GOARCH == "arm64" {
		qemu = "qemu-system-aarch64"
	}
	item := checklist.Item{Name: "vmm", Path: "firecracker or " + qemu, Description: "virtual machine monitor", Optional: true}
	for _, name := range []string{"firecracker", qemu} {
		if path, err := binpath.Find(name, binPath); err == nil {
			item.Path = path
			return item.Found()
		}
	}
	return item.Missing("there is neither: install Firecracker or QEMU, and name its folder in bin_path if that is set")
}

// image checks for a file that holds something.
func image(name, path, what, setting string) checklist.Item {
	item := checklist.Item{Name: name, Path: path, Description: what, Optional: true}
	otherwise := ": put one there, or name another with " + setting
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return item.Missing("there is none" + otherwise)
	case err == nil && !info.Mode().IsRegular(): // opening some of those waits for ever
		return item.Missing("it is not a file" + otherwise)
	case err == nil && info.Size() == 0:
		return item.Missing("it is empty" + otherwise)
	case err == nil:
		err = readable(path)
	}
	if err != nil {
		return item.Missing(fmt.Sprintf("it cannot be read (%v)%s", cause(err), otherwise))
	}
	return item.Found()
}

func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
