package microvm_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/agentlink"
	"github.com/nex-engine/nex/internal/network"
	"github.com/nex-engine/nex/internal/nextest"
	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm"
	"github.com/nex-engine/nex/internal/sandbox/sandboxtest/plan"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// earlierVariable makes the test binary a node that starts what it says, an earlierPlan, and waits to be killed.
const earlierVariable = "NEX_MICROVM_TEST_EARLIER"

type earlierPlan struct {
	Dir, Agent, Network string
	ID, LinkDir         string
	Bootstrap           []byte
	Settings            sandbox.Settings
}

// earlier is that node. It says when the agent is started.
func earlier() int {
	var p earlierPlan
	err := json.Unmarshal([]byte(os.Getenv(earlierVariable)), &p)
	var m *network.Manager
	if err == nil {
		m, err = network.Open(context.Background(), network.Config{Name: p.Network})
	}
	var d bounded
	if err == nil {
		d, err = newDriver(microvm.Config{Dir: p.Dir, CPUs: 2, Network: sandboxnet.Of(m)}, p.Agent)
	}
	if err == nil {
		_, err = d.Start(context.Background(), sandbox.Spec{
			ID: p.ID, LinkDir: p.LinkDir, Bootstrap: p.Bootstrap, Settings: p.Settings, Network: true,
		})
	}
	fmt.Println("started", err)
	select {}
}

// obey has an agent do what its link says.
var obey = plan.Text(plan.Obey, microvm.LinkDir+"/"+agentlink.SocketName)

// leave starts an agent with a network, and kills its node. The agent has connected to the socket before.
func leave(t *testing.T, p earlierPlan, l *net.UnixListener) {
	t.Helper()
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
	if err == nil && line == "started <nil>\n" {
		accept(t, l)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if err != nil || line != "started <nil>\n" {
		t.Fatalf("the earlier node says %q, %v", line, err)
	}
}

// listen makes the socket of a link.
func listen(t *testing.T) (dir string, l *net.UnixListener) {
	t.Helper()
	dir, err := os.MkdirTemp("", "nex-link-") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err = net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, agentlink.SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return dir, l
}

// accept takes the agent's connection, and returns who it is and what has it carry out a step.
func accept(t *testing.T, l *net.UnixListener) (hello plan.Hello, do func(plan.Step)) {
	t.Helper()
	_ = l.SetDeadline(time.Now().Add(patience))
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatalf("the agent does not come: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), &hello)
	}
	if err != nil {
		t.Fatal(err)
	}
	return hello, func(s plan.Step) {
		t.Helper()
		if err := json.NewEncoder(conn).Encode(s); err != nil {
			t.Fatal(err)
		}
		if line, err := in.ReadString('\n'); err != nil || line != "done\n" {
			t.Fatalf("the agent answers %q, %v", line, err)
		}
	}
}

// A machine has the address of its sandbox, and reaches what the sandbox may, also with the next node.
func TestNetwork(t *testing.T) {
	t.Parallel()
	if !nextest.Sandboxed() {
		t.Skip("only root can give a sandbox a network")
	}
	const name, id = "mvt", "agentwithnetwork"
	dir, link := listen(t)
	settings := sandbox.Settings{Egress: nex.Egress{Deny: []string{"*:25"}}, Limits: sandbox.Limits{PIDs: 200}}
	p := earlierPlan{
		Dir: filepath.Join(t.TempDir(), "state"), Agent: suiteAgent(t), Network: name, ID: id, LinkDir: dir, Settings: settings,
		Bootstrap: plan.Plan{Steps: []plan.Step{obey}}.Encode(),
	}
	leave(t, p, link)
	m, err := network.Open(t.Context(), network.Config{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the driver
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
	d := testDriver(t, microvm.Config{Dir: p.Dir, Network: sandboxnet.Of(m)})
	t.Cleanup(func() {
		if _, err := d.Sweep(context.Background()); err != nil { // if it is not adopted
			t.Error(err)
		}
	})
	if !d.Capabilities().Network {
		t.Error("the driver says that its sandboxes have no network")
	}
	exposed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer exposed.Close()
	if err := m.Expose(4222, netip.MustParseAddrPort(exposed.Addr().String())); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	i, err := d.Adopt(t.Context(), id, func(line string) { said <- line })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { destroy(t, i) })
	_, do := accept(t, link)
	do(plan.Do(plan.Links))
	wantSaid(t, said, `links "eth0"`)
	gateway := m.Gateway().String()
	do(plan.Text(plan.Dial, net.JoinHostPort(gateway, "4222")))
	wantSaid(t, said, `dialed "<nil>"`)
	do(plan.Text(plan.Dial, net.JoinHostPort(gateway, "25")))
	wantSaid(t, said, `dialed "dial tcp `+gateway+`:25: connect: connection refused"`)
	neighbour, err := m.Attach(t.Context(), "neighbour", nex.Egress{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := neighbour.Close(); err != nil {
			t.Error(err)
		}
	})
	other := netip.AddrPortFrom(neighbour.Addr(), 80).String()
	do(plan.Text(plan.Dial, other))
	wantSaid(t, said, `dialed "dial tcp `+other+`: connect: connection refused"`)
	if err := i.Configure(t.Context(), sandbox.Settings{Egress: nex.Egress{Allow: []string{"192.0.2.1"}}, Limits: sandbox.Limits{PIDs: 100}}); err != nil {
		t.Errorf("Configure: %v", err)
	}
	do(plan.Text(plan.Dial, net.JoinHostPort(gateway, "4222")))
	wantSaid(t, said, `dialed "<nil>"`)
	destroy(t, i)
	if left, _ := filepath.Glob("/run/n*/*" + id + "*"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	wantNothing(t, p.Dir)
}
