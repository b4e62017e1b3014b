package microvm

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/nex-engine/nex/internal/guest"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
	"github.com/vishvananda/netlink"
)

// Names of interfaces that are made in the namespace of a sandbox.
const (
	bridgeName = "nexbr"
	tapName    = "nextap"
)

// plug joins the interface of the sandbox's network with one for the machine, which gets what that had, and returns
// what the machine is told.
func (i *instance) plug() (*guest.Network, error) {
	var inside guest.Network
	err := inNamespace(i.endpoint.Namespace(), func() error {
		uplink, err := findUplink()
		if err != nil {
			return err
		}
		if inside, err = describe(uplink); err != nil {
			return err
		}
		return join(uplink, i.machine.User)
	})
	if err != nil {
		return nil, err
	}
	inside.Nameservers = i.driver.nameservers()
	i.machine.Network = &vmm.NIC{Tap: tapName, MAC: inside.MAC}
	return &inside, nil
}

// findUplink finds the interface that is not loopback.
func findUplink() (netlink.Link, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces of the sandbox: %w", err)
	}
	var found netlink.Link
	for _, l := range links {
		// What tunnels have in every namespace is down.
		if l.Attrs().Flags&net.FlagLoopback != 0 || l.Attrs().Flags&net.FlagUp == 0 {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("the sandbox has several interfaces, %s and %s", found.Attrs().Name, l.Attrs().Name)
		}
		found = l
	}
	if found == nil {
		return nil, errors.New("the sandbox has no interface")
	}
	return found, nil
}

// describe is what a machine is told that is to be in the place of the interface.
func describe(l netlink.Link) (guest.Network, error) {
	n := guest.Network{MAC: l.Attrs().HardwareAddr.String(), MTU: l.Attrs().MTU}
	addresses, err := netlink.AddrList(l, netlink.FAMILY_V4)
	if err != nil {
		return n, fmt.Errorf("list addresses of the sandbox: %w", err)
	}
	if len(addresses) == 0 {
		return n, errors.New("the sandbox has no IPv4 address")
	}
	a, ok := netip.AddrFromSlice(addresses[0].IP.To4())
	bits, _ := addresses[0].Mask.Size()
	if !ok {
		return n, errors.New("the sandbox has no IPv4 address")
	}
	n.Address = netip.PrefixFrom(a, bits)
	routes, err := netlink.RouteList(l, netlink.FAMILY_V4)
	if err != nil {
		return n, fmt.Errorf("list routes of the sandbox: %w", err)
	}
	for _, r := range routes {
		everywhere := r.Dst == nil
		if !everywhere {
			ones, _ := r.Dst.Mask.Size()
			everywhere = ones == 0
		}
		if gateway, ok := netip.AddrFromSlice(r.Gw.To4()); ok && everywhere {
			n.Gateway = gateway
		}
	}
	return n, nil
}

// join makes a bridge between the interface, which loses its addresses and its hardware address, and a new tap.
func join(uplink netlink.Link, user *vmm.User) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = bridgeName, uplink.Attrs().MTU
	quiet := false
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &quiet}
	tap, err := newTap(uplink.Attrs().MTU, user)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"take its addresses from", func() error { return flush(uplink) }},
		{"change the hardware address of", func() error { return netlink.LinkSetHardwareAddr(uplink, randomMAC()) }},
		{"make a bridge for", func() error { return netlink.LinkAdd(bridge) }},
		{"join the bridge with", func() error { return netlink.LinkSetMaster(uplink, bridge) }},
		{"join the tap with", func() error { return netlink.LinkSetMaster(tap, bridge) }},
		{"set up the tap for", func() error { return netlink.LinkSetUp(tap) }},
		{"set up the bridge for", func() error { return netlink.LinkSetUp(bridge) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s interface %s of the sandbox: %w", step.what, uplink.Attrs().Name, err)
		}
	}
	return nil
}

// newTap makes a tap that stays when nobody has it open, and belongs to the user.
func newTap(mtu int, user *vmm.User) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = tapName
	tap := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR}
	if user != nil {
		tap.Owner, tap.Group = uint32(user.UID), uint32(user.GID)
	}
	if err := netlink.LinkAdd(tap); err != nil {
		return nil, fmt.Errorf("make a tap for the machine: %w", err)
	}
	link, err := netlink.LinkByName(tapName)
	if err == nil {
		err = netlink.LinkSetMTU(link, mtu)
	}
	if err != nil {
		return nil, fmt.Errorf("set up the tap of the machine: %w", err)
	}
	return link, nil
}

func flush(l netlink.Link) error {
	addresses, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	for _, a := range addresses {
		err = errors.Join(err, netlink.AddrDel(l, &a))
	}
	return err
}

// randomMAC is an address that nobody has: a local one, for one interface.
func randomMAC() net.HardwareAddr {
	mac := make(net.HardwareAddr, 6)
	_, _ = rand.Read(mac) // it never fails
	mac[0] = mac[0]&^1 | 2
	return mac
}

// nameservers are whom programs in a machine ask. Those of the machine itself are left out that only it can ask.
func (d *Driver) nameservers() []netip.Addr {
	if a := d.network.Nameserver(); a.IsValid() {
		return []netip.Addr{a}
	}
	f, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	defer f.Close()
	const most = 3 // as the C library has it
	var list []netip.Addr
	for lines := bufio.NewScanner(f); lines.Scan() && len(list) < most; {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(words[1]); err == nil && a.Is4() && !a.IsLoopback() {
			list = append(list, a)
		}
	}
	return list
}
