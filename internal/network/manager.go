//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/network/dnsproxy"
	"github.com/nex-engine/nex/internal/unwind"
)

// parallel is how many sandboxes are attached at a time. The kernel changes one interface at a
// time, and keeps those who wait for their turn busy.
const parallel = 4

// dnsPort is the gateway's port for names.
const dnsPort = 53

// Manager is the network of a node's sandboxes. Make one with [Open]. It is safe for concurrent use.
type Manager struct {
	cfg     Config
	log     *slog.Logger
	cni     *cniNetwork // nil: the built-in network, to which all that follows belongs
	home    int         // file descriptor of the node's own network namespace
	table   *table
	subnet  netip.Prefix
	gateway netip.Addr
	mtu     int
	proxy   *dnsproxy.Proxy
	uplinks *uplinks

	gate      chan struct{} // has room for those who attach
	mu        sync.Mutex
	closed    bool
	attaching sync.WaitGroup
	endpoints map[string]*Endpoint     // by id, from the start of Attach to the end of Close
	byAddr    map[netip.Addr]*Endpoint // of those which may ask for names
	numbers   numbers
	exposed   map[uint16]netip.AddrPort // by port of the gateway, over TCP
	left      map[string]leftover       // of an earlier process, still in use; by id
	mark      uint32                    // of the latest attachment
}

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
		return nil, fmt.Errorf("open the node's network namespace: %w", err)
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

func removeTable(t *table) error {
	err := transact(func(c *nftables.Conn) error {
		c.AddTable(t.Table) // so that there is one to delete
		c.DelTable(t.Table)
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove nftables table %s: %w", t.Name, err)
	}
	return nil
}

// Gateway is where sandboxes reach what [Manager.Expose] is told: the first address of the subnet. It is
// not valid with a CNI network, which has no such place.
func (m *Manager) Gateway() netip.Addr { return m.gateway }

// Subnet is the network of the sandboxes; it is not valid with a CNI network.
func (m *Manager) Subnet() netip.Prefix { return m.subnet }

// Expose lets all sandboxes, now and later, reach the TCP service at target at a port of the gateway. The
// target may be an address of this machine, loopback included, or of another one; it sees the sandbox's
// address, or another machine that of this one. Policies do not apply to it. A port that is exposed
// already gets the new target, for new connections.
func (m *Manager) Expose(port uint16, target netip.AddrPort) error {
	target = netip.AddrPortFrom(target.Addr().Unmap(), target.Port())
	if m.cni != nil {
		return fmt.Errorf("cannot expose %s to sandboxes: the CNI network %q decides what they reach", target, m.cni.list.Name)
	}
	if !target.Addr().Is4() || target.Addr().IsUnspecified() || target.Port() == 0 || port == 0 || port == dnsPort {
		return fmt.Errorf("cannot expose %s at port %d: it takes an IPv4 address and ports, of the gateway not %d", target, port, dnsPort)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	old, isExposed := m.exposed[port]
	err := transact(func(c *nftables.Conn) error {
		if isExposed {
			if err := c.SetDeleteElements(m.table.exposed, exposure(unix.IPPROTO_TCP, port, old)); err != nil {
				return err
			}
		}
		return c.SetAddElements(m.table.exposed, exposure(unix.IPPROTO_TCP, port, target))
	})
	if err != nil {
		return fmt.Errorf("expose %s at port %d: %w", target, port, err)
	}
	m.exposed[port] = target
	return nil
}

// Close ends the name proxy and, unless there are sandboxes still attached or in use, gives back all that
// was made or changed. With sandboxes left nothing is exposed any more, their connections to elsewhere go on,
// and the next Open finds them.
func (m *Manager) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	m.mu.Unlock()
	m.attaching.Wait()
	m.mu.Lock()
	inUse := len(m.endpoints) + len(m.left)
	m.mu.Unlock()
	var errs []error
	if m.cni == nil {
		errs = append(errs, m.proxy.Close())
		m.uplinks.stop()
		if inUse == 0 {
			errs = append(errs, m.giveBack())
		} else {
			errs = append(errs, transact(func(c *nftables.Conn) error {
				c.FlushSet(m.table.exposed) // others may get the ports that it leads to
				return nil
			}))
		}
	}
	return errors.Join(append(errs, unix.Close(m.home))...)
}

// giveBack undoes openBuiltIn but for what ends with the process.
func (m *Manager) giveBack() error {
	unlock, err := lockDir(m.cfg.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	return errors.Join(m.uplinks.restore(), removeTable(m.table))
}

func (m *Manager) path(id string) string {
	return filepath.Join(m.cfg.Dir, interfacePrefix(m.cfg.Name)+id)
}

// interfacePrefix begins the names of a node's interfaces and namespaces. The hyphen ends the node's name.
func interfacePrefix(name string) string { return "nex" + name + "-" }
