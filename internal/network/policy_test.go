//go:build linux

package network_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network"
)

// rules is nil for none: a list without rules is refused.
func rules(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Fields(s)
}

// Each policy is set on a sandbox that runs, and says of destinations whether they are reached.
func TestPolicies(t *testing.T) {
	newWorld(t)
	for _, c := range []struct {
		name                             string
		nodeAllow, nodeDeny, allow, deny string
		reached, refused                 string
	}{
		{name: "none", reached: publicAddr + ":80", refused: privateOne + ":80"},
		{name: "address", nodeAllow: "* " + privateOne, reached: privateOne + ":80 " + publicAddr + ":80", refused: privateTwo + ":80"},
		{name: "network", nodeAllow: "172.16.0.0/12", reached: privateTwo + ":80", refused: publicAddr + ":80 " + privateOne + ":80"},
		{
			name: "port", allow: publicAddr + ":443", reached: publicAddr + ":443",
			refused: publicAddr + ":80 " + otherAddr + ":443",
		},
		{
			name: "range of ports", allow: "*:8000-8100", reached: publicAddr + ":8000 " + publicAddr + ":8050 " + otherAddr + ":8100",
			refused: publicAddr + ":8101 " + publicAddr + ":80 " + privateOne + ":8050",
		},
		{
			name: "deny of the workload", allow: "*", deny: publicAddr + ":80",
			reached: publicAddr + ":443 " + otherAddr + ":80", refused: publicAddr + ":80",
		},
		{
			name: "deny of the node wins", nodeDeny: "93.184.216.0/26", allow: publicAddr,
			reached: "", refused: publicAddr + ":80 " + publicAddr + ":443",
		},
		{name: "deny of a network", deny: "93.184.216.0/26", reached: otherAddr + ":80", refused: publicAddr + ":80"},
		{name: "deny of a port everywhere", deny: "*:80", reached: publicAddr + ":443", refused: publicAddr + ":80 " + otherAddr + ":80"},
		{name: "deny everything", deny: "*", refused: publicAddr + ":80 " + otherAddr + ":443"},
		{
			name: "a workload does not widen", allow: privateOne + " " + publicAddr,
			reached: publicAddr + ":80", refused: privateOne + ":80 " + otherAddr + ":80",
		},
		{
			name: "a workload narrows", nodeAllow: "10.0.0.0/8 " + publicAddr, allow: "10.9.0.0/16:80 *:443",
			reached: privateOne + ":80 " + publicAddr + ":443", refused: privateOne + ":443 " + publicAddr + ":80 " + otherAddr + ":443 " + routerAddr + ":80",
		},
		{
			name: "all addresses", nodeAllow: "0.0.0.0/0", reached: publicAddr + ":80 " + privateOne + ":80 " + carrier + ":80",
			refused: metadata + ":80 " + nodeAddr + ":9999 192.168.127.1:9999",
		},
		{name: "link-local by itself", nodeAllow: metadata + ":80", reached: metadata + ":80", refused: metadata + ":443 " + publicAddr + ":80"},
		{name: "the machine itself", nodeAllow: "* " + nodeAddr + " 192.168.127.0/24 127.0.0.0/8", reached: publicAddr + ":80", refused: nodeAddr + ":9999 192.168.127.1:9999"},
		{name: "IPv6", nodeAllow: "2001:db8::/32 ::/0 *:443", reached: publicAddr + ":443", refused: publicAddr + ":80"},
	} {
		t.Run(c.name, func(t *testing.T) {
			serveTCP(t, "0.0.0.0:9999")
			m := openManager(t, network.Config{Egress: nex.Egress{Allow: rules(c.nodeAllow), Deny: rules(c.nodeDeny)}})
			e := nex.Egress{Allow: rules(c.allow), Deny: rules(c.deny)}
			ep, live := attach(t, m, "a", e), attach(t, m, "b", nex.Egress{Deny: []string{"*"}})
			wantRefused(t, live.Namespace(), publicAddr+":443")
			must(t, live.SetEgress(t.Context(), e))
			for _, ns := range []string{ep.Namespace(), live.Namespace()} {
				for _, addr := range rules(c.reached) {
					wantReached(t, ns, addr, nodeAddr)
				}
				for _, addr := range rules(c.refused) {
					wantRefused(t, ns, addr)
				}
			}
		})
	}
}

// A connection that is there goes on when its policy changes, and ends with the sandbox.
func TestSetEgressOnConnections(t *testing.T) {
	newWorld(t)
	m := openManager(t, network.Config{})
	ep := attach(t, m, "a", nex.Egress{})
	c, err := open(t, ep.Namespace(), "tcp4", publicAddr+":80")
	must(t, err)
	defer func() { _ = c.Close() }()
	must(t, ep.SetEgress(t.Context(), nex.Egress{Deny: []string{"*"}}))
	wantRefused(t, ep.Namespace(), publicAddr+":80")
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Errorf("the connection that was there: %v", err)
	}
	bad := nex.Egress{Allow: []string{"a b"}}
	if err := ep.SetEgress(t.Context(), bad); err == nil {
		t.Error("a malformed rule is taken")
	}
	wantRefused(t, ep.Namespace(), publicAddr+":80")
	if _, err := m.Attach(t.Context(), "b", bad); err == nil {
		t.Error("a malformed rule is taken")
	}
	must(t, ep.Close())
	if err := ep.SetEgress(t.Context(), nex.Egress{}); err == nil {
		t.Error("egress of a closed endpoint is set")
	}
}

// The most rules that there can be still take effect as a whole.
func TestManyRules(t *testing.T) {
	newWorld(t)
	var many []string
	for i := range nex.MaxEgressRules {
		many = append(many, netipString(10, 0, byte(i), 0)+"/24:1000-2000")
	}
	withLast := append([]string{publicAddr + ":80"}, many[1:]...)
	m := openManager(t, network.Config{Egress: nex.Egress{Allow: withLast, Deny: many}})
	ep := attach(t, m, "a", nex.Egress{Allow: withLast, Deny: many})
	must(t, ep.SetEgress(t.Context(), nex.Egress{Allow: withLast, Deny: many}))
	wantReached(t, ep.Namespace(), publicAddr+":80", nodeAddr)
	wantRefused(t, ep.Namespace(), publicAddr+":443")
}

func netipString(a, b, c, d byte) string { return net.IPv4(a, b, c, d).String() }

// fillConnections makes all connections that a sandbox may have.
func fillConnections(t *testing.T, path string) {
	t.Helper()
	within(t, path, func() {
		for i := range 4200 { // each from a port of its own
			c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{Port: 10000 + i}}).Dial("udp4", publicAddr+":7776")
			must(t, err)
			_, _ = c.Write([]byte("x"))
			_ = c.Close()
		}
	})
}

// A sandbox cannot fill the table of connections, which is the machine's.
func TestConnectionsBounded(t *testing.T) {
	newWorld(t)
	m := openManager(t, network.Config{Subnet: netip.MustParsePrefix("10.77.0.0/29")})
	ep, neighbour := attach(t, m, "a", nex.Egress{}), attach(t, m, "b", nex.Egress{})
	fillConnections(t, ep.Namespace())
	if _, err := dial(t, ep.Namespace(), "tcp4", publicAddr+":80"); err == nil {
		t.Error("a sandbox can have more than 4200 connections")
	}
	wantReached(t, neighbour.Namespace(), publicAddr+":80", nodeAddr)
	// Who has the address next starts anew: which is after all others have been used.
	must(t, ep.Close())
	for i := range 4 {
		next, err := m.Attach(t.Context(), fmt.Sprintf("s%d", i), nex.Egress{})
		must(t, err)
		if next.Addr() == ep.Addr() {
			wantReached(t, next.Namespace(), publicAddr+":80", nodeAddr)
			must(t, next.Close())
			return
		}
		must(t, next.Close())
	}
	t.Error("the address was not given back")
}
