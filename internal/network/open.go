//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/network/dnsproxy"
	"github.com/nex-engine/nex/internal/unwind"
)

// Open makes the network of a node's sandboxes, and removes what an earlier process with the same name
// left and no process uses. What is still used is cut off but for the connections that it has; see
// [Manager.Sweep]. The caller must Close the manager.
func Open(ctx context.Context, cfg Config) (_ *Manager, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkRights(); err != nil {
		return nil, err
	}
	m := &Manager{
		cfg: cfg, log: cfg.Logger, gate: make(chan struct{}, parallel), table: newTable(cfg.Name), mark: rand.Uint32(),
		endpoints: map[string]*Endpoint{}, byAddr: map[netip.Addr]*Endpoint{}, exposed: map[uint16]netip.AddrPort{},
	}
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	if m.home, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("cannot make networks for sandboxes, which takes a kernel with network namespaces: %w", err)
	}
	undo.Add(func() { _ = unix.Close(m.home) })
	unlock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if m.cni, err = findCNI(cfg); err != nil {
		return nil, err
	}
	if m.left, err = m.findLeftovers(); err != nil {
		return nil, err
	}
	if _, err := m.removeLeftovers(ctx, func(string) bool { return false }); err != nil {
		return nil, err
	}
	if m.cni == nil {
		if err := m.openBuiltIn(&undo); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// checkRights says what is missing to make networks, before anything is made.
func checkRights() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return fmt.Errorf("look up capabilities: %w", err)
	}
	for _, need := range []struct {
		bit  uint
		name string
	}{{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}} {
		if caps[0].Effective&(1<<need.bit) == 0 {
			return fmt.Errorf("cannot make networks for sandboxes without %s: run the node as root", need.name)
		}
	}
	if err := unix.Access("/proc/sys/net/ipv4/ip_forward", unix.W_OK); err != nil {
		return fmt.Errorf("cannot make networks for sandboxes, since the settings in /proc/sys/net cannot be changed (%w): in a container, run it privileged", err)
	}
	return nil
}

// lockDir makes the directory of the namespaces and keeps others from looking for a free subnet at the
// same time, or from changing it, until the returned function is called.
func lockDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory of network namespaces: %w", err)
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open directory of network namespaces %s: %w", dir, err)
	}
	if err := flock(fd); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("lock directory of network namespaces %s: %w", dir, err)
	}
	return func() { _ = unix.Close(fd) }, nil
}

func flock(fd int) error {
	for {
		if err := unix.Flock(fd, unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (m *Manager) openBuiltIn(undo *unwind.Stack) error {
	around, err := takenNetworks(m.table)
	if err != nil {
		return fmt.Errorf("cannot make networks for sandboxes: %w", err)
	}
	want := m.cfg.Subnet
	if !want.IsValid() {
		want = m.subnetOfLeftovers(around)
	}
	if m.subnet, err = chooseSubnet(want, around); err != nil {
		return err
	}
	m.gateway = nth(m.subnet, 1)
	m.numbers = newNumbers(m.subnet)
	m.proxy, err = dnsproxy.Listen(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsproxy.Config{
		Client: m.clientAt, Servers: m.servers(), Logger: m.log,
	})
	if err != nil {
		return err
	}
	undo.Add(func() { _ = m.proxy.Close() })
	previous := guardedBefore(m.table)
	if err := m.layTable(); err != nil {
		return err
	}
	if len(m.left) == 0 {
		undo.Add(func() { _ = removeTable(m.table) })
	}
	if m.uplinks, err = startUplinks(m.table, m.subnet, m.log, previous); err != nil {
		return err
	}
	m.mtu = m.uplinks.mtu()
	warnOfFirewalls(m.table, m.log)
	return nil
}

// subnetOfLeftovers is the one that is still in use, if it could have been chosen by itself.
func (m *Manager) subnetOfLeftovers(around taken) netip.Prefix {
	for _, l := range m.left {
		if !l.slot.addr.IsValid() {
			continue
		}
		p := netip.PrefixFrom(l.slot.addr, candidates[0].Bits()).Masked()
		if isCandidate(p) && !overlaps(around.networks, p) {
			return p
		}
	}
	return netip.Prefix{}
}

// layTable replaces the table of an earlier process by a new one, in which what is still used keeps the
// connections that it has.
func (m *Manager) layTable() error {
	err := transact(func(c *nftables.Conn) error {
		if err := m.table.create(c, m.subnet, m.gateway); err != nil {
			return err
		}
		for id, l := range m.left {
			if l.slot.n == 0 || nth(m.subnet, l.slot.n) != l.slot.addr || !m.numbers.keep(l.slot.n) {
				continue // of another subnet
			}
			if err := m.table.admit(c, l.slot); err != nil {
				return err
			}
			l.admitted = true
			m.left[id] = l
		}
		return errors.Join(
			c.SetAddElements(m.table.exposed, exposure(unix.IPPROTO_UDP, dnsPort, m.proxy.UDP())),
			c.SetAddElements(m.table.exposed, exposure(unix.IPPROTO_TCP, dnsPort, m.proxy.TCP())),
		)
	})
	if err != nil {
		return fmt.Errorf("cannot make nftables table %s, which takes a kernel with nftables, NAT and connection tracking: %w", m.table.Name, err)
	}
	return nil
}
