//go:build linux

package network_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// crash is a node that attaches two sandboxes, says so, and waits to be killed.
func crash() int {
	ctx := context.Background()
	m, err := network.Open(ctx, network.Config{Name: "t1", Nameservers: []netip.Addr{netip.MustParseAddr(nameServer)}})
	if err == nil {
		_, err = m.Attach(ctx, "used", nex.Egress{})
	}
	if err == nil {
		_, err = m.Attach(ctx, "idle", nex.Egress{})
	}
	fmt.Println("attached", err)
	_, _ = os.Stdin.Read(make([]byte, 1))
	return 0
}

// startCrashing runs crash until it has attached; kill ends it without warning.
func startCrashing(t *testing.T) (kill func()) {
	t.Helper()
	cmd := again(roleCrashing)
	out, stdin := piped(t, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "attached <nil>\n" {
		t.Fatalf("the node says %q, %v", line, err)
	}
	return func() {
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		_ = stdin.Close()
	}
}

func piped(t *testing.T, cmd *exec.Cmd) (io.Reader, io.Closer) {
	t.Helper()
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	must(t, err)
	in, err := cmd.StdinPipe()
	must(t, err, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return out, in
}

// sleepIn starts a process in a namespace; end ends it.
func sleepIn(t *testing.T, path string) (end func()) {
	t.Helper()
	cmd := again(roleSleeper)
	var in io.Closer
	within(t, path, func() { _, in = piped(t, cmd) })
	return func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
}

func TestLeftovers(t *testing.T) {
	newWorld(t)
	foreign(t)
	clean := snapshot(t)
	kill := startCrashing(t)
	// A process in one of the sandboxes, with a connection, outlives the node.
	const used = "/run/netns/next1-used"
	end := sleepIn(t, used)
	conn, err := open(t, used, "tcp4", publicAddr+":80")
	must(t, err)
	defer func() { _ = conn.Close() }()
	lines := bufio.NewReader(conn)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	kill()
	if got := snapshot(t); !strings.Contains(got, "next1-idle") || !strings.Contains(got, "up0 forwarding 1") {
		t.Fatalf("nothing is left of a node that was killed:\n%s", got)
	}

	var log bytes.Buffer
	m, err := network.Open(t.Context(), network.Config{
		Name: "t1", Nameservers: []netip.Addr{netip.MustParseAddr(nameServer)}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	must(t, err)
	if got := snapshot(t); !strings.Contains(got, "next1-idle") || !strings.Contains(got, "next1-used") {
		t.Errorf("after a new start there is:\n%s", got)
	}
	wantSwept(t, m, 1)
	if got := snapshot(t); strings.Contains(got, "next1-idle") || !strings.Contains(got, "next1-used") {
		t.Errorf("after it was swept there is:\n%s", got)
	}
	if !strings.Contains(log.String(), "sandbox=used") {
		t.Errorf("log does not name what is in use: %s", log.String())
	}
	// Its connection goes on, and so do its rules.
	if _, err := conn.Write([]byte("still here\n")); err != nil {
		t.Error(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if line, err := lines.ReadString('\n'); line != "still here\n" {
		t.Errorf("the connection that was left says %q, %v", line, err)
	}
	wantReached(t, used, publicAddr+":80", nodeAddr)
	wantRefused(t, used, privateOne+":80")
	if _, err := m.Attach(t.Context(), "used", nex.Egress{}); err == nil {
		t.Error("a sandbox in use is attached again")
	}
	// Others are not disturbed, nor given its address.
	ep := attach(t, m, "new", nex.Egress{})
	wantReached(t, ep.Namespace(), publicAddr+":80", nodeAddr)

	wantSwept(t, m, 0)
	end()
	if n, err := m.Sweep(t.Context(), func(string) bool { return true }); n != 0 || err != nil {
		t.Errorf("sweep of what is to be kept: %d, %v, want 0", n, err)
	}
	wantSwept(t, m, 1)
	wantSwept(t, m, 0)
	must(t, ep.Close(), m.Close())
	if got := snapshot(t); got != clean {
		t.Errorf("in the end there is:\n%s\nat first there was:\n%s", got, clean)
	}
}

// wantSwept removes what nobody uses, which is that of so many sandboxes.
func wantSwept(t *testing.T, m *network.Manager, want int) {
	t.Helper()
	if n, err := m.Sweep(t.Context(), func(string) bool { return false }); n != want || err != nil {
		t.Errorf("sweep: %d, %v, want %d", n, err, want)
	}
}

// foreign makes objects of others, some with names that are close to those of the node.
func foreign(t *testing.T) {
	t.Helper()
	for _, name := range []string{"next1", "next12-1", "xnext1-1"} {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		link := netlink.NewVeth(attrs)
		link.PeerName = "p" + name
		must(t, netlink.LinkAdd(link))
		t.Cleanup(func() { must(t, netlink.LinkDel(link)) })
		path := filepath.Join("/run/netns", name) // the first is no namespace of the node either
		must(t, os.MkdirAll("/run/netns", 0o755), os.WriteFile(path, nil, 0o600))
		t.Cleanup(func() { must(t, os.Remove(path)) })
	}
	c, err := nftables.New()
	must(t, err)
	for _, name := range []string{"nex_t12", "nex", "filter"} {
		c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: name})
	}
	must(t, c.Flush())
	t.Cleanup(func() {
		for _, name := range []string{"nex_t12", "nex", "filter"} {
			c.DelTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: name})
		}
		must(t, c.Flush())
	})
}

// Two nodes share a machine without sharing addresses, or sandboxes; what both need stays until both are gone.
func TestTwoNodes(t *testing.T) {
	newWorld(t)
	first := openManager(t, network.Config{Name: "a"})
	second, err := network.Open(t.Context(), network.Config{Name: "b", Nameservers: []netip.Addr{netip.MustParseAddr(nameServer)}})
	must(t, err)
	if subnetOf(first) == subnetOf(second) {
		t.Errorf("the subnet of both is %s", subnetOf(first))
	}
	if _, err := network.Open(t.Context(), network.Config{Name: "c", Subnet: netip.MustParsePrefix("192.168.127.128/25")}); err == nil {
		t.Error("a third node has a part of the first one's subnet")
	}
	a := attach(t, first, "x", nex.Egress{})
	b, err := second.Attach(t.Context(), "x", nex.Egress{})
	must(t, err)
	within(t, b.Namespace(), func() { serveTCP(t, "0.0.0.0:80") })
	within(t, a.Namespace(), func() { serveTCP(t, "0.0.0.0:80") })
	wantReached(t, a.Namespace(), publicAddr+":80", nodeAddr)
	wantReached(t, b.Namespace(), publicAddr+":80", nodeAddr)
	wantRefused(t, a.Namespace(), hostPort(b.Addr(), "80"))
	wantRefused(t, b.Namespace(), hostPort(a.Addr(), "80"))
	must(t, b.Close(), second.Close())
	wantReached(t, a.Namespace(), publicAddr+":80", nodeAddr)
}

// What is turned on for sandboxes does not make the machine forward for others, nor to sandboxes.
func TestForwardsForSandboxesOnly(t *testing.T) {
	w := newWorld(t)
	lan := newNamespace(t, "lan")
	connect(t, "lan0", "10.60.0.1/24", "10.60.0.2/24", lan)
	within(t, lan, func() {
		serveTCP(t, "0.0.0.0:80")
		must(t, netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP("10.60.0.1")}))
	})
	m := openManager(t, network.Config{})
	ep := attach(t, m, "a", nex.Egress{})
	must(t, ep.SetEgress(t.Context(), nex.Egress{}))
	within(t, ep.Namespace(), func() { serveTCP(t, "0.0.0.0:80") })
	within(t, w.path, func() {
		for _, s := range []string{"10.60.0.0/24", subnetOf(m).String()} {
			must(t, netlink.RouteAdd(&netlink.Route{Dst: cidr(s).IPNet, Gw: net.ParseIP(nodeAddr)}))
		}
	})
	silent := func(addr string) {
		t.Helper()
		within(t, w.path, func() {
			if c, err := net.DialTimeout("tcp4", addr, 300*time.Millisecond); err == nil {
				_ = c.Close()
				t.Errorf("the world reaches %s", addr)
			}
		})
	}
	silent("10.60.0.2:80")
	silent(hostPort(ep.Addr(), "80"))
	wantReached(t, "", "10.60.0.2:80", "10.60.0.1")
	wantReached(t, "", hostPort(ep.Addr(), "80"), m.Gateway().String())
	// Somebody turns forwarding on for the whole machine, who then says what is forwarded, but not to sandboxes.
	turn := func(to string) { must(t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte(to), 0)) }
	t.Cleanup(func() { turn("0") })
	turn("1")
	eventually(t, "the world reaches 10.60.0.2:80", func() bool {
		saw, err := dial(t, w.path, "tcp4", "10.60.0.2:80")
		return err == nil && saw == routerAddr
	})
	silent(hostPort(ep.Addr(), "80"))
	wantReached(t, ep.Namespace(), publicAddr+":80", nodeAddr)
	// And off again, which the kernel does for each interface, those of sandboxes too.
	turn("0")
	eventually(t, "the sandbox reaches the world", func() bool {
		saw, err := dial(t, ep.Namespace(), "tcp4", publicAddr+":80")
		return err == nil && saw == nodeAddr
	})
	silent("10.60.0.2:80")
	silent(hostPort(ep.Addr(), "80"))
}

// eventually waits for what the manager does by itself, when the kernel has told it.
func eventually(t *testing.T, what string, happens func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !happens() {
		select {
		case <-deadline:
			t.Fatalf("it never comes that %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// subnetOf is the subnet of a manager that chose it.
func subnetOf(m *network.Manager) netip.Prefix { return netip.PrefixFrom(m.Gateway(), 24).Masked() }

// One sandbox that cannot be removed does not keep the others.
func TestLeftoversThatStay(t *testing.T) {
	const dir = "/run/netns"
	must(t, os.MkdirAll(dir, 0o755))
	before := snapshot(t)
	stuck := filepath.Join(dir, "next1-stuck", "file")
	must(t, os.MkdirAll(stuck, 0o755))
	for i := range 10 {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("next1-s%d", i)), nil, 0o600))
	}
	m, err := network.Open(t.Context(), network.Config{Name: "t1"})
	must(t, err)
	if n, err := m.Sweep(t.Context(), func(string) bool { return false }); n != 10 || err == nil || !strings.Contains(err.Error(), "stuck") {
		t.Errorf("sweep with something that cannot be removed: %d, %v, want 10", n, err)
	}
	must(t, os.RemoveAll(filepath.Dir(stuck)))
	wantSwept(t, m, 1)
	must(t, m.Close())
	if got := snapshot(t); got != before {
		t.Errorf("after all there is:\n%s\nbefore there was:\n%s", got, before)
	}
}
