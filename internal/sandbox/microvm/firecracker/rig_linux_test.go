package firecracker_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/initramfs"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/firecrackertest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/microvmtest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// patience is for a busy machine that emulates another.
const patience = 40 * time.Second

// rig runs machines of the driver with Firecracker and its jailer.
var rig = &microvmtest.Rig{
	VMM: func() (vmm.VMM, error) {
		f, err := firecracker.New(programs())
		if err != nil {
			return nil, err // and no nil VMM in an interface
		}
		return f, nil
	},
	Prepare: func() error { return firecrackertest.Build(microvmtest.Part("")) },
}

func programs() firecracker.Config { return firecrackertest.Config(microvmtest.Part("")) }

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// initrd is the path of an initrd with the guest of testdata, which is made once.
var initrd = sync.OnceValues(func() (string, error) {
	guest := microvmtest.Part("guest")
	cmd := exec.Command("go", "build", "-o", guest, "./testdata/guest")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the guest: %w\n%s", err, out)
	}
	_, modules, err := nextest.Kernel()
	if err != nil {
		return "", err
	}
	path := microvmtest.Part("initrd")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return path, initramfs.Write(f, initramfs.Config{
		Init: guest, Modules: modules, Names: &initramfs.Modules{Always: [][]string{{"virtio_mmio"}, {"virtio_blk", "virtio_console"}}},
	})
})

// newMachine is a machine with two disks, of which the second can be written to.
func newMachine(t *testing.T, f *firecracker.Firecracker, user *vmm.User) vmm.Machine {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // for the user
		t.Fatal(err)
	}
	initrd, err := initrd()
	if err != nil {
		t.Fatal(err)
	}
	m := vmm.Machine{
		ID: "m" + strings.ToLower(rand.Text())[:20], Dir: filepath.Join(dir, "vm"), User: user,
		Kernel: microvmtest.Part("kernel"), Initrd: initrd, Cmdline: "quiet nex.test=1 reboot=t",
		MemoryBytes: 128 << 20, CPUs: 1,
		Disks: []vmm.Disk{
			{Path: disk(t, dir, "root", "ROOTDISK", 0o444, user), ReadOnly: true},
			{Path: disk(t, dir, "own", "OVERLAY-", 0o600, user)},
		},
	}
	if err := os.Mkdir(m.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	give(t, m.Dir, user)
	return m
}

// disk makes a file of 1 MiB that begins with a text.
func disk(t *testing.T, dir, name, text string, mode os.FileMode, user *vmm.User) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, append([]byte(text), make([]byte, 1<<20-len(text))...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	give(t, path, user)
	return path
}

func give(t *testing.T, path string, user *vmm.User) {
	t.Helper()
	if user != nil {
		if err := os.Chown(path, user.UID, user.GID); err != nil {
			t.Fatal(err)
		}
	}
}

// process is a process that was started as the driver does.
type process struct {
	cmd    *exec.Cmd
	ctx    context.Context // ends with it
	err    error           // how it has ended, then
	stderr string          // path
	said   *lockedBuffer   // its standard output
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts the process of a machine.
func start(t *testing.T, f *firecracker.Firecracker, m vmm.Machine) *process {
	t.Helper()
	cmd, err := f.Command(m)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, stderr: filepath.Join(t.TempDir(), "stderr"), said: new(lockedBuffer)}
	stderr, err := os.Create(p.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setsid = true
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = p.said, stderr, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, ended := context.WithCancelCause(context.Background())
	p.ctx = ctx
	go func() {
		p.err = cmd.Wait()
		ended(fmt.Errorf("the process has ended: %v", p.err))
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			said, _ := os.ReadFile(p.stderr)
			t.Logf("console:\n%s\nstandard error:\n%s", p.said, said)
		}
	})
	return p
}

// kill ends the process, with the QEMU that it has.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ctx.Done()
}

// await waits until the process has ended, and returns how.
func (p *process) await(t *testing.T) error {
	t.Helper()
	select {
	case <-p.ctx.Done():
		return p.err
	case <-time.After(patience):
		t.Fatal("the process goes on")
		return nil
	}
}

// boot starts a machine and lets it run.
func boot(t *testing.T, f *firecracker.Firecracker, m vmm.Machine) *process {
	t.Helper()
	p := start(t, f, m)
	if err := f.Boot(p.ctx, m); err != nil {
		t.Fatal(err)
	}
	return p
}

// guest is a connection to what is inside.
type guest struct {
	net.Conn
	in *bufio.Reader
}

// dial connects to a machine as soon as somebody listens inside.
func (p *process) dial(t *testing.T, f *firecracker.Firecracker, m vmm.Machine) *guest {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		conn, err := f.Dial(ctx, m)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			_ = conn.SetDeadline(time.Now().Add(patience))
			return &guest{conn, bufio.NewReader(conn)}
		}
		select { // as a driver does: nothing tells when somebody listens
		case <-ctx.Done():
			t.Fatalf("%v: %v", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (g *guest) ask(t *testing.T, question string) string {
	t.Helper()
	if _, err := io.WriteString(g, question+"\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := g.in.ReadString('\n')
	if err != nil {
		t.Fatalf("ask %s: %v", question, err)
	}
	return strings.TrimSpace(answer)
}
