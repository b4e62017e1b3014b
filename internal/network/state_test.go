//go:build linux

package network_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// snapshot says which interfaces, addresses, routes, tables, namespaces and forwarding there are.
func snapshot(t testing.TB) string {
	t.Helper()
	var lines []string
	links, err := netlink.LinkList()
	must(t, err)
	for _, l := range links {
		name := l.Attrs().Name
		forwarding, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + name + "/forwarding")
		must(t, err)
		lines = append(lines, fmt.Sprintf("interface %s forwarding %s", name, strings.TrimSpace(string(forwarding))))
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
		must(t, err)
		for _, a := range addrs {
			lines = append(lines, fmt.Sprintf("address %s %s", name, a.IPNet))
		}
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	must(t, err)
	for _, r := range routes {
		lines = append(lines, "route "+r.String())
	}
	c, err := nftables.New()
	must(t, err)
	tables, err := c.ListTables()
	must(t, err)
	for _, table := range tables {
		lines = append(lines, "table "+table.Name)
	}
	for _, pattern := range []string{"/run/netns/*", "/run/nex-network/*", "/run/nex-network/*/*"} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		lines = append(lines, files...)
	}
	for _, s := range []string{"ip_forward", "conf/all/route_localnet", "conf/default/forwarding"} {
		b, err := os.ReadFile("/proc/sys/net/ipv4/" + s)
		must(t, err)
		lines = append(lines, s+" "+strings.TrimSpace(string(b)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
