package setup

import (
	"os/exec"
	"path/filepath"

	"github.com/nex-engine/nex/internal/binpath"
)

// Names of the programs that run machines, and of what confines one of them.
const (
	Firecracker = "firecracker"
	Jailer      = "jailer"
	QEMU        = "qemu-system-x86_64"
)

// Init is the name of the init's program.
const Init = "nex-init"

// Programs are the absolute paths of those that are there; empty for each that is not.
type Programs struct{ Firecracker, Jailer, QEMU string }

// FindPrograms looks for all of them.
func FindPrograms(binPath []string) Programs {
	return Programs{Firecracker: FindProgram(Firecracker, binPath), Jailer: FindProgram(Jailer, binPath), QEMU: FindProgram(QEMU, binPath)}
}

// FindProgram returns the absolute path of a program that may come with the system, too: it is in a folder of
// bin_path, or else in PATH. It is empty if there is none.
func FindProgram(name string, binPath []string) string {
	if path, err := binpath.Find(name, binPath); err == nil {
		return path
	}
	if path, err := exec.LookPath(name); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			return path
		}
	}
	return ""
}
