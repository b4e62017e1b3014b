//go:build linux

package network_test

import (
	"bufio"
	"context"
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

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// planVariable holds an earlierPlan, as JSON.
const planVariable = "NEX_NETWORK_TEST_PLAN"

// earlierPlan is what a node does that another is to follow.
type earlierPlan struct {
	Name      string
	Egress    nex.Egress
	CNI       network.CNI
	Sandboxes map[string]nex.Egress
	Expose    map[uint16]netip.AddrPort
}

func (p earlierPlan) config() network.Config {
	return network.Config{Name: p.Name, Egress: p.Egress, CNI: p.CNI, Nameservers: []netip.Addr{netip.MustParseAddr(nameServer)}}
}

// earlier is that node. It leaves its sandboxes when its standard input ends.
func earlier() int {
	var p earlierPlan
	err := json.Unmarshal([]byte(os.Getenv(planVariable)), &p)
	var m *network.Manager
	if err == nil {
		m, err = network.Open(context.Background(), p.config())
	}
	for port, target := range p.Expose {
		if err == nil {
			err = m.Expose(port, target)
		}
	}
	for id, e := range p.Sandboxes {
		if err == nil {
			_, err = m.Attach(context.Background(), id, e)
		}
	}
	fmt.Println("attached", err)
	_, _ = os.Stdin.Read(make([]byte, 1))
	if err == nil {
		err = m.Leave()
	}
	fmt.Println("left", err)
	return 0
}

// runningNode is an earlier node that has attached its sandboxes, with a process in each.
type runningNode struct {
	t    *testing.T
	plan earlierPlan
	cmd  *exec.Cmd
	in   io.Closer
	out  *bufio.Reader
	ends map[string]func() // of the processes inside
}

func startEarlier(t *testing.T, p earlierPlan) *runningNode {
	t.Helper()
	if p.Name == "" {
		p.Name = "t1"
	}
	b, err := json.Marshal(p)
	must(t, err)
	n := &runningNode{t: t, plan: p, cmd: again(roleEarlier), ends: map[string]func(){}}
	n.cmd.Env = append(n.cmd.Env, planVariable+"="+string(b))
	out, in := piped(t, n.cmd)
	n.out, n.in = bufio.NewReader(out), in
	n.says("attached <nil>\n")
	for id := range p.Sandboxes {
		n.ends[id] = sync.OnceFunc(sleepIn(t, n.path(id)))
		t.Cleanup(n.ends[id])
	}
	return n
}

func (n *runningNode) path(id string) string { return "/run/netns/nex" + n.plan.Name + "-" + id }

func (n *runningNode) says(want string) {
	n.t.Helper()
	if line, err := n.out.ReadString('\n'); err != nil || line != want {
		n.t.Fatalf("the earlier node says %q, %v, want %q", line, err, want)
	}
}

// kill ends it without warning.
func (n *runningNode) kill() {
	n.t.Helper()
	must(n.t, n.cmd.Process.Kill())
	_ = n.cmd.Wait()
	_ = n.in.Close()
}

// leave ends it as it would end itself.
func (n *runningNode) leave() {
	n.t.Helper()
	must(n.t, n.in.Close())
	n.says("left <nil>\n")
	must(n.t, n.cmd.Wait())
}

// follow opens the node that comes after it, as cfg says or, if that is empty, with the same configuration. It is
// closed with the test.
func (n *runningNode) follow(cfg network.Config) *network.Manager {
	n.t.Helper()
	if cfg.Name == "" {
		cfg = n.plan.config()
	}
	m, err := network.Open(n.t.Context(), cfg)
	must(n.t, err)
	n.t.Cleanup(func() { must(n.t, m.Close()) })
	return m
}

// adopt takes over a sandbox, which is closed with the test: its process ends first.
func (n *runningNode) adopt(m *network.Manager, id string, e nex.Egress) *network.Endpoint {
	n.t.Helper()
	ep, err := m.Adopt(n.t.Context(), id, e)
	must(n.t, err)
	n.t.Cleanup(func() {
		n.ends[id]()
		must(n.t, ep.Close())
	})
	return ep
}

// talk is a connection of a sandbox with a server that says what it is told.
type talk struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Reader
}

func startTalk(t *testing.T, path, addr string) *talk {
	t.Helper()
	conn, err := open(t, path, "tcp4", addr)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := &talk{t, conn, bufio.NewReader(conn)}
	c.read()
	return c
}

func (c *talk) read() string {
	c.t.Helper()
	must(c.t, c.conn.SetDeadline(time.Now().Add(10*time.Second)))
	line, err := c.lines.ReadString('\n')
	must(c.t, err)
	return line
}

// wantGoesOn checks that it is as before.
func (c *talk) wantGoesOn(when string) {
	c.t.Helper()
	must(c.t, c.conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err := fmt.Fprintln(c.conn, when)
	if err == nil {
		var line string
		if line, err = c.lines.ReadString('\n'); err == nil && line != when+"\n" {
			err = fmt.Errorf("it says %q", line)
		}
	}
	if err != nil {
		c.t.Errorf("%s: a connection with %s: %v", when, c.conn.RemoteAddr(), err)
	}
}

// Rules of a node, and of a sandbox.
var (
	rulesOfNode    = nex.Egress{Allow: []string{"*", privateOne, privateTwo}}
	rulesWithNames = nex.Egress{Allow: []string{"api.example.com:80", privateOne + ":443"}, Deny: []string{otherAddr}}
)

// lookupIn resolves a name at a gateway, where there may be nobody to answer.
func lookupIn(t *testing.T, path, gateway, name string) (string, error) {
	t.Helper()
	reply, err := ask(t, path, "udp4", net.JoinHostPort(gateway, "53"), name, dnsmessage.TypeA)
	if err != nil {
		return "", err
	}
	for _, r := range reply.Answers {
		if a, ok := r.Body.(*dnsmessage.AResource); ok {
			return netip.AddrFrom4(a.A).String(), nil
		}
	}
	return "", fmt.Errorf("the answer is %s", reply.RCode)
}

// What a sandbox may reach stays the same while no node is there, while the next one starts, and once it has
// taken the sandbox over; connections go on, and so does what names led to.
func TestAdopt(t *testing.T) {
	for how, end := range map[string]func(*runningNode){"killed": (*runningNode).kill, "left": (*runningNode).leave} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.dns.set("api.example.com", publicAddr)
			foreign(t)
			clean := snapshot(t)
			n := startEarlier(t, earlierPlan{
				Egress:    rulesOfNode,
				Sandboxes: map[string]nex.Egress{"a": rulesWithNames, "b": {Deny: []string{privateOne}}},
				Expose:    map[uint16]netip.AddrPort{4333: netip.MustParseAddrPort(privateOne + ":8000")},
			})
			a, b := n.path("a"), n.path("b")
			gateway := gatewayOf(t, a)
			if got, err := lookupIn(t, a, gateway, "api.example.com"); got != publicAddr || err != nil {
				t.Fatalf("the name is %q, %v", got, err)
			}
			talks := []*talk{startTalk(t, a, publicAddr+":80"), startTalk(t, b, publicAddr+":8000"), startTalk(t, a, gateway+":4333")}
			check := func(when string) {
				t.Helper()
				for _, c := range talks {
					c.wantGoesOn(when)
				}
				wantReached(t, a, publicAddr+":80", nodeAddr)
				wantReached(t, a, privateOne+":443", nodeAddr)
				wantReached(t, b, publicAddr+":8000", nodeAddr)
				for _, addr := range []string{publicAddr + ":443", otherAddr + ":80", privateTwo + ":443"} {
					wantRefused(t, a, addr)
				}
				wantRefused(t, b, privateOne+":443")
				wantReached(t, a, gateway+":4333", nodeAddr)
			}
			check("at first")
			end(n)
			check("without a node")
			if got, err := lookupIn(t, a, gateway, "api.example.com"); err == nil {
				t.Errorf("without a node the name is %q", got)
			}
			t.Cleanup(func() { // after all is closed
				if got := snapshot(t); got != clean {
					t.Errorf("in the end there is:\n%s\nat first there was:\n%s", got, clean)
				}
			})
			m := n.follow(network.Config{})
			if got := m.Gateway().String(); got != gateway {
				t.Fatalf("the gateway is %s now, and was %s", got, gateway)
			}
			check("with the next node")
			must(t, m.Expose(4333, netip.MustParseAddrPort(privateOne+":8000")))
			epA, epB := n.adopt(m, "a", rulesWithNames), n.adopt(m, "b", nex.Egress{Deny: []string{privateOne}})
			if epA.Namespace() != a || epB.Namespace() != b || epA.Addr() == epB.Addr() {
				t.Errorf("the namespaces are %s and %s, the addresses %s and %s", epA.Namespace(), epB.Namespace(), epA.Addr(), epB.Addr())
			}
			if swept, err := m.Sweep(t.Context(), func(string) bool { return false }); swept != 0 || err != nil {
				t.Errorf("sweep: %d, %v", swept, err)
			}
			check("adopted")
			wantLookup(t, m, epA, "api.example.com", publicAddr)
			for i := range 20 { // of more sandboxes none gets an address that is in use
				ep, err := m.Attach(t.Context(), fmt.Sprintf("more%d", i), nex.Egress{})
				must(t, err)
				t.Cleanup(func() { must(t, ep.Close()) })
				if ep.Addr() == epA.Addr() || ep.Addr() == epB.Addr() {
					t.Errorf("another sandbox gets the address %s", ep.Addr())
				}
			}
			// It can be changed and removed as one of this node.
			must(t, epA.SetEgress(t.Context(), nex.Egress{Allow: []string{privateTwo}}))
			wantReached(t, a, privateTwo+":443", nodeAddr)
			wantRefused(t, a, publicAddr+":80")
			talks[0].wantGoesOn("with other rules")
			caller := into(t, a, epA.Addr())
			caller.says(t, "last words")
			n.ends["a"]()
			must(t, epA.Close())
			caller.wantEnded(t, "last words")
		})
	}
}

// gatewayOf is where the route of a sandbox leads.
func gatewayOf(t *testing.T, path string) string {
	t.Helper()
	var gateway string
	within(t, path, func() {
		b, err := os.ReadFile("/proc/thread-self/net/route")
		must(t, err)
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 2 && f[1] == "00000000" {
				var a [4]byte
				_, err := fmt.Sscanf(f[2], "%02X%02X%02X%02X", &a[3], &a[2], &a[1], &a[0])
				must(t, err)
				gateway = netip.AddrFrom4(a).String()
			}
		}
	})
	return gateway
}

// From the end of one node to the next one's adoption no connection is refused that the rules allow, and none
// made that they do not.
func TestAdoptWithoutGap(t *testing.T) {
	newWorld(t)
	rules := nex.Egress{Allow: []string{publicAddr + ":80"}}
	n := startEarlier(t, earlierPlan{Sandboxes: map[string]nex.Egress{"a": rules}})
	stop, stopped := make(chan struct{}), make(chan error, 1)
	tries := 0
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			tries++
			if _, err := dial(t, n.path("a"), "tcp4", publicAddr+":80"); err != nil {
				stopped <- fmt.Errorf("what is allowed: %w", err)
				return
			}
			if _, err := dial(t, n.path("a"), "tcp4", publicAddr+":8000"); !errors.Is(err, unix.ECONNREFUSED) {
				stopped <- fmt.Errorf("what is not allowed: %w", err)
				return
			}
		}
	}()
	n.kill()
	for range 5 {
		m, err := network.Open(t.Context(), n.plan.config())
		must(t, err)
		_, err = m.Adopt(t.Context(), "a", rules)
		must(t, err, m.Leave())
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	t.Logf("%d connections", tries)
	n.adopt(n.follow(network.Config{}), "a", rules)
}

// What cannot be adopted is refused, and for Sweep.
func TestAdoptRefuses(t *testing.T) {
	newWorld(t)
	n := startEarlier(t, earlierPlan{Sandboxes: map[string]nex.Egress{"a": {}, "b": {}}})
	other := startEarlier(t, earlierPlan{Name: "t2", Sandboxes: map[string]nex.Egress{"c": {}}})
	n.kill()
	other.kill()
	m := n.follow(network.Config{})
	n.adopt(m, "a", nex.Egress{})
	for what, c := range map[string]struct {
		id   string
		e    nex.Egress
		want string
	}{
		"adopted already": {"a", nex.Egress{}, "none that is left"},
		"nobody":          {"x", nex.Egress{}, "none that is left"},
		"another node's":  {"c", nex.Egress{}, "none that is left"},
		"bad rules":       {"b", nex.Egress{Allow: []string{"*:x"}}, "*:x"},
		"no id":           {"../b", nex.Egress{}, "none that is left"},
	} {
		if _, err := m.Adopt(t.Context(), c.id, c.e); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Adopt(cancelled, "b", nex.Egress{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// One that ends is swept, and its address is free again.
	n.ends["b"]()
	if swept, err := m.Sweep(t.Context(), func(string) bool { return false }); swept != 1 || err != nil {
		t.Errorf("sweep: %d, %v", swept, err)
	}
	attach(t, m, "b", nex.Egress{})
	// The other node's is there all the while.
	wantReached(t, other.path("c"), publicAddr+":80", nodeAddr)
	other.adopt(other.follow(network.Config{}), "c", nex.Egress{})
	closed, err := network.Open(t.Context(), network.Config{Name: "t3"})
	must(t, err, closed.Close())
	if _, err := closed.Adopt(t.Context(), "a", nex.Egress{}); err == nil {
		t.Error("a closed manager adopts")
	}
}

// Of a subnet that is not the node's any more nothing is adopted, but its connections go on until it ends.
func TestAdoptOfOtherSubnet(t *testing.T) {
	newWorld(t)
	n := startEarlier(t, earlierPlan{Sandboxes: map[string]nex.Egress{"a": {}}})
	n.kill()
	cfg := n.plan.config()
	cfg.Subnet = netip.MustParsePrefix("10.77.0.0/24")
	m := n.follow(cfg)
	if _, err := m.Adopt(t.Context(), "a", nex.Egress{}); err == nil || !strings.Contains(err.Error(), "10.77.0.0/24") {
		t.Errorf("adopt: %v", err)
	}
	n.ends["a"]()
	if swept, err := m.Sweep(t.Context(), func(string) bool { return false }); swept != 1 || err != nil {
		t.Errorf("sweep: %d, %v", swept, err)
	}
}

// Rules that are not known, or not as they were, are not guessed: a sandbox makes no new connections until it is
// adopted, with what rules it shall have.
func TestAdoptOfDamagedRules(t *testing.T) {
	w := newWorld(t)
	w.dns.set("api.example.com", publicAddr)
	for what, damage := range map[string]func([]byte) []byte{
		"no file":         nil,
		"empty":           func([]byte) []byte { return nil },
		"cut":             func(b []byte) []byte { return b[:len(b)/2] },
		"a bit":           func(b []byte) []byte { return []byte(strings.Replace(string(b), privateOne, privateTwo, 1)) },
		"another version": func(b []byte) []byte { return []byte(strings.Replace(string(b), `"version":1`, `"version":2`, 1)) },
	} {
		t.Run(what, func(t *testing.T) {
			n := startEarlier(t, earlierPlan{Egress: rulesOfNode, Sandboxes: map[string]nex.Egress{"a": rulesWithNames}})
			c := startTalk(t, n.path("a"), privateOne+":443")
			n.kill()
			file := "/run/nex-network/t1/a"
			if damage == nil {
				must(t, os.Remove(file))
			} else {
				b, err := os.ReadFile(file)
				must(t, err, os.WriteFile(file, damage(b), 0o600))
			}
			m := n.follow(network.Config{})
			c.wantGoesOn("with rules that are not known")
			wantRefused(t, n.path("a"), privateOne+":443")
			wantRefused(t, n.path("a"), publicAddr+":80")
			ep := n.adopt(m, "a", rulesWithNames)
			c.wantGoesOn("adopted")
			wantReached(t, n.path("a"), privateOne+":443", nodeAddr)
			wantRefused(t, n.path("a"), publicAddr+":80")
			wantLookup(t, m, ep, "api.example.com", publicAddr)
			wantReached(t, n.path("a"), publicAddr+":80", nodeAddr)
			wantRefused(t, n.path("a"), publicAddr+":443")
		})
	}
}

// Rules that are others now count from then on: those of the node when it starts, those of the sandbox when it is
// adopted. What the names of the old ones led to is forgotten.
func TestAdoptWithOtherRules(t *testing.T) {
	w := newWorld(t)
	w.dns.set("api.example.com", publicAddr)
	w.dns.set("other.example.com", otherAddr)
	n := startEarlier(t, earlierPlan{
		Egress:    nex.Egress{Allow: []string{"*.example.com", privateOne, privateTwo}},
		Sandboxes: map[string]nex.Egress{"a": {Allow: []string{"api.example.com:80", privateOne, privateTwo}}},
	})
	a := n.path("a")
	gateway := gatewayOf(t, a)
	if got, err := lookupIn(t, a, gateway, "api.example.com"); got != publicAddr || err != nil {
		t.Fatalf("the name is %q, %v", got, err)
	}
	wantReached(t, a, publicAddr+":80", nodeAddr)
	n.kill()
	wantReached(t, a, privateTwo+":80", nodeAddr)
	cfg := n.plan.config()
	cfg.Egress = nex.Egress{Allow: []string{"other.example.com", "api.example.com", privateOne}}
	for range 2 { // killed before it adopts anybody, and again
		m, err := network.Open(t.Context(), cfg)
		must(t, err)
		wantRefused(t, a, privateTwo+":80")
		wantReached(t, a, privateOne+":80", nodeAddr)
		wantRefused(t, a, publicAddr+":80")
		must(t, m.Leave())
	}
	m := n.follow(cfg)
	ep := n.adopt(m, "a", nex.Egress{Allow: []string{"other.example.com:443"}})
	wantRefused(t, a, privateOne+":80")
	wantUnknown(t, m, ep, "api.example.com")
	wantLookup(t, m, ep, "other.example.com", otherAddr)
	wantReached(t, a, otherAddr+":443", nodeAddr)
	wantRefused(t, a, otherAddr+":80")
}

// What an earlier node exposed, and this one does not, ends with Sweep.
func TestExposedBefore(t *testing.T) {
	newWorld(t)
	n := startEarlier(t, earlierPlan{
		Sandboxes: map[string]nex.Egress{"a": {}},
		Expose:    map[uint16]netip.AddrPort{4001: netip.MustParseAddrPort(privateOne + ":80"), 4002: netip.MustParseAddrPort(privateOne + ":80")},
	})
	n.kill()
	m := n.follow(network.Config{})
	gateway := m.Gateway().String()
	must(t, m.Expose(4002, netip.MustParseAddrPort(privateTwo+":80")))
	n.adopt(m, "a", nex.Egress{})
	wantReached(t, n.path("a"), gateway+":4001", nodeAddr)
	for range 2 {
		if swept, err := m.Sweep(t.Context(), func(string) bool { return false }); swept != 0 || err != nil {
			t.Errorf("sweep: %d, %v", swept, err)
		}
	}
	wantRefused(t, n.path("a"), gateway+":4001")
	wantReached(t, n.path("a"), gateway+":4002", nodeAddr)
}

// A manager that leaves nothing has closed.
func TestLeaveOfNothing(t *testing.T) {
	newWorld(t)
	before := snapshot(t)
	m, err := network.Open(t.Context(), network.Config{Name: "t1"})
	must(t, err)
	ep, err := m.Attach(t.Context(), "a", nex.Egress{})
	must(t, err, ep.Close(), m.Leave(), m.Leave(), m.Close())
	if got := snapshot(t); got != before {
		t.Errorf("after all there is:\n%s\nbefore there was:\n%s", got, before)
	}
}

func TestCNIAdopt(t *testing.T) {
	cfg := cniConfig(t, "")
	clean := snapshot(t)
	plan := earlierPlan{CNI: cfg.CNI, Sandboxes: map[string]nex.Egress{"a": {}}}
	n := startEarlier(t, plan)
	serveTCP(t, "10.99.0.1:8080")
	n.kill()
	wantReached(t, n.path("a"), "10.99.0.1:8080", "10.99.0.2")
	// With the network of another kind it is not adopted.
	m, err := network.Open(t.Context(), network.Config{Name: "t1"})
	must(t, err)
	if _, err := m.Adopt(t.Context(), "a", nex.Egress{}); err == nil || !strings.Contains(err.Error(), "built-in") {
		t.Errorf("adopt by the built-in network: %v", err)
	}
	must(t, m.Leave())
	m, err = network.Open(t.Context(), n.plan.config())
	must(t, err)
	ep, err := m.Adopt(t.Context(), "a", nex.Egress{})
	must(t, err)
	if got := ep.Addr().String(); got != "10.99.0.2" || ep.Namespace() != n.path("a") {
		t.Errorf("it is %s at %s", got, ep.Namespace())
	}
	wantReached(t, ep.Namespace(), "10.99.0.1:8080", "10.99.0.2")
	n.ends["a"]()
	must(t, ep.Close(), m.Close())
	m, err = network.Open(t.Context(), network.Config{Name: "t1"}) // which has left its table
	must(t, err, m.Close())
	if got := snapshot(t); got != clean {
		t.Errorf("in the end there is:\n%s\nat first there was:\n%s", got, clean)
	}
	if left, _ := filepath.Glob(filepath.Join(cfg.CNI.CacheDir, "results", "*")); len(left) > 0 {
		t.Errorf("the plugins' cache has %q", left)
	}
}

func FuzzKept(f *testing.F) {
	f.Add([]byte(`{"version":1,"sha256":"","policy":{"id":"a"}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add(network.EncodeKept("a", rulesWithNames))
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := network.ParseKept(b)
		if err == nil && (id == "" || strings.ContainsAny(id, "/.")) {
			t.Errorf("accepted for %q", id)
		}
	})
}

// A hundred sandboxes are taken over in little time, most of which is for what there is to do once.
func TestAdoptMany(t *testing.T) {
	w := newWorld(t)
	w.dns.set("api.example.com", publicAddr)
	const count = 100
	plan := earlierPlan{Egress: rulesOfNode, Sandboxes: map[string]nex.Egress{}}
	for i := range count {
		plan.Sandboxes[fmt.Sprintf("s%d", i)] = rulesWithNames
	}
	n := startEarlier(t, plan)
	gateway := gatewayOf(t, n.path("s0"))
	for id := range plan.Sandboxes {
		if got, err := lookupIn(t, n.path(id), gateway, "api.example.com"); got != publicAddr || err != nil {
			t.Fatalf("the name is %q, %v", got, err)
		}
	}
	n.kill()
	start := time.Now()
	m := n.follow(network.Config{})
	opened := time.Since(start)
	each := make([]time.Duration, 0, count)
	for id := range plan.Sandboxes {
		begun := time.Now()
		n.adopt(m, id, rulesWithNames)
		each = append(each, time.Since(begun))
	}
	t.Logf("opened in %v, %d adopted in %v: %s", opened, count, time.Since(start)-opened, summary(each))
	for id := range plan.Sandboxes {
		wantReached(t, n.path(id), publicAddr+":80", nodeAddr)
		wantRefused(t, n.path(id), publicAddr+":443")
	}
}
