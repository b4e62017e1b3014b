//go:build linux

package network

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// dumpTries is how often a list is asked for that changes while it is made, as it does while another node
// attaches sandboxes.
const dumpTries = 100

// dump lists what the kernel has. A list that changed while it was made may lack something, which the
// kernel says: then it is asked again.
func dump[T any](list func() ([]T, error)) ([]T, error) {
	var err error
	for range dumpTries {
		var all []T
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return nil, fmt.Errorf("it changes all the time: %w", err)
}

func allLinks() ([]netlink.Link, error) {
	links, err := dump(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return links, nil
}

// allAddresses lists the IPv4 addresses of all interfaces.
func allAddresses() ([]netlink.Addr, error) {
	addrs, err := dump(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return addrs, nil
}

// allRoutes lists the IPv4 routes of all tables.
func allRoutes() ([]netlink.Route, error) {
	routes, err := dump(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return routes, nil
}
