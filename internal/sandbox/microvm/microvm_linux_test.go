package microvm_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/cgroup"
	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/initramfs"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/microvm/qemu"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
)

// partsVariable is the directory with what machines are made of. It is handed on to the part of the suite that is
// another process.
const partsVariable = "NEX_MICROVM_TEST_PARTS"

func part(name string) string { return filepath.Join(os.Getenv(partsVariable), name) }

func kernel() string { return filepath.Join(nextest.Root(), "bin", "kernel", "vmlinuz") }

var suite = sandboxtest.Suite{
	New: func(dir, agent string) (sandbox.Driver, error) {
		return newDriver(microvm.Config{Dir: dir}, agent)
	},
	LinkByNode: true,
	Costly:     true,
}

// bounded is a driver with the control groups that it uses.
type bounded struct {
	*microvm.Driver
	groups *cgroup.Manager
}

func (b bounded) Close() error { return b.groups.Close() }

// newVMM is QEMU, which finds out once what it can do.
var newVMM = sync.OnceValues(func() (*qemu.QEMU, error) { return qemu.New(qemu.Config{Emulate: true}) })

// none as Config.Snapshots has all machines boot.
const none = "none"

// newDriver makes a driver for machines with the agent.
func newDriver(c microvm.Config, agent string) (bounded, error) {
	name := sha256.Sum256([]byte(c.Dir))
	groups, err := cgroup.Open(cgroup.Config{Prefix: "nex-test-" + hex.EncodeToString(name[:6])})
	if err != nil {
		return bounded{}, err
	}
	v, err := newVMM()
	if err == nil && c.Rootfs == "" {
		c.Rootfs, err = rootfsOf(agent)
	}
	if err != nil {
		_ = groups.Close()
		return bounded{}, err
	}
	c.VMM, c.Cgroups = v, groups
	if c.Kernel == "" {
		c.Kernel, c.Initrd = kernel(), part("initramfs")
	}
	switch c.Snapshots {
	case "":
		c.Snapshots = part("snapshots")
	case none:
		c.Snapshots = ""
	}
	c.CPUs, c.MemoryBytes, c.DiskBytes = max(c.CPUs, 1), 256<<20, 64<<20
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: logLevel}))
	}
	d, err := microvm.New(c)
	if err != nil {
		_ = groups.Close()
		return bounded{}, err
	}
	return bounded{d, groups}, nil
}

const logLevel = slog.LevelInfo

var rootfsMu sync.Mutex

// rootfsOf makes a root file system with the agent, one for each that there is.
func rootfsOf(agent string) (string, error) {
	content, err := os.ReadFile(agent)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(content)
	path := part("rootfs-" + hex.EncodeToString(digest[:8]))
	rootfsMu.Lock()
	defer rootfsMu.Unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// Another process may make it, too.
	f, err := os.CreateTemp(filepath.Dir(path), "making-")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := writeRootfs(f, content); err != nil {
		return "", err
	}
	return path, os.Rename(f.Name(), path)
}

func writeRootfs(to *os.File, agent []byte) error {
	const size = 64 << 20
	w, err := ext4.NewWriter(to, ext4.Options{Size: size})
	if err != nil {
		return err
	}
	init, err := os.ReadFile(part("nex-init"))
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{guest.InitPath: init, guest.AgentPath: agent} {
		if err := w.File(name, ext4.Attr{Mode: 0o755}, int64(len(content)), bytes.NewReader(content)); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/etc", "/home"} {
		if err := w.Mkdir(dir, ext4.Attr{Mode: 0o755}); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), to.Truncate(size))
}

func TestMain(m *testing.M) {
	if os.Getenv(earlierVariable) != "" {
		os.Exit(earlier())
	}
	if os.Getenv(partsVariable) != "" { // it is another process of the tests, in the namespaces of the first
		os.Exit(sandboxtest.Main(m, suite))
	}
	os.Exit(nextest.Isolate(func() int { return run(m) }))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "nex-microvm-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = makeParts(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return sandboxtest.Main(m, suite)
}

// makeParts makes what machines are made of, but for their root file system.
func makeParts(dir string) error {
	if err := os.Setenv(partsVariable, dir); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", part("nex-init"), "./cmd/nex-init")
	cmd.Dir, cmd.Env = nextest.Root(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build nex-init: %w\n%s", err, out)
	}
	modules, err := filepath.Glob(filepath.Join(nextest.Root(), "bin", "kernel", "modules", "*"))
	if err != nil || len(modules) != 1 {
		return fmt.Errorf("there is no kernel in bin/kernel: %q, %w", modules, err)
	}
	f, err := os.Create(part("initramfs"))
	if err != nil {
		return err
	}
	return errors.Join(initramfs.Write(f, initramfs.Config{Init: part("nex-init"), Modules: modules[0]}), f.Close())
}

// patience is how long anything may take on a machine that is busy.
const patience = 2 * time.Minute

func TestConformance(t *testing.T) { sandboxtest.Run(t, suite) }
