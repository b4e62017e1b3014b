package vminit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// modulesDir is where an initramfs has the modules, with names in the order in which they are to be loaded, such as
// 01-virtio_mmio.ko; and directories with those for a kind of device, such as virtio:d00000001.
const modulesDir = "/modules"

// loadModules loads the modules of the initramfs that every VM needs, if there is one.
func loadModules() error { return loadDir(modulesDir) }

// loadDevices loads the modules of the initramfs for the devices that the VM has.
func loadDevices() error {
	const devices = "/sys/bus/virtio/devices"
	entries, err := os.ReadDir(devices)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		alias, err := os.ReadFile(filepath.Join(devices, e.Name(), "modalias"))
		if err != nil {
			return err
		}
		if err := loadDir(filepath.Join(modulesDir, deviceKind(string(alias)))); err != nil {
			return err
		}
	}
	return nil
}

// deviceKind is the kind of a device of the alias, such as virtio:d00000001 of virtio:d00000001v554D4551.
func deviceKind(alias string) string {
	if end := strings.LastIndexByte(alias, 'v'); end > 0 {
		return alias[:end]
	}
	return alias
}

// loadDir loads the modules of a directory, if there is one: those of one number at the same time, as much of that is
// to wait for devices.
func loadDir(dir string) error {
	entries, err := os.ReadDir(dir) // it sorts them
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	cmdline, failed := os.ReadFile("/proc/cmdline")
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	var number string
	var same []func() error
	for _, e := range entries {
		n, name, ok := strings.Cut(strings.TrimSuffix(e.Name(), ".ko"), "-")
		if !ok || e.IsDir() {
			continue
		}
		if n != number {
			if err := together(same...); err != nil {
				return err
			}
			number, same = n, nil
		}
		same = append(same, func() error {
			if err := loadModule(filepath.Join(dir, e.Name()), parametersOf(name, string(cmdline))); err != nil {
				return fmt.Errorf("load module %s: %w: make the initramfs with the modules of this very kernel", name, err)
			}
			return nil
		})
	}
	return together(same...)
}

// parametersOf are what the command line of the kernel has for a module, name.parameter=value: the kernel itself
// looks only for those of what is built in. A VMM says there where its devices are.
func parametersOf(module, cmdline string) string {
	var parameters []string
	for word := range strings.FieldsSeq(cmdline) {
		name, parameter, ok := strings.Cut(word, ".")
		if ok && strings.ReplaceAll(name, "-", "_") == module {
			parameters = append(parameters, parameter)
		}
	}
	return strings.Join(parameters, " ")
}

func loadModule(file, parameters string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), parameters, 0)
	// The kernel may have it already; and a driver may find that it has nothing to drive.
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}
