// Package initramfs makes the initial file system of a microVM's kernel: the init, and the modules that a stock
// distribution's kernel needs to reach the VM's disks, console and network.
//
// A kernel that has all of that built in needs none. The archive is not compressed: it is small, and unpacking it
// would be slow where the processor is emulated. The same init and modules give the same bytes.
//
// Not here: what the init does, which is package vminit.
package initramfs

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
)

// ModulesDir is where the modules are, with names such as 01-virtio_mmio.ko that sort as they have to be loaded: those of
// the same number do not need each other. Those that only VMs with a certain device need are in a directory of its own
// in it, with the name of [DeviceDir].
const ModulesDir = "/modules"

// DeviceDir is the directory for modules of a kind of virtio device, as its modalias begins.
func DeviceDir(device int) string { return fmt.Sprintf("virtio:d%08X", device) }

// Modules are names of kernel modules.
type Modules struct {
	// Always are those that every VM needs, in steps: those of a step are loaded when those before it are there.
	Always [][]string
	// Device are those that a VM needs which has a device, by the number of its kind in the virtio standard.
	Device map[int][]string
}

// Numbers of kinds of virtio devices.
const (
	deviceNetwork = 1
	deviceConsole = 3
	deviceRandom  = 4
	deviceVsock   = 19
)

// DefaultModules are those that a VM needs, of a kernel that has them not built in: virtio over memory-mapped
// registers, with disks, and the file systems; and what devices it may have besides.
func DefaultModules() Modules {
	return Modules{
		// Disks get their names in their order if the bus has all of them before there is a driver.
		Always: [][]string{{"virtio_mmio", "ext4", "overlay"}, {"virtio_blk"}},
		Device: map[int][]string{
			deviceNetwork: {"virtio_net"}, deviceConsole: {"virtio_console"}, deviceRandom: {"virtio_rng"},
			deviceVsock: {"vmw_vsock_virtio_transport"},
		},
	}
}

// Config says what to make.
type Config struct {
	// Init is the path of nex-init, which must be statically linked. Required.
	Init string
	// Modules is a directory of the modules of one version of a kernel, such as /lib/modules/6.1.0. Empty
	// means that the kernel needs none.
	Modules string
	// Release is the kernel, as uname -r says it: modules of another one are an error. Empty means that it is not known.
	Release string
	// Names are the modules to take, with those that they need; nil means DefaultModules. What the directory has
	// not, and does not list as built in, is an error.
	Names *Modules
	// Files are those that it has besides.
	Files []File
}

// File is a file with its content.
type File struct {
	Name    string // at the top, without a slash
	Mode    os.FileMode
	Content []byte
}

// Write writes the archive.
func Write(w io.Writer, c Config) error {
	if err := write(w, c); err != nil {
		return fmt.Errorf("make initramfs: %w", err)
	}
	return nil
}

// CheckModules looks whether the modules that Write would take are there; it needs no Init. The error says which one is
// not, and what to do.
func CheckModules(c Config) error {
	return (&archive{w: io.Discard}).addModules(c)
}

// elfMagic begins every program.
const elfMagic = "\x7fELF"

func write(w io.Writer, c Config) error {
	init, err := os.ReadFile(c.Init)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(init, []byte(elfMagic)) {
		return fmt.Errorf("%s is no program for linux: name nex-init", c.Init)
	}
	a := archive{w: w}
	// The kernel opens the console for the init, and Go's runtime wants to have its first three files.
	a.add(entry{name: "dev", mode: typeDir | 0o755})
	a.add(entry{name: "dev/console", mode: typeCharDevice | 0o600, major: 5, minor: 1})
	a.add(entry{name: "dev/null", mode: typeCharDevice | 0o666, major: 1, minor: 3})
	a.add(entry{name: "init", mode: typeFile | 0o755, content: init})
	for _, f := range c.Files {
		a.add(entry{name: f.Name, mode: typeFile | int(f.Mode.Perm()), content: f.Content})
	}
	if c.Modules != "" {
		if err := a.addModules(c); err != nil {
			return err
		}
	}
	return a.close()
}

// addModules adds modules out of a directory, each behind those that it needs.
func (a *archive) addModules(config Config) error {
	names := DefaultModules()
	if config.Names != nil {
		names = *config.Names
	}
	c, err := newChooser(config.Modules, config.Release)
	if err != nil {
		return err
	}
	dir := path.Base(ModulesDir)
	if err := a.addDir(dir, c, names.Always); err != nil {
		return err
	}
	for _, device := range slices.Sorted(maps.Keys(names.Device)) {
		// What two kinds of devices need is there twice.
		if err := a.addDir(path.Join(dir, DeviceDir(device)), c.clone(), [][]string{names.Device[device]}); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) addDir(dir string, c *chooser, steps [][]string) error {
	modules, err := c.choose(steps)
	if err != nil {
		return err
	}
	a.add(entry{name: dir, mode: typeDir | 0o755})
	for _, m := range modules {
		a.add(entry{name: fmt.Sprintf("%s/%02d-%s.ko", dir, m.level, m.name), mode: typeFile | 0o644, content: m.content})
	}
	return nil
}
