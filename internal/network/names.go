//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/nftables"

	"github.com/nex-engine/nex/internal/network/dnsproxy"
)

const resolvConf = "/etc/resolv.conf"

// servers returns the function that says which name servers there are. The machine's may change while
// the node runs, as on a laptop, so they are read each time.
func (m *Manager) servers() func() ([]netip.AddrPort, error) {
	if len(m.cfg.Nameservers) == 0 {
		return func() ([]netip.AddrPort, error) {
			b, err := os.ReadFile(resolvConf)
			if err != nil {
				return nil, fmt.Errorf("look up the machine's name servers: %w", err)
			}
			return parseResolvConf(string(b)), nil
		}
	}
	var servers []netip.AddrPort
	for _, a := range m.cfg.Nameservers {
		servers = append(servers, netip.AddrPortFrom(a.Unmap(), dnsPort))
	}
	return func() ([]netip.AddrPort, error) { return servers, nil }
}

// parseResolvConf returns the name servers of a resolv.conf, at most three as elsewhere.
func parseResolvConf(text string) []netip.AddrPort {
	var servers []netip.AddrPort
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" || len(servers) == 3 {
			continue
		}
		if a, err := netip.ParseAddr(fields[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(a.Unmap(), dnsPort))
		}
	}
	return servers
}

// clientAt returns the sandbox that has an address.
func (m *Manager) clientAt(a netip.Addr) dnsproxy.Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ep := m.byAddr[a]; ep != nil {
		return client{ep}
	}
	return nil
}

// client is an endpoint as the name proxy knows it.
type client struct{ ep *Endpoint }

func (c client) Resolves(name string) bool {
	c.ep.mu.Lock()
	defer c.ep.mu.Unlock()
	return c.ep.policy != nil && c.ep.policy.Resolves(name)
}

func (c client) Denies(name string) bool {
	c.ep.mu.Lock()
	defer c.ep.mu.Unlock()
	return c.ep.policy == nil || c.ep.policy.Denies(name)
}

// Learn opens rules about name for addrs. They stay open for twice the time, so that the table need not be
// changed each time that a program asks again.
func (c client) Learn(_ context.Context, name string, addrs []netip.Addr, ttl time.Duration) error {
	ep := c.ep
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.policy == nil {
		return errors.New("the sandbox is gone")
	}
	now := time.Now()
	fresh := make(map[int][]netip.Addr)
	for _, a := range addrs {
		for _, n := range ep.policy.SetsOf(name, a) {
			if i := n - 1; ep.learned[i][a].Before(now.Add(ttl)) && !slices.Contains(fresh[i], a) {
				fresh[i] = append(fresh[i], a)
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	err := transact(func(conn *nftables.Conn) error {
		for i, addrs := range fresh {
			for _, a := range addrs {
				if err := ep.m.table.open(conn, ep.sets[i], a, 2*ttl); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("open the rules about the name: %w", err)
	}
	for i, addrs := range fresh {
		for _, a := range addrs {
			ep.remember(i, a, now, now.Add(2*ttl))
		}
	}
	return nil
}

// longestName is how much of a name is logged: whole ones that a sandbox made up say no more.
const longestName = 64

// Failed warns once for each sandbox, which could fill the log otherwise. The name is quoted, since it may
// have any bytes.
func (c client) Failed(name string, err error) {
	if len(name) > longestName {
		name = name[:longestName] + "..."
	}
	level := slog.LevelWarn
	if c.ep.warned.Swap(true) {
		level = slog.LevelDebug
	}
	c.ep.m.log.Log(context.Background(), level, "cannot resolve a name for a sandbox; of more only the debug log tells",
		"sandbox", c.ep.id, "name", strconv.Quote(name), "error", err)
}

// remember notes how long a set is open for an address. The kernel bounds how many there are at a time.
func (ep *Endpoint) remember(set int, a netip.Addr, now, until time.Time) {
	if ep.learned[set] == nil {
		ep.learned[set] = map[netip.Addr]time.Time{}
	}
	if len(ep.learned[set]) >= maxAddresses {
		for old, t := range ep.learned[set] {
			if t.Before(now) {
				delete(ep.learned[set], old)
			}
		}
	}
	ep.learned[set][a] = until
}
