package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nex-engine/nex/internal/initramfs"
)

// Initrd makes the initial RAM disk with an init and what a kernel needs of its modules, which are in a directory.
func Initrd(kernel, modules, init string) ([]byte, error) {
	c, err := config(kernel, modules)
	if err != nil {
		return nil, fmt.Errorf("kernel_modules: %w", err)
	}
	c.Init = init
	var b bytes.Buffer
	if err := initramfs.Write(&b, c); err != nil {
		return nil, fmt.Errorf("kernel_modules: %w", err)
	}
	return b.Bytes(), nil
}

// CheckModules looks whether a directory has the modules that a kernel needs. The error says what to do.
func CheckModules(kernel, modules string) error {
	c, err := config(kernel, modules)
	if err != nil {
		return err
	}
	return initramfs.CheckModules(c)
}

func config(kernel, modules string) (initramfs.Config, error) {
	info, err := os.Stat(modules)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errors.New("there is no directory " + modules)
	case err == nil && !info.IsDir():
		err = errors.New(modules + " is no directory")
	}
	if err != nil {
		return initramfs.Config{}, fmt.Errorf("%w: name the one with the modules of the kernel %s, such as /lib/modules/VERSION", err, kernel)
	}
	return initramfs.Config{Modules: modules, Release: kernelRelease(kernel)}, nil
}
