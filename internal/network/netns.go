//go:build linux

package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// makeNamespace makes a network namespace, runs setup in it, which may leave it, and gives it the name path, which holds it
// until removeNamespace. If it fails nothing is left. The node's own namespace is home.
func makeNamespace(home int, path string, setup func() error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return fmt.Errorf("name a network namespace: %w", err)
	}
	_ = f.Close() // nothing was written
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("make a network namespace: %w", err)
			return
		}
		err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
		if err != nil {
			err = fmt.Errorf("name a network namespace %s: %w", path, err)
		} else {
			err = setup()
		}
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		} // else the thread ends with this goroutine
		result <- err
	}()
	if err := <-result; err != nil {
		return errors.Join(err, removeNamespace(path))
	}
	return nil
}

// removeNamespace takes its name away from a namespace, which ends when no process is in it. One that has
// no name is fine.
func removeNamespace(path string) error {
	// EINVAL: the file is there, but nothing is mounted on it.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount network namespace %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove name of network namespace: %w", err)
	}
	return nil
}

// setting writes a kernel setting of the current network namespace, below /proc/sys/net.
func setting(path, value string) error {
	err := os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0)
	if errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%w: in a container, run it privileged", err)
	}
	return err
}

// without IPv6 a kernel has no settings of it.
func disableIPv6(where string) error {
	err := setting("ipv6/conf/"+where+"/disable_ipv6", "1")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// wire is the pair of interfaces of a sandbox.
type wire struct {
	home            int // the node's own namespace
	inside, outside string
	addr, gateway   netip.Addr
	mtu             int
	alias           string // of outside
}

// hardware addresses follow from the sandbox's, with the bit of those that nobody has given out.
func (w wire) hardware() (inside, outside net.HardwareAddr) {
	a := w.addr.As4()
	return append(net.HardwareAddr{0x02, 0x4e}, a[:]...), append(net.HardwareAddr{0x02, 0x58}, a[:]...)
}

func single(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)}
}

// lay makes the pair, from within the sandbox's namespace, and sets both ends up. The addresses of both are
// given to each other, so that nobody has to ask for them, or can answer in another's place.
//
// The end that comes up first has no other to be connected with, and passes packets only once the kernel
// has come to look at it again. That is the one outside, where it can be waited for.
func (w wire) lay() error {
	there, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer func() { _ = unix.Close(there) }()
	veth, err := w.makePair()
	if err != nil {
		return err
	}
	if err := unix.Setns(w.home, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("go to the node's network namespace: %w", err)
	}
	outside, err := w.layOutside()
	if err != nil {
		return err
	}
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("go to the sandbox's network namespace: %w", err)
	}
	if err := w.layInside(veth); err != nil {
		return err
	}
	if err := unix.Setns(w.home, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("go to the node's network namespace: %w", err)
	}
	return waitUp(outside)
}

// makePair makes the two interfaces, the inner one in the current namespace.
func (w wire) makePair() (*netlink.Veth, error) {
	if err := disableIPv6("default"); err != nil { // of interfaces that are made from now on
		return nil, fmt.Errorf("disable IPv6: %w", err)
	}
	insideHW, outsideHW := w.hardware()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.MTU = w.inside, insideHW, w.mtu
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr, veth.PeerNamespace, veth.PeerMTU = w.outside, outsideHW, netlink.NsFd(w.home), uint32(w.mtu)
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("make interfaces %s and %s: %w", w.inside, w.outside, err)
	}
	return veth, nil
}

// layOutside sets up the end in the node's own namespace.
func (w wire) layOutside() (netlink.Link, error) {
	link, err := netlink.LinkByName(w.outside)
	if err != nil {
		return nil, fmt.Errorf("find interface %s: %w", w.outside, err)
	}
	insideHW, _ := w.hardware()
	conf := "ipv4/conf/" + w.outside + "/"
	index := link.Attrs().Index
	for _, step := range []func() error{
		func() error { return netlink.LinkSetAlias(link, w.alias) },
		func() error { return disableIPv6(w.outside) },
		func() error { return setting(conf+"forwarding", "1") },
		func() error { return setting(conf+"route_localnet", "1") }, // what is exposed listens on loopback
		func() error { return setting(conf+"arp_ignore", "1") },     // other addresses of the machine are not for it to know
		func() error { return netlink.AddrAdd(link, &netlink.Addr{IPNet: single(w.gateway)}) },
		func() error { return netlink.LinkSetUp(link) },
		func() error { return permanent(index, w.addr, insideHW) },
		func() error {
			return netlink.RouteAdd(&netlink.Route{
				LinkIndex: index, Scope: netlink.SCOPE_LINK, Dst: single(w.addr), Src: w.gateway.AsSlice(),
			})
		},
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("set up interface %s: %w", w.outside, err)
		}
	}
	return link, nil
}

// layInside sets up the other end, in the sandbox's namespace.
func (w wire) layInside(veth *netlink.Veth) error {
	_, outsideHW := w.hardware()
	for _, step := range []func() error{
		loopbackUp,
		func() error { return netlink.AddrAdd(veth, &netlink.Addr{IPNet: single(w.addr)}) },
		func() error { return netlink.LinkSetUp(veth) },
		func() error { return permanent(veth.Index, w.gateway, outsideHW) },
		// The gateway first, through which the other leads.
		func() error {
			return netlink.RouteAdd(&netlink.Route{LinkIndex: veth.Index, Scope: netlink.SCOPE_LINK, Dst: single(w.gateway)})
		},
		func() error { return netlink.RouteAdd(&netlink.Route{LinkIndex: veth.Index, Gw: w.gateway.AsSlice()}) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("set up interface %s inside: %w", w.inside, err)
		}
	}
	return nil
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// waitUp waits until a connected interface passes packets. Linux from 6.8 on sees to that when it is asked
// about the interface; earlier ones do so by themselves, soon.
func waitUp(link netlink.Link) error {
	for range 1000 {
		l, err := netlink.LinkByIndex(link.Attrs().Index)
		if err != nil {
			return fmt.Errorf("look at interface %s: %w", link.Attrs().Name, err)
		}
		if l.Attrs().OperState == netlink.OperUp {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("interface %s does not come up", link.Attrs().Name)
}

// permanent says which hardware address belongs to a.
func permanent(index int, a netip.Addr, hw net.HardwareAddr) error {
	return netlink.NeighAdd(&netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: hw})
}

// removeLink removes an interface, and with it its other end. One that is gone is fine.
func removeLink(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkDel(link)
	}
	var gone netlink.LinkNotFoundError
	if err != nil && !errors.As(err, &gone) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove interface %s: %w", name, err)
	}
	return nil
}
