package microvmtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/initramfs"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
)

// Patience is how long anything may take on a machine that is busy.
const Patience = 2 * time.Minute

// Rig is what the tests of a package share. It is safe for concurrent use.
type Rig struct {
	// VMM makes what runs the machines, once in each process of the tests. Required.
	VMM func() (vmm.VMM, error)
	// Prepare makes what VMM needs, in files that Part names, once for all processes. Nil means nothing.
	Prepare func() error

	once sync.Once
	vmm  vmm.VMM
	err  error

	making sync.Mutex // held while a part is made
}

// partsVariable is the directory with what machines are made of. It is handed on to the part of the suite that is
// another process.
const partsVariable = "NEX_MICROVM_TEST_PARTS"

// Part is the path of something that machines are made of: kernel, nex-init and initramfs are there.
func Part(name string) string { return filepath.Join(os.Getenv(partsVariable), name) }

// Main is what TestMain returns.
func (r *Rig) Main(m *testing.M) int {
	if os.Getenv(earlierVariable) != "" {
		return r.earlier()
	}
	if os.Getenv(partsVariable) != "" { // it is another process of the tests, in the namespaces of the first
		return sandboxtest.Main(m, r.Suite())
	}
	return nextest.Isolate(func() int { return r.run(m) })
}

func (r *Rig) run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nex-microvm-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = r.makeParts(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return sandboxtest.Main(m, r.Suite())
}

// makeParts makes what machines are made of, but for their root file system.
func (r *Rig) makeParts(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil { // for users of machines
		return err
	}
	if err := os.Setenv(partsVariable, dir); err != nil {
		return err
	}
	if err := nextest.BuildInit(dir); err != nil {
		return err
	}
	kernel, modules, err := nextest.Kernel()
	if err != nil {
		return err
	}
	if err := os.Symlink(kernel, Part("kernel")); err != nil {
		return err
	}
	f, err := os.Create(Part("initramfs"))
	if err != nil {
		return err
	}
	err = errors.Join(initramfs.Write(f, initramfs.Config{Init: Part("nex-init"), Modules: modules}), f.Close())
	if err == nil && r.Prepare != nil {
		err = r.Prepare()
	}
	return err
}

// Machines is what runs the machines.
func (r *Rig) Machines() (vmm.VMM, error) {
	r.once.Do(func() { r.vmm, r.err = r.VMM() })
	return r.vmm, r.err
}

// Suite is the conformance suite of the driver.
func (r *Rig) Suite() sandboxtest.Suite {
	return sandboxtest.Suite{
		New: func(dir, agent string) (sandbox.Driver, error) {
			return r.NewDriver(microvm.Config{Dir: dir}, agent)
		},
		LinkByNode: true,
		Costly:     true,
	}
}
