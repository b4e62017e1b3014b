package vminit_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nex-engine/nex/internal/ext4"
	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/initramfs"
)

// parts are what all machines share.
type parts struct{ kernel, initramfs, root string }

var built = sync.OnceValues(func() (parts, error) { return build(shared) })

// shared is a directory that lives as long as the tests.
var shared string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "vminit")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// build makes the shared parts in a directory, of the init and the kernel that scripts/kernel gets.
func build(dir string) (parts, error) {
	p := parts{initramfs: filepath.Join(dir, "initramfs"), root: filepath.Join(dir, "root")}
	kernels, err := filepath.Abs("../../../bin/kernel")
	if err != nil {
		return p, err
	}
	p.kernel = filepath.Join(kernels, "vmlinuz")
	modules, _ := filepath.Glob(filepath.Join(kernels, "modules", "*"))
	if len(modules) != 1 {
		return p, fmt.Errorf("there is no kernel in %s: run scripts/kernel bin/kernel", kernels)
	}
	programs := map[string]string{guest.InitPath: "github.com/nex-engine/nex/cmd/nex-init", guest.AgentPath: "./testdata/agent"}
	for path, source := range programs {
		program := filepath.Join(dir, filepath.Base(path))
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, source)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			return p, fmt.Errorf("build %s: %w: %s", source, err, out)
		}
		programs[path] = program
	}
	f, err := os.Create(p.initramfs)
	if err != nil {
		return p, err
	}
	defer f.Close()
	if err := initramfs.Write(f, initramfs.Config{Init: programs[guest.InitPath], Modules: modules[0]}); err != nil {
		return p, err
	}
	return p, buildRoot(p.root, programs)
}

func buildRoot(path string, programs map[string]string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := ext4.NewWriter(f, ext4.Options{Size: rootSize})
	if err != nil {
		return err
	}
	for _, dir := range []string{"etc", "usr", "usr/lib", "usr/lib/nex"} {
		if err := w.Mkdir(dir, ext4.Attr{Mode: 0o755}); err != nil {
			return err
		}
	}
	for path, program := range programs {
		content, err := os.ReadFile(program)
		if err != nil {
			return err
		}
		if err := w.File(path[1:], ext4.Attr{Mode: 0o755}, int64(len(content)), bytes.NewReader(content)); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), f.Truncate(rootSize))
}

// rootSize is that of the root file system, in bytes.
const rootSize = 64 << 20

// machine is a VM under software emulation.
type machine struct {
	t      testing.TB
	dir    string
	cmd    *exec.Cmd
	ended  chan struct{}
	output output
}

// options change a machine.
type options struct {
	disk    int64    // size of the overlay; 0 means 64 MiB, less than 0 that there is none
	console *os.File // where the console goes to; nil means machine.output
	loud    bool     // the kernel says all on the console
	extra   []string // arguments of QEMU
}

// bootTimeout bounds what a machine takes to do anything, where the processor is shared.
const bootTimeout = 2 * time.Minute

func start(t testing.TB, o options) *machine {
	t.Helper()
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	// The path of a socket must be short.
	dir, err := os.MkdirTemp("", "vm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &machine{t: t, dir: dir, ended: make(chan struct{})}
	verbosity := "quiet"
	if o.loud {
		verbosity = "loglevel=7"
	}
	args := []string{
		"-machine", "microvm,accel=tcg,x-option-roms=off,rtc=on", "-cpu", "max", "-m", "256M", "-smp", "1",
		"-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", p.kernel, "-initrd", p.initramfs,
		"-append", "console=ttyS0 " + verbosity + " panic=-1 reboot=t no_timer_check tsc=reliable" + clock(t),
		"-device", "virtio-serial-device,max_ports=2", "-chardev", "socket,id=guest,server=on,wait=off,path=" + m.socket(),
		"-device", "virtserialport,chardev=guest,name=" + guest.PortName,
		"-drive", "id=root,if=none,format=raw,readonly=on,file=" + p.root, "-device", "virtio-blk-device,drive=root",
	}
	if o.disk >= 0 {
		size := o.disk
		if size == 0 {
			size = 64 << 20
		}
		overlay := filepath.Join(dir, "overlay")
		if err := ext4.MakeEmpty(overlay, size); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-drive", "id=overlay,if=none,format=raw,file="+overlay, "-device", "virtio-blk-device,drive=overlay")
	}
	m.cmd = exec.Command("qemu-system-x86_64", append(args, o.extra...)...)
	m.cmd.Stdout, m.cmd.Stderr = &m.output, &m.output
	if o.console != nil {
		m.cmd.Stdout = o.console
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatalf("start QEMU: %v: install qemu-system-x86", err)
	}
	go func() {
		_ = m.cmd.Wait() // how it ends is on the console
		close(m.ended)
	}()
	t.Cleanup(func() {
		_ = m.cmd.Process.Kill() // it may have ended
		<-m.ended
		if t.Failed() {
			t.Logf("console:\n%s", m.output.String())
		}
	})
	return m
}

// clock tells the kernel how fast its clock runs, which is the host's: where the processor is shared it cannot find
// that out, and hangs.
func clock(t testing.TB) string {
	t.Helper()
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(info)) {
		name, value, _ := strings.Cut(line, ":")
		if mhz, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && strings.TrimSpace(name) == "cpu MHz" {
			return fmt.Sprintf(" tsc_early_khz=%d", int(mhz*1000))
		}
	}
	return ""
}

func (m *machine) socket() string { return filepath.Join(m.dir, "guest.sock") }

// awaitEnd returns what the console has when the machine has ended.
func (m *machine) awaitEnd() string {
	m.t.Helper()
	select {
	case <-m.ended:
	case <-time.After(bootTimeout):
		m.t.Fatal("the machine has not ended")
	}
	return m.output.String()
}

// connect begins a session.
func (m *machine) connect(p *peer) *guest.Session {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), bootTimeout)
	defer cancel()
	s, err := guest.Connect(ctx, m.dial(ctx), p)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { s.Close() })
	return s
}

// dial connects to QEMU, which makes its socket a moment after its start.
func (m *machine) dial(ctx context.Context) net.Conn {
	m.t.Helper()
	for {
		conn, err := net.Dial("unix", m.socket())
		if err == nil {
			return conn
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-m.ended:
			m.t.Fatalf("QEMU has ended: %s", m.output.String())
		case <-ctx.Done():
			m.t.Fatal(err)
		}
	}
}

// boot is a document for the stand-in agent, and what else a boot needs.
func boot(l guest.Limits, n *guest.Network) guest.Boot {
	return guest.Boot{
		ID: "vm1", Bootstrap: []byte(`{"link_dir":"` + guest.LinkDir + `"}`), Time: time.Now(),
		Entropy: bytes.Repeat([]byte{7}, 32), Hostname: "first", Network: n, Limits: l,
	}
}

// peer is a node whose link is a pipe to the test.
type peer struct {
	links chan *link
	exits chan guest.Exit
}

func newPeer() *peer { return &peer{links: make(chan *link, 8), exits: make(chan guest.Exit, 1)} }

func (p *peer) Link(context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.links <- &link{conn: here, lines: bufio.NewReader(here)}:
		return there, nil
	default:
		return nil, errors.New("too many")
	}
}

func (p *peer) Ended(e guest.Exit) { p.exits <- e }

// link is a connection of the stand-in agent.
type link struct {
	conn  net.Conn
	lines *bufio.Reader
}

// awaitLink returns the next connection of the agent.
func (p *peer) awaitLink(t *testing.T) *link {
	t.Helper()
	select {
	case l := <-p.links:
		t.Cleanup(func() { l.conn.Close() })
		if line, err := l.lines.ReadString('\n'); err != nil || line != "hello\n" {
			t.Fatalf("the agent says %q, error %v", line, err)
		}
		return l
	case <-time.After(bootTimeout):
		t.Fatal("the agent does not connect")
		return nil
	}
}

// ask lets the agent do something, and returns its answer.
func (l *link) ask(t *testing.T, words ...string) string {
	t.Helper()
	l.tell(t, words...)
	var answer string
	line, err := l.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &answer)
	}
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	return answer
}

// tell lets the agent do something that it does not answer.
func (l *link) tell(t *testing.T, words ...string) {
	t.Helper()
	if _, err := fmt.Fprintln(l.conn, strings.Join(words, " ")); err != nil {
		t.Fatal(err)
	}
}

// output keeps what is written to it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
