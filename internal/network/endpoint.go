//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/nftables"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network/policy"
	"github.com/nex-engine/nex/internal/unwind"
)

// Endpoint is the network of one sandbox. It is safe for concurrent use.
type Endpoint struct {
	m    *Manager
	id   string
	path string
	slot slot // with a CNI network it has an address at most

	warned atomic.Bool // that a name could not be resolved

	// mu is held while the table is changed, so that changes of one sandbox come after each other.
	mu         sync.Mutex
	closed     bool
	laid       bool           // it may be in the table
	policy     *policy.Policy // nil: none, it may make no connections
	egress     nex.Egress     // what the policy was made of, besides the node's
	generation int
	sets       []*nftables.Set            // of names
	failed     []*nftables.Set            // of changes that failed, which may be there all the same
	learned    []map[netip.Addr]time.Time // until when, by set
}

// Attach makes a network for the sandbox id, 1 to 32 letters and digits that no other has. What e says is
// added to the node's own Egress, which it can narrow but not widen. The caller must Close the endpoint,
// once no process of the sandbox runs any more.
func (m *Manager) Attach(ctx context.Context, id string, e nex.Egress) (_ *Endpoint, err error) {
	p, err := m.compile(e)
	if err != nil {
		return nil, err
	}
	ep, err := m.reserve(id)
	if err != nil {
		return nil, err
	}
	defer m.attaching.Done()
	var undo unwind.Stack
	defer undo.RunOnError(&err)
	undo.Add(func() { m.release(ep) })
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case m.gate <- struct{}{}:
		defer func() { <-m.gate }()
	}
	if err := ctx.Err(); err != nil { // also if both were ready
		return nil, err
	}
	if m.cni != nil {
		ep.slot.addr, err = m.cni.attach(ctx, m.home, id, ep.path)
	} else {
		err = m.attach(ep, e, p, &undo)
	}
	if err != nil {
		return nil, fmt.Errorf("attach network of sandbox %s: %w", id, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cni == nil {
		m.byAddr[ep.slot.addr] = ep
	}
	return ep, nil
}

// compile makes the policy of a sandbox.
func (m *Manager) compile(e nex.Egress) (*policy.Policy, error) {
	if m.cni != nil && !e.IsZero() {
		return nil, fmt.Errorf("the CNI network %q decides what sandboxes reach, so that egress rules would not hold: leave them out, or use the built-in network", m.cni.list.Name)
	}
	return policy.New(m.cfg.Egress, e)
}

// reserve gives id an address. Who called it has to say when attaching is done.
func (m *Manager) reserve(id string) (*Endpoint, error) {
	if !validID.MatchString(id) {
		return nil, fmt.Errorf("sandbox id %q is not 1 to 32 letters and digits", id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed
	}
	_, isLeft := m.left[id]
	if m.endpoints[id] != nil || isLeft {
		return nil, fmt.Errorf("sandbox %s has a network already", id)
	}
	ep := &Endpoint{m: m, id: id, path: m.path(id)}
	if m.cni == nil {
		n, ok := m.numbers.take()
		if !ok {
			return nil, fmt.Errorf("all %d addresses of %s are taken: set cni.subnet to a larger network", m.numbers.size(), m.subnet)
		}
		if m.mark++; m.mark == 0 { // connections without an attachment
			m.mark++
		}
		ep.slot = slot{iface: fmt.Sprintf("%s%x", m.table.ours, n), addr: nth(m.subnet, n), mark: m.mark, n: n}
	}
	m.endpoints[id] = ep
	m.attaching.Add(1)
	return ep, nil
}

// release undoes reserve.
func (m *Manager) release(ep *Endpoint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.endpoints, ep.id)
	if m.cni == nil {
		m.numbers.give(ep.slot.n)
	}
}

// attach makes what an endpoint of the built-in network consists of.
func (m *Manager) attach(ep *Endpoint, e nex.Egress, p *policy.Policy, undo *unwind.Stack) error {
	undo.Add(func() { _ = m.forgetPolicy(ep.id) })
	if err := m.keepPolicy(ep.id, e, 0); err != nil {
		return err
	}
	w := wire{
		home: m.home, inside: m.cfg.InterfaceName, outside: ep.slot.iface, addr: ep.slot.addr, gateway: m.gateway, mtu: m.mtu,
		alias: aliasOf(ep.id, ep.slot),
	}
	undo.Add(func() { _ = removeLink(w.outside) })
	if err := makeNamespace(m.home, ep.path, w.lay); err != nil {
		return err
	}
	undo.Add(func() { _ = removeNamespace(ep.path) })
	// Also if adding fails: it may have happened, and its answer been lost.
	undo.Add(func() { _ = transact(func(c *nftables.Conn) error { return m.table.dismiss(c, ep.slot, ep.sets) }) })
	err := transact(func(c *nftables.Conn) (err error) {
		if ep.sets, err = m.table.addPolicy(c, ep.slot, 0, p); err != nil {
			return err
		}
		return errors.Join(m.table.admit(c, ep.slot), m.table.enforce(c, ep.slot))
	})
	if err != nil {
		return fmt.Errorf("add rules: %w", err)
	}
	ep.usePolicy(e, p, ep.sets)
	return nil
}

// usePolicy must be called with mu held, or before others know ep.
func (ep *Endpoint) usePolicy(e nex.Egress, p *policy.Policy, sets []*nftables.Set) {
	ep.laid, ep.egress, ep.policy, ep.sets = true, e, p, sets
	ep.learned = make([]map[netip.Addr]time.Time, len(sets))
}

// Namespace is the path of the network namespace that the sandbox's processes are to join.
func (ep *Endpoint) Namespace() string { return ep.path }

// Addr is the sandbox's address. A CNI network may have given none: then it is not valid.
func (ep *Endpoint) Addr() netip.Addr { return ep.slot.addr }

// SetEgress replaces what Attach was told, all of it or nothing. It counts for connections that are made
// from now on. What names led to is forgotten, so they have to be resolved anew.
func (ep *Endpoint) SetEgress(ctx context.Context, e nex.Egress) error {
	p, err := ep.m.compile(e)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.closed {
		return fmt.Errorf("set egress of sandbox %s: its network is closed", ep.id)
	}
	if ep.m.cni != nil {
		return nil // without rules there is nothing to change
	}
	if err := ep.replace(e, p); err != nil {
		return fmt.Errorf("set egress of sandbox %s: %w", ep.id, err)
	}
	return nil
}

// replace makes another policy count. It is kept before, so that what a later process takes over is never
// what was replaced.
func (ep *Endpoint) replace(e nex.Egress, p *policy.Policy) error {
	m := ep.m
	if err := m.keepPolicy(ep.id, e, ep.generation+1); err != nil {
		return err
	}
	var sets []*nftables.Set
	err := transact(func(c *nftables.Conn) (err error) {
		if sets, err = m.table.addPolicy(c, ep.slot, ep.generation+1, p); err != nil {
			return err
		}
		return errors.Join(m.table.enforce(c, ep.slot), m.table.removeSets(c, ep.sets))
	})
	if err != nil {
		ep.failed = append(ep.failed, sets...)
		return errors.Join(err, ep.keepAgain())
	}
	ep.generation++
	ep.usePolicy(e, p, sets)
	return nil
}

// keepAgain takes back what replace has kept.
func (ep *Endpoint) keepAgain() error {
	if ep.policy == nil {
		return ep.m.forgetPolicy(ep.id)
	}
	return ep.m.keepPolicy(ep.id, ep.egress, ep.generation)
}

// Close removes the sandbox's network, and ends the TCP connections that programs of this machine have with
// it, but for those of a CNI network. If it fails it may be called again; once it succeeded it does
// nothing.
func (ep *Endpoint) Close() error {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.closed {
		return nil
	}
	m := ep.m
	m.mu.Lock()
	delete(m.byAddr, ep.slot.addr)
	m.mu.Unlock()
	if m.cni != nil {
		if err := m.cni.detach(ep.id, ep.path); err != nil {
			return fmt.Errorf("detach network of sandbox %s: %w", ep.id, err)
		}
	} else if err := m.detach(ep); err != nil {
		return fmt.Errorf("detach network of sandbox %s: %w", ep.id, err)
	}
	ep.closed = true
	m.release(ep)
	return nil
}

// detach undoes attach.
func (m *Manager) detach(ep *Endpoint) error {
	if err := removeLink(ep.slot.iface); err != nil {
		return err
	}
	abort(ep.slot.addr, m.log) // now that it can make no new ones
	if ep.laid {
		sets := slices.Concat(ep.sets, ep.failed)
		err := transact(func(c *nftables.Conn) error { return m.table.dismiss(c, ep.slot, sets) })
		if err != nil {
			return fmt.Errorf("remove rules: %w", err)
		}
		ep.laid, ep.policy = false, nil
	}
	if err := removeNamespace(ep.path); err != nil {
		return err
	}
	forget(ep.slot.addr, m.log)
	return m.forgetPolicy(ep.id)
}
