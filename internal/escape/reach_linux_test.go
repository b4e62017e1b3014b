package escape_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/nextest"
)

// reach is about what a workload may connect to.
func reach(t *testing.T, r *rig, w *world) {
	r.deploy(t, r.intruder("reach"))
	natsPort := portOf(t, r.up.Ready.NATSURL)
	gateway := r.gateway(t)
	internal := r.internalPort(t)
	listening := listeners(t)
	if !slices.Contains(listening, internal) || !slices.Contains(listening, w.port) || !slices.Contains(listening, natsPort) {
		t.Fatalf("listening are %v, want also %s, %s and %s", listening, internal, w.port, natsPort)
	}
	other := r.other(t)
	neighbours := listen(t, r, neighbour)

	var targets, own []string
	for _, host := range []string{gateway, "127.0.0.1", "0.0.0.0", uplinkAddr, ownPrivate, ownPublic, other.gateway(t)} {
		for _, port := range listening {
			if host == gateway && (port == natsPort || port == dnsPort) {
				continue // these are meant to be reached
			}
			targets = append(targets, "tcp4/"+net.JoinHostPort(host, port))
		}
		targets = append(targets, "udp4/"+net.JoinHostPort(host, w.port))
	}
	for _, host := range []string{"127.0.0.1", uplinkAddr, ownPrivate, ownPublic, gateway} {
		own = append(own, "tcp4/"+net.JoinHostPort(host, w.port), "udp4/"+net.JoinHostPort(host, w.port))
	}
	for _, host := range []string{"::1", ownIPv6} {
		six := []string{"tcp6/" + net.JoinHostPort(host, w.port), "udp6/" + net.JoinHostPort(host, w.port)}
		targets, own = append(targets, six...), append(own, six...)
	}
	sandboxes := append(neighbours, listen(t, other, "other")...)
	targets = append(targets, protocols(sandboxes...)...)
	outside := protocols(net.JoinHostPort(metadata, outsidePort), net.JoinHostPort(privateAddr, outsidePort))
	targets = append(targets, outside...)
	targets = append(targets, protocols(net.JoinHostPort(routerAddr, outsidePort))...)
	targets = append(targets, "udp4/224.0.0.1:"+w.port, "udp4/255.255.255.255:"+w.port)

	before := w.visitors.Load()
	r.attack(t, "reach", append([]string{"dial"}, targets...)...).wantRefused(t)
	r.attack(t, "reach", append([]string{"spoof"}, gateway, ownPrivate, uplinkAddr, hostOf(t, neighbours[0]), publicAddr)...).wantRefused(t)
	r.attack(t, "reach", append([]string{"confined", "dial"}, own...)...).wantRefused(t)
	if n := w.visitors.Load() - before; n != 0 {
		t.Errorf("the machine was visited %d times", n)
	}

	// What is there can be reached: by the machine, by the neighbour, and by whom a rule allows it.
	onHost(t, append([]string{"dial"}, own...)...).wantEscaped(t)
	onHost(t, append([]string{"dial"}, outside...)...).wantEscaped(t)
	r.attack(t, neighbour, append([]string{"dial"}, protocols(neighbours...)...)...).wantEscaped(t)
	other.attack(t, "other", append([]string{"dial"}, outside...)...).wantEscaped(t)
	r.attack(t, "reach", append([]string{"dial"}, protocols(net.JoinHostPort(publicAddr, outsidePort))...)...).wantEscaped(t)
	r.attack(t, "reach", "dial", "tcp4/"+net.JoinHostPort(gateway, natsPort)).wantEscaped(t)
	// A workload's own rules open nothing.
	narrow := r.intruder("narrow")
	narrow.Egress = nex.Egress{Allow: []string{metadata, privateAddr, "*:1"}}
	r.deploy(t, narrow)
	r.attack(t, "narrow", append([]string{"dial"}, append(outside, "tcp4/"+net.JoinHostPort(publicAddr, outsidePort))...)...).wantRefused(t)
	within(t, w.path, func() {
		for _, addr := range neighbours {
			c, err := net.DialTimeout("tcp4", addr, nextest.Patience)
			if err == nil {
				_ = c.Close()
			}
			if !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("from outside the neighbour can be reached: %v", err)
			}
		}
	})
	other.stopAll(t)
}

const dnsPort = "53"

// other is a second node on this machine, whose rules allow what the first does not, with a workload.
func (r *rig) other(t *testing.T) *rig {
	t.Helper()
	o := start(t, fmt.Sprintf(`{
		"allow_file_artifacts": true, "machine_pool_size": 0, "egress": {"allow": ["*", %q, %q]}, "cni": {"nameservers": [%q]}
	}`, metadata, privateAddr, publicAddr))
	o.deploy(t, o.intruder("other"))
	return o
}

// listen makes a workload listen, and returns where.
func listen(t *testing.T, r *rig, name string) []string {
	t.Helper()
	out, err := r.ask(name, nextest.Patience, "listen")
	if err != nil {
		t.Fatal(err)
	}
	addrs := strings.Fields(out)
	for _, a := range addrs {
		if _, _, err := net.SplitHostPort(a); err != nil {
			t.Fatalf("%s listens at %q", name, out)
		}
	}
	if len(addrs) == 0 {
		t.Fatalf("%s has no address", name)
	}
	return addrs
}

// gateway is the first address of the subnet of a node's sandboxes, which the interfaces of all have.
func (r *rig) gateway(t *testing.T) string {
	t.Helper()
	for _, name := range r.deployed {
		return r.gatewayOf(t, name)
	}
	t.Fatal("no workload says what its gateway is")
	return ""
}

// gatewayOf is what the workload of that name says.
func (r *rig) gatewayOf(t *testing.T, name string) string {
	t.Helper()
	out, err := r.ask(name, nextest.Patience, "gateway")
	if err != nil {
		t.Fatal(err)
	}
	if net.ParseIP(out) == nil {
		t.Fatalf("the gateway is %q", out)
	}
	return out
}

func protocols(addrs ...string) []string {
	var list []string
	for _, a := range addrs {
		list = append(list, "tcp4/"+a, "udp4/"+a)
	}
	return list
}

func portOf(t *testing.T, url string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(url[strings.LastIndex(url, "/")+1:])
	must(t, err)
	return port
}

func hostOf(t *testing.T, addr string) string {
	t.Helper()
	host, _, err := net.SplitHostPort(addr)
	must(t, err)
	return host
}

// listeners are the ports of this network namespace at which somebody listens, and that of names.
func listeners(t *testing.T) []string {
	t.Helper()
	ports := []string{dnsPort}
	for _, path := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			const listening = "0A"
			fields := strings.Fields(lines.Text())
			if fields[3] != listening {
				continue
			}
			n, err := strconv.ParseUint(fields[1][strings.LastIndex(fields[1], ":")+1:], 16, 16)
			must(t, err)
			ports = append(ports, strconv.FormatUint(n, 10))
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}
