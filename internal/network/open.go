//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/network/dnsproxy"
	"github.com/nex-engine/nex/internal/unwind"
)

// ErrRights is in the error of [Open] if the process lacks the rights to make networks, as when it is not
// root's, or is in a container that may not.
var ErrRights = errors.New("cannot make networks for sandboxes")

// Open makes the network of a node's sandboxes. What an earlier process with the same name left goes on as
// before, by the rules that its policy makes with the Egress of cfg, or, if its policy is not known, with the
// connections that it has and no new ones; see [Manager.Adopt] and [Manager.Sweep], which removes what nobody uses:
// that takes its time, and those who wait for their node need not wait for it. Open waits while another node of
// the machine starts or ends, at most a minute. An error is [ErrRights] if this process may not make networks at
// all. The caller must Close the manager.
func Open(ctx context.Context, cfg Config) (_ *Manager, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkRights(); err != nil {
		return nil, err
	}
	m := &Manager{
		cfg: cfg, log: cfg.Logger, gate: make(chan struct{}, parallel), table: newTable(cfg.Name, 0), mark: rand.Uint32(),
		endpoints: map[string]*Endpoint{}, byAddr: map[netip.Addr]*Endpoint{},
		exposed: map[uint16]netip.AddrPort{}, taken: map[uint16]bool{},
	}
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	if m.home, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("cannot make networks for sandboxes, which takes a kernel with network namespaces: %w", err)
	}
	undo.Add(func() { _ = unix.Close(m.home) })
	unlock, err := lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := makeDir(namespaceDir); err != nil {
		return nil, err
	}
	if m.cni, err = findCNI(cfg); err != nil {
		return nil, err
	}
	if m.left, err = m.findLeftovers(); err != nil {
		return nil, err
	}
	if len(m.left) == 0 {
		undo.Add(func() { _ = m.removeKeptDir() })
	}
	if err := m.openKeptDir(); err != nil {
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
			return fmt.Errorf("%w without %s: run the node as root", ErrRights, need.name)
		}
	}
	err := unix.Access("/proc/sys/net/ipv4/ip_forward", unix.W_OK)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot make networks for sandboxes, which takes /proc and a kernel with IPv4: %w", err)
	}
	if err != nil {
		return fmt.Errorf("%w, since the settings in /proc/sys/net cannot be changed (%w): in a container, run it privileged", ErrRights, err)
	}
	return nil
}

func (m *Manager) openBuiltIn(undo *unwind.Stack) error {
	earlier, fresh, err := earlierTables(m.cfg.Name)
	if err != nil {
		return fmt.Errorf("cannot make networks for sandboxes: %w", err)
	}
	m.table = fresh
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
		Client: m.clientAt, Servers: m.servers(),
	})
	if err != nil {
		return err
	}
	undo.Add(func() { _ = m.proxy.Close() })
	previous := guardedBefore(earlier)
	if err := m.layTable(earlier, previous); err != nil {
		return err
	}
	if len(m.left) == 0 {
		undo.Add(func() { _ = removeTable(m.table) })
	}
	if err := retire(earlier); err != nil {
		return err
	}
	if m.uplinks, err = startUplinks(m.table, m.subnet, m.log, previous); err != nil {
		return err
	}
	undo.Add(func() {
		m.uplinks.stop()
		_ = m.uplinks.restore()
	})
	if m.mtu, err = leastMTU(); err != nil {
		return err
	}
	warnOfFirewalls(m.table, m.log)
	return nil
}

// subnetOfLeftovers is the one that there are still sandboxes of, if it could have been chosen by itself.
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

// layTable makes the table, with what is still used as it was in earlier ones, which guarded those interfaces: so
// that it can follow them without anything being refused, or allowed, that was not before.
func (m *Manager) layTable(earlier []*table, guarded []string) error {
	if len(m.left) > 0 {
		m.takeExposed(earlier)
	}
	c, err := nftables.New(nftables.AsLasting()) // one socket for all
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	defer func() { _ = c.CloseLasting() }() // only read
	var heirs []*heir
	size := socketBuffer
	for id, l := range m.left {
		if l.slot.n == 0 || nth(m.subnet, l.slot.n) != l.slot.addr || !m.numbers.keep(l.slot.n) {
			continue // of another subnet
		}
		h, err := m.inherit(c, id, l, earlier)
		if err != nil {
			return err
		}
		heirs = append(heirs, h)
		size += h.size()
	}
	err = transactSized(min(size, maxBatch), func(c *nftables.Conn) error {
		if err := m.table.create(c, m.subnet, m.gateway); err != nil {
			return err
		}
		for _, h := range heirs {
			if err := h.lay(c); err != nil {
				return err
			}
		}
		for _, name := range guarded {
			if err := c.SetAddElements(m.table.guarded, []nftables.SetElement{{Key: ifname(name)}}); err != nil {
				return err
			}
		}
		for port, target := range m.exposed {
			if err := c.SetAddElements(m.table.exposed, exposure(unix.IPPROTO_TCP, port, target)); err != nil {
				return err
			}
		}
		return errors.Join(
			c.SetAddElements(m.table.exposed, exposure(unix.IPPROTO_UDP, dnsPort, m.proxy.UDP())),
			c.SetAddElements(m.table.exposed, exposure(unix.IPPROTO_TCP, dnsPort, m.proxy.TCP())),
		)
	})
	if err != nil {
		return fmt.Errorf("cannot make nftables table %s, which takes a kernel with nftables, NAT and connection tracking: %w", m.table.Name, err)
	}
	m.mu.Lock() // the proxy has been started
	defer m.mu.Unlock()
	for _, h := range heirs {
		l := m.left[h.ep.id]
		l.ep = h.ep
		m.left[h.ep.id] = l
		m.byAddr[h.ep.slot.addr] = h.ep
	}
	return nil
}
