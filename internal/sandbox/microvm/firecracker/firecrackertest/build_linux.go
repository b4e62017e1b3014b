package firecrackertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker"
	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

const here = "github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/firecrackertest"

// Version is what the programs are versions of.
const Version = "1.13.1"

// Names of the programs.
const (
	program = "firecracker"
	jailer  = "jailer"
)

// Config is a configuration with the programs that Build has built into a directory. KVM is not tried.
func Config(dir string) firecracker.Config {
	return firecracker.Config{
		Path:   filepath.Join(dir, program),
		Jailer: filepath.Join(dir, jailer),
		TryKVM: func(context.Context) error { return nil },
	}
}

// Build builds the programs into a directory.
func Build(dir string) error {
	e, err := emulate()
	if err != nil {
		return err
	}
	var flags []string
	for variable, value := range map[string]string{
		"version": Version, "qemuPath": e.program, "machine": e.machine, "processor": e.processor, "tuning": e.tuning,
	} {
		flags = append(flags, fmt.Sprintf("-X 'main.%s=%s'", variable, value))
	}
	for _, name := range []string{program, jailer} {
		cmd := exec.Command("go", "build", "-ldflags", strings.Join(flags, " "), "-o", filepath.Join(dir, name), here+"/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// emulation is how package qemu emulates machines.
type emulation struct {
	program   string
	machine   string // the argument of -machine
	processor string // the argument of -cpu
	tuning    string // what the kernel is told
}

func emulate() (emulation, error) {
	q, err := qemu.New(qemu.Config{Emulate: true})
	if err != nil {
		return emulation{}, err
	}
	dir, err := os.MkdirTemp("", "nex-qemu-")
	if err != nil {
		return emulation{}, err
	}
	defer os.RemoveAll(dir)
	cmd, err := q.Command(vmm.Machine{ID: "any", Dir: dir, Kernel: "kernel", MemoryBytes: 128 << 20, CPUs: 1})
	if err != nil {
		return emulation{}, err
	}
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	e := emulation{program: cmd.Path}
	for n, arg := range cmd.Args[:len(cmd.Args)-1] {
		switch arg {
		case "-machine":
			e.machine = cmd.Args[n+1]
		case "-cpu":
			e.processor = cmd.Args[n+1]
		case "-append":
			e.tuning = cmd.Args[n+1]
		}
	}
	return e, nil
}
