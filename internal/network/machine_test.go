//go:build linux

package network_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// An interface that comes up later, as on a laptop, is an uplink from then on.
func TestUplinkComesLater(t *testing.T) {
	m := openManager(t, network.Config{})
	ep := attach(t, m, "a", nex.Egress{})
	if _, err := dial(t, ep.Namespace(), "tcp4", publicAddr+":80"); err == nil {
		t.Error("the world is reached before it is there")
	}
	updates, done := make(chan netlink.RouteUpdate), make(chan struct{})
	must(t, netlink.RouteSubscribe(updates, done))
	defer func() {
		close(done)
		for range updates { // until it has ended
		}
	}()
	newWorld(t)
	deadline := time.After(20 * time.Second)
	for {
		if saw, err := dial(t, ep.Namespace(), "tcp4", publicAddr+":80"); err == nil && saw == nodeAddr {
			break
		}
		select {
		case <-updates:
		case <-deadline:
			t.Fatal("the uplink is not used")
		case <-time.After(50 * time.Millisecond): // the manager follows the routes by itself
		}
	}
}

func TestInterfaces(t *testing.T) {
	newWorld(t)
	m := openManager(t, network.Config{InterfaceName: "net0"})
	ep := attach(t, m, "a", nex.Egress{})
	within(t, ep.Namespace(), func() {
		link, err := netlink.LinkByName("net0")
		must(t, err)
		if got := link.Attrs().MTU; got != 1400 {
			t.Errorf("MTU is %d, want the uplink's", got)
		}
		addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		must(t, err)
		if len(addrs) != 1 || addrs[0].IPNet.String() != ep.Addr().String()+"/32" {
			t.Errorf("addresses inside are %v", addrs)
		}
		links, err := netlink.LinkList()
		must(t, err)
		for _, l := range links {
			if l.Attrs().Flags&net.FlagUp == 0 {
				continue
			}
			if name := l.Attrs().Name; name != "lo" && name != "net0" {
				t.Errorf("interface inside: %s", name)
			}
		}
	})
	const outside = "next1-2"
	for setting, want := range map[string]string{
		"ipv6/conf/" + outside + "/disable_ipv6": "1", "ipv4/conf/" + outside + "/arp_ignore": "1",
		"ipv4/conf/" + outside + "/route_localnet": "1", "ipv4/conf/up0/route_localnet": "0", "ipv4/ip_forward": "0",
	} {
		got, err := os.ReadFile("/proc/sys/net/" + setting)
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s is %q, %v, want %s", setting, got, err, want)
		}
	}
}

// Firewalls of others may drop what sandboxes send: that is theirs to say, and ours to tell.
func TestFirewallIsNamed(t *testing.T) {
	newWorld(t)
	c, err := nftables.New()
	must(t, err)
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "strict"})
	policy := nftables.ChainPolicyDrop
	c.AddChain(&nftables.Chain{
		Table: table, Name: "fence", Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward,
		Priority: nftables.ChainPriorityFilter, Policy: &policy,
	})
	must(t, c.Flush())
	t.Cleanup(func() {
		c.DelTable(table)
		must(t, c.Flush())
	})
	var log bytes.Buffer
	m := openManager(t, network.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if got := log.String(); !strings.Contains(got, "table=strict chain=fence") || !strings.Contains(got, "next1-*") {
		t.Errorf("log does not name the firewall:\n%s", got)
	}
	if !strings.Contains(log.String(), "interface=up0") {
		t.Errorf("log does not say that forwarding is on:\n%s", log.String())
	}
	must(t, m.Close())
}

// Without rights nothing is tried, and the error says what to do.
func TestWithoutRights(t *testing.T) {
	cmd := again(rolePowerless)
	cmd.Stdout = nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}}
	out, err := cmd.Output()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EPERM) {
		// In a user namespace there is nobody else: there we have the rights.
		return
	}
	if err != nil || !strings.HasPrefix(string(out), "true ") || !strings.Contains(string(out), "run the node as root") {
		t.Errorf("open says %q, %v", out, err)
	}
}

func TestReadOnlySettings(t *testing.T) {
	must(t, unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""))
	defer func() { must(t, unix.Unmount("/proc/sys", 0)) }()
	must(t, unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	if _, err := network.Open(t.Context(), network.Config{Name: "t1"}); !errors.Is(err, network.ErrRights) || !strings.Contains(err.Error(), "privileged") {
		t.Errorf("open: %v", err)
	}
}

func TestParseResolvConf(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "[]",
		"nameserver 127.0.0.53\n": "[127.0.0.53:53]",
		"search a.test\n  nameserver\t1.1.1.1 # one\nnameserver x\noptions ndots:2\nnameserver fe80::1%eth0": "[1.1.1.1:53 [fe80::1%eth0]:53]",
		"nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4\n":                   "[1.0.0.1:53 1.0.0.2:53 1.0.0.3:53]",
		"nameserver\n#nameserver 1.1.1.1\n;nameserver 1.1.1.1":                                               "[]",
	} {
		if got := fmt.Sprint(network.ParseResolvConf(text)); got != want {
			t.Errorf("%q has %s, want %s", text, got, want)
		}
	}
}

// Subnets that others use are passed over, as long as the choice is free.
func TestSubnetIsChosen(t *testing.T) {
	newWorld(t)
	connect(t, "lan0", "192.168.127.9/24", "192.168.127.10/24", newNamespace(t, "lan"))
	must(t, netlink.RouteAdd(&netlink.Route{Dst: cidr("192.168.128.0/20").IPNet, Gw: net.ParseIP(routerAddr)}))
	m := openManager(t, network.Config{})
	if got := m.Gateway().String(); got != "192.168.144.1" {
		t.Errorf("gateway is %s", got)
	}
	must(t, m.Close())
	// A route elsewhere does not keep a subnet from being used that is asked for.
	m = openManager(t, network.Config{Subnet: netip.MustParsePrefix("192.168.130.0/24")})
	ep := attach(t, m, "a", nex.Egress{})
	wantReached(t, ep.Namespace(), publicAddr+":80", nodeAddr)
	if _, err := network.Open(t.Context(), network.Config{Name: "t2", Subnet: netip.MustParsePrefix("192.168.127.0/25")}); err == nil {
		t.Error("an interface's subnet is taken")
	}
}
