package microvmtest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	nex "github.com/nex-engine/nex"
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
func (r *Rig) earlier() int {
	var p earlierPlan
	err := json.Unmarshal([]byte(os.Getenv(earlierVariable)), &p)
	var m *network.Manager
	if err == nil {
		m, err = network.Open(context.Background(), network.Config{Name: p.Network})
	}
	var d Driver
	if err == nil {
		d, err = r.NewDriver(microvm.Config{Dir: p.Dir, CPUs: 2, Network: sandboxnet.Of(m)}, p.Agent)
	}
	if err == nil {
		_, err = d.Start(context.Background(), sandbox.Spec{
			ID: p.ID, LinkDir: p.LinkDir, Bootstrap: p.Bootstrap, Settings: p.Settings, Network: true,
		})
	}
	fmt.Fprintln(os.Stdout, "started", err)
	select {}
}

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
		Accept(t, l, nil)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if err != nil || line != "started <nil>\n" {
		t.Fatalf("the earlier node says %q, %v", line, err)
	}
}

// CheckNetwork checks that a machine has the address of its sandbox, and reaches what the sandbox may, also with the
// next node.
func (r *Rig) CheckNetwork(t *testing.T) {
	t.Parallel()
	if !nextest.Sandboxed() {
		t.Skip("only root can give a sandbox a network")
	}
	const name, id = "mvt", "agentwithnetwork"
	t.Cleanup(func() { wantNoLinks(t, "nex"+name) })
	dir, link := Listen(t)
	p := earlierPlan{
		Dir: filepath.Join(t.TempDir(), "state"), Agent: r.Agent(t), Network: name, ID: id, LinkDir: dir,
		Settings:  sandbox.Settings{Egress: nex.Egress{Deny: []string{"*:25"}}, Limits: sandbox.Limits{PIDs: 200}},
		Bootstrap: plan.Plan{Steps: []plan.Step{Obey}}.Encode(),
	}
	leave(t, p, link)
	d, m := r.Isolated(t, name, microvm.Config{Dir: p.Dir})
	t.Cleanup(func() {
		if _, err := d.Sweep(context.Background()); err != nil { // if it is not adopted
			t.Error(err)
		}
	})
	if !d.Capabilities().Network {
		t.Error("the driver says that its sandboxes have no network")
	}
	gateway := expose(t, m)
	said := make(chan string, 100)
	i, err := d.Adopt(t.Context(), id, func(line string) { said <- line })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Destroy(t, i) })
	agent := Accept(t, link, said)
	if got := agent.Do(t, plan.Do(plan.Links)); got != `links "eth0"` {
		t.Error(got)
	}
	agent.dial(t, gateway+":4222", "<nil>")
	agent.dial(t, gateway+":25", "dial tcp "+gateway+":25: connect: connection refused")
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
	agent.dial(t, other, "dial tcp "+other+": connect: connection refused")
	if err := i.Configure(t.Context(), sandbox.Settings{Egress: nex.Egress{Allow: []string{"192.0.2.1"}}, Limits: sandbox.Limits{PIDs: 100}}); err != nil {
		t.Errorf("Configure: %v", err)
	}
	agent.dial(t, gateway+":4222", "<nil>")
	Destroy(t, i)
	if left, _ := filepath.Glob("/run/n*/*" + id + "*"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	WantNothing(t, p.Dir)
}

// wantNoLinks checks that no interface is left whose name begins so.
func wantNoLinks(t *testing.T, prefix string) {
	t.Helper()
	links, err := net.Interfaces()
	if err != nil {
		t.Error(err)
	}
	for _, l := range links {
		if strings.HasPrefix(l.Name, prefix) {
			t.Errorf("left: %s", l.Name)
		}
	}
}

// expose lets sandboxes reach a server at port 4222 of the address that it returns.
func expose(t *testing.T, m *network.Manager) (gateway string) {
	t.Helper()
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if err := m.Expose(4222, netip.MustParseAddrPort(server.Addr().String())); err != nil {
		t.Fatal(err)
	}
	return m.Gateway().String()
}

// addVoid gives the network of the tests a subnet in which there is nobody.
func addVoid(t *testing.T, subnet string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "void"
	void := &netlink.Bridge{LinkAttrs: attrs}
	address, err := netlink.ParseAddr(subnet)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkAdd(void); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(void); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(netlink.AddrAdd(void, address), netlink.LinkSetUp(void)); err != nil {
		t.Fatal(err)
	}
}
