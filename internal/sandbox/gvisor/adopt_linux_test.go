package gvisor_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/proctree"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/gvisor"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// earlierVariable makes the test binary a node that starts what it says, an earlierPlan, and waits to be killed.
const earlierVariable = "NEX_GVISOR_TEST_EARLIER"

type earlierPlan struct {
	Dir, Agent string
	Network    string // its name; empty: none
	Specs      []earlierSpec
}

// earlierSpec are the parts of a sandbox.Spec that are used.
type earlierSpec struct {
	ID, LinkDir, Rootfs string
	Bootstrap           []byte
	Network             bool
	Settings            sandbox.Settings
}

func (s earlierSpec) spec() sandbox.Spec {
	return sandbox.Spec{ID: s.ID, LinkDir: s.LinkDir, Rootfs: s.Rootfs, Bootstrap: s.Bootstrap, Network: s.Network, Settings: s.Settings}
}

// earlier is that node.
func earlier() int {
	var p earlierPlan
	err := json.Unmarshal([]byte(os.Getenv(earlierVariable)), &p)
	c := gvisor.Config{AgentPath: p.Agent, Dir: p.Dir}
	if err == nil && p.Network != "" {
		var m *network.Manager
		if m, err = network.Open(context.Background(), network.Config{Name: p.Network}); err == nil {
			c.Network = sandboxnet.Of(m)
		}
	}
	var d bounded
	if err == nil {
		d, err = newDriver(c)
	}
	for _, s := range p.Specs {
		if err == nil {
			_, err = d.Start(context.Background(), s.spec())
		}
	}
	fmt.Println("started", err)
	select {}
}

// orphans are sandboxes whose node was killed. Their agents do what the test says.
type orphans struct {
	testing.TB
	plan  earlierPlan
	links map[string]*net.UnixConn
}

// leave starts sandboxes that are as the specs say, and kills their node.
func leave(t testing.TB, p earlierPlan) *orphans {
	t.Helper()
	o := &orphans{TB: t, links: map[string]*net.UnixConn{}}
	p.Dir, p.Agent = filepath.Join(t.TempDir(), "state"), suiteAgent(t)
	listeners := map[string]*net.UnixListener{}
	for n := range p.Specs {
		s := &p.Specs[n]
		s.ID = "agent" + strings.ToLower(rand.Text())[:20]
		s.LinkDir, listeners[s.ID] = listen(t)
		s.Bootstrap = plan.Plan{Steps: []plan.Step{plan.Text(plan.Obey, gvisor.LinkDir+"/node.sock")}}.Encode()
	}
	o.plan = p
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), earlierVariable+"="+string(b))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	for id, l := range listeners {
		if line == "started <nil>\n" {
			o.links[id] = accept(t, l)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil || line != "started <nil>\n" {
		t.Fatalf("the earlier node says %q, %v", line, err)
	}
	return o
}

// suiteAgent builds the suite's agent once, beside runsc.
func suiteAgent(t testing.TB) string {
	t.Helper()
	path, err := buildSuiteAgent(t)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var suiteAgentMu sync.Mutex

func buildSuiteAgent(t testing.TB) (string, error) {
	suiteAgentMu.Lock()
	defer suiteAgentMu.Unlock()
	path := filepath.Join(filepath.Dir(os.Getenv(runscVariable)), "suite-agent")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, copyProgram(sandboxtest.BuildAgent(t), path)
}

func listen(t testing.TB) (dir string, l *net.UnixListener) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nex-link-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "node.sock")
	l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	return dir, l
}

func accept(t testing.TB, l *net.UnixListener) *net.UnixConn {
	t.Helper()
	_ = l.SetDeadline(time.Now().Add(patience))
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatalf("the agent does not come: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := bufio.NewReaderSize(oneByOne{conn}, 16).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return conn
}

// oneByOne reads no more than is asked for by a line.
type oneByOne struct{ io.Reader }

func (o oneByOne) Read(b []byte) (int, error) { return o.Reader.Read(b[:1]) }

// do has an agent carry out a step.
func (o *orphans) do(id string, s plan.Step) {
	o.Helper()
	conn := o.links[id]
	_ = conn.SetDeadline(time.Now().Add(patience))
	if err := json.NewEncoder(conn).Encode(s); err != nil {
		o.Fatal(err)
	}
	if line, err := bufio.NewReaderSize(oneByOne{conn}, 16).ReadString('\n'); err != nil || line != "done\n" {
		o.Fatalf("the agent answers %q, %v", line, err)
	}
}

// driver is that of the next node; the cleanup sweeps what is left.
func (o *orphans) driver(c gvisor.Config) bounded {
	o.Helper()
	c.AgentPath, c.Dir = o.plan.Agent, o.plan.Dir
	d, err := newDriver(c)
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := d.Sweep(ctx); err != nil {
			o.Error(err)
		}
		if err := d.Close(); err != nil {
			o.Error(err)
		}
	})
	return d
}

// adopt takes a sandbox over. What the agent prints comes by the channel.
func (o *orphans) adopt(d bounded, id string) (sandbox.Instance, chan string) {
	o.Helper()
	said := make(chan string, 100)
	i, err := d.Adopt(o.Context(), id, func(line string) { said <- line })
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() { o.destroy(i) })
	return i, said
}

func (o *orphans) destroy(i sandbox.Instance) {
	o.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := i.Destroy(ctx); err != nil {
		o.Error(err)
	}
}

func (o *orphans) wantSaid(said chan string, want string) {
	o.Helper()
	select {
	case line := <-said:
		if line != want {
			o.Errorf("the agent says %q, want %q", line, want)
		}
	case <-time.After(patience):
		o.Fatalf("the agent says nothing, want %q", want)
	}
}

// record is what the driver has kept of a sandbox.
func (o *orphans) record(id string) (r struct {
	Process proctree.Identity   `json:"process"`
	Others  []proctree.Identity `json:"others"`
},
) {
	o.Helper()
	b, err := os.ReadFile(filepath.Join(o.plan.Dir, id, "instance.json"))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		o.Fatal(err)
	}
	return r
}

// A sandbox keeps its network while no node is there, and the next one takes both over.
func TestAdoptWithNetwork(t *testing.T) {
	t.Parallel()
	if !nextest.Sandboxed() {
		t.Skip("only root can give a sandbox a network")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const name = "gvt"
	settings := sandbox.Settings{Egress: nex.Egress{Deny: []string{"*:25"}}, Limits: sandbox.Limits{PIDs: 200}}
	o := leave(t, earlierPlan{Network: name, Specs: []earlierSpec{{Network: true, Settings: settings}, {Network: true}}})
	id := o.plan.Specs[0].ID
	o.do(id, plan.Text(plan.Say, "without a node"))
	m, err := network.Open(t.Context(), network.Config{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the driver has swept
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		links, err := net.Interfaces()
		if err != nil {
			t.Error(err)
		}
		for _, l := range links {
			if strings.HasPrefix(l.Name, "nex"+name) {
				t.Errorf("left: %s", l.Name)
			}
		}
	})
	if err := m.Expose(4222, netip.MustParseAddrPort(l.Addr().String())); err != nil {
		t.Fatal(err)
	}
	d := o.driver(gvisor.Config{Network: sandboxnet.Of(m)})
	begun := time.Now()
	i, said := o.adopt(d, id)
	t.Logf("adopted in %v", time.Since(begun))
	if n, err := d.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1: the one that was not adopted", n, err)
	}
	gateway := net.JoinHostPort(m.Gateway().String(), "4222")
	o.wantSaid(said, `said "without a node"`)
	o.do(id, plan.Text(plan.Dial, gateway))
	o.wantSaid(said, `dialed "<nil>"`)
	if err := i.Configure(t.Context(), sandbox.Settings{Egress: nex.Egress{Allow: []string{"192.0.2.1"}}, Limits: sandbox.Limits{PIDs: 100}}); err != nil {
		t.Errorf("Configure: %v", err)
	}
	o.do(id, plan.Text(plan.Dial, gateway))
	o.wantSaid(said, `dialed "<nil>"`)
	if err := i.Configure(t.Context(), sandbox.Settings{Limits: sandbox.Limits{DiskBytes: 1}}); err == nil {
		t.Error("the disk of an adopted sandbox is bounded anew")
	}
	o.destroy(i)
	if left, _ := filepath.Glob("/run/n*/*" + id + "*"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Without the network that it has, a sandbox is not taken over but swept.
func TestAdoptWithoutItsNetwork(t *testing.T) {
	t.Parallel()
	if !nextest.Sandboxed() {
		t.Skip("only root can give a sandbox a network")
	}
	o := leave(t, earlierPlan{Network: "gvu", Specs: []earlierSpec{{Network: true}}})
	d := o.driver(gvisor.Config{})
	if _, err := d.Adopt(t.Context(), o.plan.Specs[0].ID, nil); err == nil || errors.Is(err, sandbox.ErrGone) || !strings.Contains(err.Error(), "network") {
		t.Errorf("Adopt = %v, want that there is no network", err)
	}
	if n, err := d.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1", n, err)
	}
	m, err := network.Open(t.Context(), network.Config{Name: "gvu"}) // which removes what the driver could not
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

// The processes of a sandbox that ends while no node is there end by themselves, all of them; Sweep finds the
// rest.
func TestEndsWithoutNode(t *testing.T) {
	t.Parallel()
	o := leave(t, earlierPlan{Specs: []earlierSpec{{}}})
	id := o.plan.Specs[0].ID
	known := o.record(id)
	all := []proctree.Identity{known.Process, known.Others[0]}
	for next := 0; next < len(all); next++ {
		for _, pid := range childrenOf(t, all[next].PID) {
			if child, err := proctree.Identify(pid); err == nil {
				all = append(all, child)
			}
		}
	}
	if len(all) < 4 {
		t.Errorf("the processes are %v, want runsc, the kernel, the gofer and what they start", all)
	}
	if err := json.NewEncoder(o.links[id]).Encode(plan.Number(plan.Exit, 3)); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		ended, release, err := proctree.Watch(p)
		if errors.Is(err, proctree.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("process %d goes on", p.PID)
		}
		release()
	}
	d := o.driver(gvisor.Config{})
	if _, err := d.Adopt(t.Context(), id, nil); !errors.Is(err, sandbox.ErrGone) {
		t.Errorf("Adopt = %v, want %v", err, sandbox.ErrGone)
	}
	if n, err := d.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1", n, err)
	}
	if _, err := os.Stat(filepath.Join(o.plan.Dir, id)); !os.IsNotExist(err) {
		t.Errorf("its directory: %v", err)
	}
}

// A sandbox in an image is taken over with it, and not if the image is gone. The shared root of an adopted one is
// not swept, though the next node has another.
func TestAdoptImage(t *testing.T) {
	t.Parallel()
	image := t.TempDir()
	if err := errors.Join(os.Chmod(image, 0o755), os.WriteFile(filepath.Join(image, "of-image"), []byte("hello"), 0o644)); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(gone, 0o755); err != nil {
		t.Fatal(err)
	}
	o := leave(t, earlierPlan{Specs: []earlierSpec{{Rootfs: image}, {Rootfs: gone}}})
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}
	d := o.driver(gvisor.Config{Network: nameserverOnly{}}) // whose root is another, then
	id := o.plan.Specs[0].ID
	i, said := o.adopt(d, id)
	if _, err := d.Adopt(t.Context(), o.plan.Specs[1].ID, nil); err == nil || errors.Is(err, sandbox.ErrGone) || !strings.Contains(err.Error(), "image") {
		t.Errorf("Adopt without its image = %v", err)
	}
	if n, err := d.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1", n, err)
	}
	o.do(id, plan.Text(plan.Read, "/of-image"))
	o.wantSaid(said, `read "hello"`)
	o.do(id, plan.Text(plan.Read, "/.nex/in/none"))
	if line := <-said; !strings.HasPrefix(line, "unread ") || !strings.Contains(line, "no such file") {
		t.Errorf("the shared root is not what it was: %q", line)
	}
	staged := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(staged, []byte("staged"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := i.Stage(t.Context(), sandbox.ForArtifact, staged)
	if err != nil {
		t.Fatal(err)
	}
	o.do(id, plan.Text(plan.Read, path))
	o.wantSaid(said, `read "staged"`)
	if roots, _ := filepath.Glob(filepath.Join(o.plan.Dir, "rootfs-*")); len(roots) != 1 {
		t.Errorf("the shared roots are %q, want the one in use", roots)
	}
	o.destroy(i)
}

// nameserverOnly is a network that nobody is attached to.
type nameserverOnly struct{ sandboxnet.Network }

func (nameserverOnly) Nameserver() netip.Addr             { return netip.MustParseAddr("192.0.2.77") }
func (nameserverOnly) Sweep(context.Context) (int, error) { return 0, nil }

// What is kept of a sandbox has the form that its version stands for: when this fails, the version has to change.
func TestHandleForm(t *testing.T) {
	t.Parallel()
	o := leave(t, earlierPlan{Specs: []earlierSpec{{Settings: sandbox.Settings{Limits: sandbox.Limits{PIDs: 100, OpenFiles: 64}}}}})
	b, err := os.ReadFile(filepath.Join(o.plan.Dir, o.plan.Specs[0].ID, "instance.json"))
	var record struct {
		Version int             `json:"version"`
		Handle  json.RawMessage `json:"handle"`
	}
	if err == nil {
		err = json.Unmarshal(b, &record)
	}
	if err != nil {
		t.Fatal(err)
	}
	roots, _ := filepath.Glob(filepath.Join(o.plan.Dir, "rootfs-*"))
	if len(roots) != 1 {
		t.Fatalf("the shared roots are %q", roots)
	}
	want := `{"root":"` + filepath.Base(roots[0]) + `","settings":{"Limits":{"MemoryBytes":0,"CPUs":0,"PIDs":100,"OpenFiles":64,"DiskBytes":0,` +
		`"Bandwidth":null,"IOPS":null},"Egress":{}}}`
	if record.Version != 1 || string(record.Handle) != want {
		t.Errorf("version %d: %s\nwant version 1: %s", record.Version, record.Handle, want)
	}
	o.driver(gvisor.Config{}) // which sweeps it
}

// What it takes to take over many at the same time.
func BenchmarkAdopt(b *testing.B) {
	const many = 10
	for range b.N {
		b.StopTimer()
		o := leave(b, earlierPlan{Specs: make([]earlierSpec, many)})
		d := o.driver(gvisor.Config{})
		b.StartTimer()
		var all [many]sandbox.Instance
		for n, s := range o.plan.Specs {
			var err error
			if all[n], err = d.Adopt(b.Context(), s.ID, nil); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		for _, i := range all {
			o.destroy(i)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*many), "µs/sandbox")
}
