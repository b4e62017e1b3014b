package vminit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// modulesDir is where an initramfs has the modules, with names in the order in which they are to be loaded, such as
// 01-virtio_mmio.ko; and directories with those for a kind of device, such as virtio:d00000001.
const modulesDir = "modules"

// initramfs is the first root of a VM whose kernel needs modules. What is in it can be had when there is another root, too.
// Nil means that the kernel began with the disk.
type initramfs struct {
	root    *os.Root
	overlay chan error // tells whether overlayModule was loaded; nil: there is none
}

// openInitramfs is for when the root is the first one.
func openInitramfs() (*initramfs, error) {
	if is, err := isInitramfs(); err != nil || !is {
		return nil, err
	}
	root, err := os.OpenRoot("/")
	if err != nil {
		return nil, fmt.Errorf("open the initramfs: %w", err)
	}
	return &initramfs{root: root}, nil
}

func isInitramfs() (bool, error) {
	var s unix.Statfs_t
	if err := unix.Statfs("/", &s); err != nil {
		return false, fmt.Errorf("look at the root: %w", err)
	}
	return s.Type == unix.RAMFS_MAGIC || s.Type == unix.TMPFS_MAGIC, nil
}

// remove removes what takes memory as long as the VM lives.
func (i *initramfs) remove() error {
	if i == nil {
		return nil
	}
	return errors.Join(i.root.Remove("init"), i.root.RemoveAll(modulesDir), i.root.Close())
}

// overlayModule is needed by no other module, and takes long.
const overlayModule = "overlay"

// loadModules loads the modules that every VM needs, and begins with overlayModule: see awaitOverlay.
func (i *initramfs) loadModules() error { return i.loadDir(modulesDir) }

// awaitOverlay returns when overlayModule is there, if there is one. It is called once.
func (i *initramfs) awaitOverlay() error {
	if i == nil || i.overlay == nil {
		return nil
	}
	return <-i.overlay
}

// loadDevices loads the modules for the devices that the VM has.
func (i *initramfs) loadDevices() error {
	aliases, err := deviceAliases()
	if err != nil {
		return err
	}
	for _, alias := range aliases {
		if err := i.loadDir(modulesDir + "/" + deviceKind(alias)); err != nil {
			return err
		}
	}
	return nil
}

// deviceAliases are the aliases of the devices of the VM, such as virtio:d00000001v554D4551.
func deviceAliases() ([]string, error) {
	const devices = "/sys/bus/virtio/devices"
	entries, err := os.ReadDir(devices)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var aliases []string
	for _, e := range entries {
		alias, err := os.ReadFile(filepath.Join(devices, e.Name(), "modalias"))
		if err != nil {
			return nil, err
		}
		aliases = append(aliases, strings.TrimSpace(string(alias)))
	}
	return aliases, nil
}

// deviceKind is the kind of a device of the alias, such as virtio:d00000001 of virtio:d00000001v554D4551.
func deviceKind(alias string) string {
	if end := strings.LastIndexByte(alias, 'v'); end > 0 {
		return alias[:end]
	}
	return alias
}

// networkKind is the kind of devices that are network interfaces.
const networkKind = "virtio:d00000001"

// hasNetwork reports whether a VMM has given the VM an interface. Its driver need not be there yet.
func hasNetwork() (bool, error) {
	aliases, err := deviceAliases()
	return slices.ContainsFunc(aliases, func(a string) bool { return deviceKind(a) == networkKind }), err
}

// loadDir loads the modules of a directory, if there is one: those of one number at the same time, as much of that is
// to wait for devices.
func (i *initramfs) loadDir(dir string) error {
	if i == nil {
		return nil
	}
	entries, err := fs.ReadDir(i.root.FS(), dir) // it sorts them
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
		load := func() error {
			if err := i.loadModule(dir+"/"+e.Name(), parametersOf(name, string(cmdline))); err != nil {
				return fmt.Errorf("load module %s: %w: make the initramfs with the modules of this very kernel", name, err)
			}
			return nil
		}
		if name == overlayModule {
			i.overlay = make(chan error, 1)
			go func() { i.overlay <- load() }() // ends when it is loaded
			continue
		}
		same = append(same, load)
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

func (i *initramfs) loadModule(file, parameters string) error {
	f, err := i.root.Open(file)
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
