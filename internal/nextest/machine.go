package nextest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Kernel returns a kernel for virtual machines, and the directory of its modules, as make test has brought them. The
// error says that they or QEMU are missing.
func Kernel() (image, modules string, err error) {
	dir := filepath.Join(Root(), "bin", "kernel")
	image = filepath.Join(dir, "vmlinuz")
	releases, _ := filepath.Glob(filepath.Join(dir, "modules", "*")) // the pattern is right
	_, noKernel := os.Stat(image)
	_, noQEMU := exec.LookPath("qemu-system-x86_64")
	if len(releases) != 1 || noKernel != nil || noQEMU != nil {
		return "", "", errors.New("bin/kernel or QEMU is missing: make test brings both, on linux and amd64")
	}
	return image, releases[0], nil
}

// Virtualized reports whether nodes of this test can have virtual machines with a network, given [Kernel].
func Virtualized() bool { return Sandboxed() && runtime.GOARCH == "amd64" }

// BuildInit builds the init of virtual machines into dir, as make does.
func BuildInit(dir string) error {
	built, err := filepath.Abs(filepath.Join(dir, "nex-init"))
	if err != nil {
		return err
	}
	return goTool(Root(), []string{"CGO_ENABLED=0"}, "build", "-ldflags", "-s -w", "-o", built, "./cmd/nex-init")
}
