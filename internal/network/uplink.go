//go:build linux

package network

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/google/nftables"
	nl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// plainMTU is that of a sandbox's interface when there is no uplink.
	plainMTU = 1500
	// minMTU is the least that IPv4 hosts take.
	minMTU = 576
)

// uplinks keeps forwarding on for the interfaces that routes lead through, and for those of sandboxes. It
// follows the routes and the settings, as interfaces come and go and others change them.
type uplinks struct {
	table   *table
	log     *slog.Logger
	watcher *watcher
	runs    sync.WaitGroup

	// guarded has, with their numbers, the interfaces that forward because of us, or of another node. Only
	// one goroutine at a time has it: who starts, then follow, then who has stopped that.
	guarded map[string]int
}

// startUplinks turns forwarding on where it is needed. The names are interfaces for which an earlier
// process of this node did.
func startUplinks(t *table, subnet netip.Prefix, log *slog.Logger, previous []string) (*uplinks, error) {
	u := &uplinks{table: t, log: log, guarded: map[string]int{}}
	var err error
	u.watcher, err = watch(openEvents, func(m nl.Message) bool { return mayNeedForwarding(m, subnet) }, log)
	if err != nil {
		return nil, err
	}
	if err := u.refresh(previous); err != nil {
		u.watcher.stop()
		return nil, errors.Join(err, u.restore())
	}
	u.runs.Go(u.follow)
	return u, nil
}

// stop ends following.
func (u *uplinks) stop() {
	u.watcher.stop()
	u.runs.Wait()
}

func (u *uplinks) follow() {
	for {
		select {
		case <-u.watcher.done:
			return
		case <-u.watcher.changed:
		}
		if err := u.refresh(nil); err != nil {
			u.log.Warn("cannot bring forwarding for sandboxes up to date", "error", err)
		}
	}
}

const wholeMachine = "ipv4/ip_forward"

func forwardingOf(name string) string { return "ipv4/conf/" + name + "/forwarding" }

func isOn(setting string) bool {
	b, err := os.ReadFile(filepath.Join("/proc/sys/net", setting))
	return err == nil && strings.TrimSpace(string(b)) != "0"
}

// sandboxLink begins the interfaces of the sandboxes of all nodes.
var sandboxLink = regexp.MustCompile(`^` + interfacePrefix(`[a-z0-9]{1,6}`))

// look returns the interfaces of the machine, and which of them are uplinks: routes lead through them, and
// they are neither loopback nor a sandbox's.
func look() (links []netlink.Link, isUplink map[int]bool, err error) {
	routes, err := allRoutes()
	if err != nil {
		return nil, nil, err
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
	if links, err = allLinks(); err != nil {
		return nil, nil, err
	}
	isUplink = map[int]bool{}
	for _, l := range links {
		a := l.Attrs()
		isUplink[a.Index] = through[a.Index] && a.Flags&unix.IFF_LOOPBACK == 0 && !sandboxLink.MatchString(a.Name)
	}
	return links, isUplink, nil
}

// refresh turns forwarding on for uplinks that do not have it, after the table guards what that would
// allow. Once somebody has turned it on for the whole machine, it is theirs to say what is forwarded.
func (u *uplinks) refresh(previous []string) error {
	if isOn(wholeMachine) {
		return u.guard(map[string]int{})
	}
	links, isUplink, err := look()
	if err != nil {
		return err
	}
	on := map[string]bool{}
	for _, l := range links {
		on[l.Attrs().Name] = isOn(forwardingOf(l.Attrs().Name))
	}
	// After that: what another node has turned on it had guarded before.
	byNodes, err := guardedByOthers(u.table)
	if err != nil {
		return err
	}
	own := map[string]bool{}
	for _, name := range previous {
		own[name] = on[name]
	}
	guarded := map[string]int{}
	var off []string
	for _, l := range links {
		name, index := l.Attrs().Name, l.Attrs().Index
		isOurs := strings.HasPrefix(name, u.table.ours)
		// One that no route leads through at the moment still forwards.
		if u.guarded[name] == index || own[name] || isUplink[index] && (!on[name] || byNodes[name]) {
			guarded[name] = index
		}
		if !on[name] && (isUplink[index] || isOurs) {
			off = append(off, name)
		}
	}
	if err := u.guard(guarded); err != nil {
		return err
	}
	return u.turnOn(off)
}

// guard makes the table drop what is forwarded from these interfaces, and from no others, to elsewhere
// than a sandbox.
func (u *uplinks) guard(names map[string]int) error {
	if maps.Equal(names, u.guarded) {
		return nil
	}
	var elements []nftables.SetElement
	for name := range names {
		elements = append(elements, nftables.SetElement{Key: ifname(name)})
	}
	err := transact(func(c *nftables.Conn) error {
		c.FlushSet(u.table.guarded)
		if len(elements) == 0 {
			return nil
		}
		return c.SetAddElements(u.table.guarded, elements)
	})
	if err != nil {
		return fmt.Errorf("guard the forwarding of interfaces: %w", err)
	}
	u.guarded = names
	return nil
}

func (u *uplinks) turnOn(names []string) error {
	var errs []error
	for _, name := range names {
		err := setting(forwardingOf(name), "1")
		switch {
		case errors.Is(err, os.ErrNotExist): // it is gone
		case err != nil:
			errs = append(errs, fmt.Errorf("turn on forwarding of IPv4 for %s: %w", name, err))
		default:
			u.log.Info("forwarding of IPv4 is turned on for an interface, for sandboxes only", "interface", name)
		}
	}
	return errors.Join(errs...)
}

// restore turns off what refresh turned on, unless another node needs it, or somebody turned forwarding on
// for the whole machine.
func (u *uplinks) restore() error {
	if isOn(wholeMachine) {
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

// leastMTU is that of the uplinks: what passes from a sandbox passes on.
func leastMTU() (int, error) {
	links, isUplink, err := look()
	if err != nil {
		return 0, err
	}
	mtu := plainMTU
	for _, l := range links {
		if m := l.Attrs().MTU; isUplink[l.Attrs().Index] && m >= minMTU {
			mtu = min(mtu, m)
		}
	}
	return mtu, nil
}
