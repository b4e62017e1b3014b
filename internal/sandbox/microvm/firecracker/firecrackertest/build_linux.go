package firecrackertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker"
	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

const here = "github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/firecrackertest"

// Version is what the programs are versions of.
const Version = "1.13.1"

// Build builds the programs and returns a configuration with them, in which KVM is not tried.
func Build(t testing.TB) firecracker.Config {
	t.Helper()
	dir := t.TempDir()
	return firecracker.Config{
		Path:   BuildProgram(t, dir, "firecracker", Version),
		Jailer: BuildProgram(t, dir, "jailer", Version),
		TryKVM: func(context.Context) error { return nil },
	}
}

// BuildProgram builds one of the programs, firecracker or jailer, into a directory. It says to be of that version.
func BuildProgram(t testing.TB, dir, name, version string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	e := emulate(t)
	var flags []string
	for variable, value := range map[string]string{
		"version": version, "qemuPath": e.program, "machine": e.machine, "tuning": e.tuning,
	} {
		flags = append(flags, fmt.Sprintf("-X 'main.%s=%s'", variable, value))
	}
	cmd := exec.Command("go", "build", "-ldflags", strings.Join(flags, " "), "-o", path, here+"/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return path
}

// emulation is how package qemu emulates machines.
type emulation struct {
	program string
	machine string // the argument of -machine
	tuning  string // what the kernel is told
}

func emulate(t testing.TB) emulation {
	t.Helper()
	q, err := qemu.New(qemu.Config{Emulate: true})
	if err != nil {
		t.Fatalf("%v", err)
	}
	dir, err := os.MkdirTemp("", "nex-qemu-")
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer os.RemoveAll(dir)
	cmd, err := q.Command(vmm.Machine{ID: "any", Dir: dir, Kernel: "kernel", MemoryBytes: 128 << 20, CPUs: 1})
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	e := emulation{program: cmd.Path}
	for n, arg := range cmd.Args[:len(cmd.Args)-1] {
		switch arg {
		case "-machine":
			e.machine = cmd.Args[n+1]
		case "-append":
			e.tuning = cmd.Args[n+1]
		}
	}
	return e
}
