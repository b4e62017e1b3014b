//go:build linux

package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"strings"

	"github.com/google/nftables"
)

// Candidates when no subnet is configured: perRange networks of each range, from the first on.
var candidates = []netip.Prefix{
	netip.MustParsePrefix("192.168.127.0/24"), netip.MustParsePrefix("172.30.127.0/24"), netip.MustParsePrefix("10.127.127.0/24"),
}

const perRange = 33

// lastOf is the last address of an IPv4 network.
func lastOf(p netip.Prefix) netip.Addr {
	first := binary.BigEndian.Uint32(p.Masked().Addr().AsSlice())
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, first+1<<(32-p.Bits())-1)))
}

// nth is an address of an IPv4 network.
func nth(p netip.Prefix, n int) netip.Addr {
	first := binary.BigEndian.Uint32(p.Masked().Addr().AsSlice())
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, first+uint32(n))))
}

// taken are the networks that sandboxes must not get.
type taken struct {
	networks []netip.Prefix // of interfaces, and of other nodes
	routes   []netip.Prefix
}

// chooseSubnet returns want if it is free, or else, if it is not valid, the first candidate that is.
func chooseSubnet(want netip.Prefix, t taken) (netip.Prefix, error) {
	if want.IsValid() {
		for _, p := range t.networks {
			if p.Overlaps(want) {
				return want, fmt.Errorf("subnet %s overlaps with %s, which an interface or another node of this machine has: set cni.subnet to another one", want, p)
			}
		}
		return want, nil // more exact than a route that leads elsewhere
	}
	for _, first := range candidates {
		for i := range perRange {
			p := netip.PrefixFrom(nth(first, i<<8), first.Bits())
			if !overlaps(t.networks, p) && !overlaps(t.routes, p) {
				return p, nil
			}
		}
	}
	return want, errors.New("no network is free for sandboxes: set cni.subnet to an IPv4 network that nothing else here uses")
}

// isCandidate reports whether p could have been chosen.
func isCandidate(p netip.Prefix) bool {
	for _, first := range candidates {
		for i := range perRange {
			if p == netip.PrefixFrom(nth(first, i<<8), first.Bits()) {
				return true
			}
		}
	}
	return false
}

func overlaps(all []netip.Prefix, p netip.Prefix) bool {
	for _, q := range all {
		if q.Overlaps(p) {
			return true
		}
	}
	return false
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	a = a.Unmap()
	return netip.PrefixFrom(a, ones).Masked(), ok && a.Is4() && ones > 0
}

// takenNetworks looks around on the machine, past our own interfaces.
func takenNetworks(own *table) (taken, error) {
	var t taken
	links, err := allLinks()
	if err != nil {
		return t, err
	}
	ours := map[int]bool{}
	for _, l := range links {
		ours[l.Attrs().Index] = strings.HasPrefix(l.Attrs().Name, own.ours)
	}
	addrs, err := allAddresses()
	if err != nil {
		return t, err
	}
	for _, a := range addrs {
		if p, ok := prefixOf(a.IPNet); ok && !ours[a.LinkIndex] {
			t.networks = append(t.networks, p)
		}
	}
	routes, err := allRoutes()
	if err != nil {
		return t, err
	}
	for _, r := range routes {
		if p, ok := prefixOf(r.Dst); ok && !ours[r.LinkIndex] {
			t.routes = append(t.routes, p)
		}
	}
	err = otherTables(own, func(c *nftables.Conn, other *table) error {
		elements, err := c.GetSetElements(other.subnet)
		if err != nil {
			return nil // made by someone else after all
		}
		if p, ok := spanned(elements); ok {
			t.networks = append(t.networks, p)
		}
		return nil
	})
	return t, err
}

// spanned is the network whose first and last address are the elements.
func spanned(elements []nftables.SetElement) (netip.Prefix, bool) {
	if len(elements) != 2 || len(elements[0].Key) != 4 || len(elements[1].Key) != 4 {
		return netip.Prefix{}, false
	}
	a, b := binary.BigEndian.Uint32(elements[0].Key), binary.BigEndian.Uint32(elements[1].Key)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(elements[0].Key)), bits.LeadingZeros32(a^b)).Masked(), true
}
