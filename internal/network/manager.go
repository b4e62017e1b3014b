//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/network/dnsproxy"
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
	taken     map[uint16]bool           // of these, what an earlier process exposed and this one has not
	left      map[string]leftover       // of an earlier process, still in use; by id
	mark      uint32                    // of the latest attachment
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
	delete(m.taken, port)
	return nil
}

// Close ends the name proxy and, unless there are sandboxes still attached or in use, gives back all that
// was made or changed. With sandboxes left nothing is exposed any more, their connections to elsewhere go on,
// and the next Open finds them.
func (m *Manager) Close() error {
	return m.end(func(c *nftables.Conn) error {
		c.FlushSet(m.table.exposed) // others may get the ports that it leads to
		return nil
	})
}

// Leave ends what this process does for the sandboxes, and leaves them their networks, by the same rules and
// with what was exposed, for a later process to take over: see [Manager.Adopt]. They have no names meanwhile.
// Without sandboxes it is Close. Endpoints must not be used any more.
func (m *Manager) Leave() error {
	return m.end(func(c *nftables.Conn) error {
		// Others may get the ports of the proxy. To remove what is not there fails.
		for proto, addr := range map[byte]netip.AddrPort{unix.IPPROTO_UDP: m.proxy.UDP(), unix.IPPROTO_TCP: m.proxy.TCP()} {
			if err := c.SetAddElements(m.table.exposed, exposure(proto, dnsPort, addr)); err != nil {
				return err
			}
			if err := c.SetDeleteElements(m.table.exposed, exposure(proto, dnsPort, addr)); err != nil {
				return err
			}
		}
		return nil
	})
}

// end ends the manager; with sandboxes that are left hide takes back what leads to this process.
func (m *Manager) end(hide func(*nftables.Conn) error) error {
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
		if inUse > 0 {
			errs = append(errs, transact(hide))
		}
		errs = append(errs, m.proxy.Close())
		m.uplinks.stop()
	}
	if inUse == 0 {
		errs = append(errs, m.giveBack())
	}
	return errors.Join(append(errs, unix.Close(m.home))...)
}

// giveBack undoes Open but for what ends with the process.
func (m *Manager) giveBack() error {
	unlock, err := lock(context.Background())
	if err != nil {
		return err
	}
	defer unlock()
	err = m.removeKeptDir()
	if m.cni == nil {
		err = errors.Join(err, m.uplinks.restore(), removeTable(m.table))
	}
	return err
}

func (m *Manager) path(id string) string {
	return filepath.Join(namespaceDir, interfacePrefix(m.cfg.Name)+id)
}

// interfacePrefix begins the names of a node's interfaces and namespaces. The hyphen ends the node's name.
func interfacePrefix(name string) string { return "nex" + name + "-" }
