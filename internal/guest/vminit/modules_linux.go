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
// 03-virtio_mmio.ko; and directories with those for a kind of device, such as virtio:d00000001.
const modulesDir = "/modules"

// loadModules loads the modules of the initramfs, if there is one.
func loadModules() error {
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	if err := loadDir(modulesDir, string(cmdline)); err != nil {
		return err
	}
	files, _ := filepath.Glob("/sys/bus/virtio/devices/*/modalias") // the pattern is well-formed
	for _, file := range files {
		alias, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := loadDir(filepath.Join(modulesDir, deviceKind(string(alias))), string(cmdline)); err != nil {
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

// loadDir loads the modules of a directory, if there is one.
func loadDir(dir, cmdline string) error {
	entries, err := os.ReadDir(dir) // it sorts them
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		parameters := parametersOf(moduleName(e.Name()), cmdline)
		if err := loadModule(filepath.Join(dir, e.Name()), parameters); err != nil {
			return fmt.Errorf("load module %s: %w: make the initramfs with the modules of this very kernel", e.Name(), err)
		}
	}
	return nil
}

// moduleName is the name in that of a file.
func moduleName(file string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(file, ".ko"), "-")
	return name
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
