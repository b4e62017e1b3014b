package firecracker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/kvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// Name is the VMM's name.
const Name = "firecracker"

// checkTimeout bounds what the programs are asked in a Check. They answer at once, unless the machine is very
// busy, which is no reason to do without them; KVM is tried for a second besides.
const checkTimeout = 5 * time.Second

// Config is what Firecracker needs.
type Config struct {
	// Path is the program firecracker, whose name must have that word in it if there is a jailer; empty looks
	// for it in PATH.
	Path string
	// Jailer is the program jailer of the same version, which is used if the node is root; empty looks for it in
	// PATH.
	Jailer string
	// Unjailed does without the jailer. As root do so only to find an error.
	Unjailed bool
	// TryKVM finds out whether KVM can be used; nil is [kvm.Check].
	TryKVM func(context.Context) error
}

// Firecracker is a VMM. It is safe for concurrent use.
type Firecracker struct {
	path, jailer string // no jailer: empty
	tryKVM       func(context.Context) error
}

var _ vmm.VMM = (*Firecracker)(nil)

// New finds the programs. It does not try whether they work: see Check.
func New(c Config) (*Firecracker, error) {
	f := &Firecracker{tryKVM: c.TryKVM}
	if f.tryKVM == nil {
		f.tryKVM = kvm.Check
	}
	var err error
	if f.path, err = find(c.Path, Name); err != nil {
		return nil, err
	}
	if c.Unjailed || os.Geteuid() != 0 {
		return f, nil
	}
	f.jailer, err = find(c.Jailer, "jailer")
	return f, err
}

// find is the absolute path of a program.
func find(path, name string) (string, error) {
	if path == "" {
		path = name
	}
	found, err := exec.LookPath(path)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err == nil {
		// A link may have another name than the jailer wants, and than the directory that it makes.
		found, err = filepath.EvalSymlinks(found)
	}
	if err != nil {
		return "", fmt.Errorf("%s cannot be run: run nex node preflight --init, or install a release of Firecracker: %w", path, err)
	}
	return found, nil
}

// Name implements [vmm.VMM].
func (f *Firecracker) Name() string { return Name }

// Features implements [vmm.VMM].
func (f *Firecracker) Features() vmm.Features { return vmm.Features{Rates: true, Snapshots: true} }

// Fingerprint implements [vmm.VMM].
func (f *Firecracker) Fingerprint(context.Context) (string, error) { return vmm.Stamp(f.path) }

// Check implements [vmm.VMM]: it asks the programs for their versions, and runs a machine of a few instructions.
func (f *Firecracker) Check(ctx context.Context) error {
	if err := f.checkPrograms(ctx); err != nil {
		return err
	}
	if err := f.tryKVM(ctx); err != nil {
		return fmt.Errorf("firecracker needs KVM: %w", err)
	}
	return nil
}

func (f *Firecracker) checkPrograms(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	is, err := askVersion(ctx, f.path)
	if err == nil {
		err = is.usable()
	}
	if err != nil {
		return fmt.Errorf("%s cannot be used: %w", f.path, err)
	}
	if f.jailer == "" {
		return nil
	}
	jailer, err := askVersion(ctx, f.jailer)
	if err == nil && jailer != is {
		err = fmt.Errorf("it is version %s, and firecracker is %s: install both from one release", jailer, is)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be used: %w", f.jailer, err)
	}
	return nil
}

// askVersion runs a program to know its version.
func askVersion(ctx context.Context, path string) (version, error) {
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = []string{}
	cmd.WaitDelay = checkTimeout / 4
	out, err := cmd.Output()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return version{}, errors.New("it does not say its version in time: see whether it is a program for this machine")
	case ctx.Err() != nil:
		return version{}, context.Cause(ctx)
	case err != nil:
		return version{}, fmt.Errorf("it does not say its version: %w", err)
	}
	return parseVersion(out)
}
