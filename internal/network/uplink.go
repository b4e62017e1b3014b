//go:build linux

package network

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// plainMTU is that of a sandbox's interface when there is no uplink.
	plainMTU = 1500
	// minMTU is the least that IPv4 hosts take.
	minMTU = 576
)

// uplinks keeps forwarding on for the interfaces that routes lead through. It follows the routes, as
// interfaces come and go.
type uplinks struct {
	table  *table
	subnet netip.Prefix
	log    *slog.Logger
	done   chan struct{}
	events chan netlink.RouteUpdate
	runs   sync.WaitGroup

	mu      sync.Mutex
	guarded map[string]bool // forwards because of us, or of another node
}

// startUplinks turns forwarding on where it is needed. The names are interfaces for which an earlier
// process of this node did.
func startUplinks(t *table, subnet netip.Prefix, log *slog.Logger, previous []string) (*uplinks, error) {
	u := &uplinks{
		table: t, subnet: subnet, log: log, guarded: map[string]bool{},
		done: make(chan struct{}), events: make(chan netlink.RouteUpdate, 64),
	}
	if err := netlink.RouteSubscribeWithOptions(u.events, u.done, netlink.RouteSubscribeOptions{
		ErrorCallback: func(err error) {
			select {
			case <-u.done:
			default:
				log.Warn("cannot follow the routes of the machine any more", "error", err)
			}
		},
	}); err != nil {
		return nil, fmt.Errorf("follow routes: %w", err)
	}
	u.runs.Go(u.follow)
	if err := u.refresh(previous); err != nil {
		u.stop()
		return nil, errors.Join(err, u.restore())
	}
	return u, nil
}

// stop ends following the routes.
func (u *uplinks) stop() {
	close(u.done)
	u.runs.Wait()
}

func (u *uplinks) follow() {
	for e := range u.events { // until it is closed because done is
		if e.Type != unix.RTM_NEWROUTE || e.Table == unix.RT_TABLE_LOCAL {
			continue
		}
		if p, ok := prefixOf(e.Dst); ok && u.subnet.Contains(p.Addr()) {
			continue // a sandbox's own
		}
		select {
		case <-u.done:
			continue
		default:
		}
		if err := u.refresh(nil); err != nil {
			u.log.Warn("cannot turn forwarding on for an interface", "error", err)
		}
	}
}

func forwardingOf(name string) string { return "ipv4/conf/" + name + "/forwarding" }

func isOn(setting string) bool {
	b, err := os.ReadFile(filepath.Join("/proc/sys/net", setting))
	return err == nil && strings.TrimSpace(string(b)) != "0"
}

// names are the uplinks: interfaces that routes lead through, without loopback and those of sandboxes.
func (u *uplinks) names() ([]netlink.Link, error) {
	routes, err := allRoutes()
	if err != nil {
		return nil, err
	}
	through := map[int]bool{}
	for _, r := range routes {
		if r.Type != unix.RTN_UNICAST {
			continue
		}
		through[r.LinkIndex] = true
		for _, hop := range r.MultiPath {
			through[hop.LinkIndex] = true
		}
	}
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var up []netlink.Link
	for _, l := range links {
		a := l.Attrs()
		// Those of other nodes forward already.
		if through[a.Index] && a.Flags&unix.IFF_LOOPBACK == 0 && !strings.HasPrefix(a.Name, u.table.ours) {
			up = append(up, l)
		}
	}
	return up, nil
}

// refresh turns forwarding on for uplinks that do not have it, after the table guards what it would allow.
func (u *uplinks) refresh(previous []string) error {
	if isOn("ipv4/ip_forward") {
		return nil
	}
	links, err := u.names()
	if err != nil {
		return err
	}
	others, err := guardedByOthers(u.table)
	if err != nil {
		return err
	}
	for _, name := range previous {
		others[name] = true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, l := range links {
		name := l.Attrs().Name
		on := isOn(forwardingOf(name))
		if u.guarded[name] && on || on && !others[name] {
			continue
		}
		if !u.guarded[name] {
			if err := transact(func(c *nftables.Conn) error {
				return c.SetAddElements(u.table.guarded, []nftables.SetElement{{Key: ifname(name)}})
			}); err != nil {
				return fmt.Errorf("guard forwarding of %s: %w", name, err)
			}
			u.guarded[name] = true
		}
		if on {
			continue
		}
		if err := setting(forwardingOf(name), "1"); err != nil {
			return fmt.Errorf("turn on forwarding of IPv4 for %s: %w", name, err)
		}
		u.log.Info("forwarding of IPv4 is turned on for an interface, for sandboxes only", "interface", name)
	}
	return nil
}

// restore turns off what refresh turned on, unless another node needs it, or somebody turned forwarding on
// for the whole machine.
func (u *uplinks) restore() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if isOn("ipv4/ip_forward") {
		return nil
	}
	others, err := guardedByOthers(u.table)
	if err != nil {
		return err
	}
	var errs []error
	for name := range u.guarded {
		if others[name] {
			continue
		}
		if err := setting(forwardingOf(name), "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("turn off forwarding of IPv4 for %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// mtu is the least of the uplinks': what passes from a sandbox passes on.
func (u *uplinks) mtu() int {
	links, err := u.names()
	if err != nil {
		return plainMTU
	}
	mtu := plainMTU
	for _, l := range links {
		if m := l.Attrs().MTU; m >= minMTU {
			mtu = min(mtu, m)
		}
	}
	return mtu
}

// guardedBefore are the interfaces that a table guards which is there from before.
func guardedBefore(t *table) []string {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	return guardedIn(c, t)
}

func guardedIn(c *nftables.Conn, t *table) []string {
	elements, err := c.GetSetElements(t.guarded)
	if err != nil {
		return nil // there is no such table, or it has been removed meanwhile
	}
	var names []string
	for _, e := range elements {
		names = append(names, strings.TrimRight(string(e.Key), "\x00"))
	}
	return names
}

func guardedByOthers(own *table) (map[string]bool, error) {
	names := map[string]bool{}
	err := otherTables(own, func(c *nftables.Conn, other *table) error {
		for _, name := range guardedIn(c, other) {
			names[name] = true
		}
		return nil
	})
	return names, err
}

// warnOfFirewalls names the chains of others that drop what they do not know.
func warnOfFirewalls(own *table, log *slog.Logger) {
	c, err := nftables.New()
	if err != nil {
		return
	}
	chains, err := c.ListChains()
	if err != nil {
		return
	}
	for _, ch := range chains {
		if ch.Hooknum == nil || ch.Policy == nil || *ch.Policy != nftables.ChainPolicyDrop || ch.Table.Name == own.Name {
			continue
		}
		if *ch.Hooknum == *nftables.ChainHookForward || *ch.Hooknum == *nftables.ChainHookInput {
			log.Warn("a firewall drops packets that it has no rule for, also those of sandboxes: allow in it what comes from, and is forwarded from and to, their interfaces",
				"table", ch.Table.Name, "chain", ch.Name, "interfaces", own.ours+"*")
		}
	}
}
