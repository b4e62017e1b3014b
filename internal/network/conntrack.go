//go:build linux

package network

import (
	"log/slog"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func parseIPv4(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err == nil && !a.Is4() {
		err = errNotIPv4
	}
	return a, err
}

// forget removes the connections of an address from the kernel's table, where they would take room for
// hours, since the other side does not know that the sandbox is gone. Nothing depends on it: connections
// are told apart by attachment.
func forget(a netip.Addr, log *slog.Logger) {
	filter := &netlink.ConntrackFilter{}
	if err := filter.AddIP(netlink.ConntrackOrigSrcIP, a.AsSlice()); err != nil {
		return
	}
	if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, filter); err != nil {
		log.Debug("cannot remove the connections of a sandbox that is gone", "address", a, "error", err)
	}
}
