//go:build linux

package network

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/network/policy"
)

// Adopt takes over the network of a sandbox that an earlier process with the same name attached and that is
// still used, as Attach would return it: same namespace, address and connections. If e is what the sandbox had
// before, its rules stay as they are, with what names led to; otherwise they are replaced, as by SetEgress.
// When it fails Sweep removes what is left once no process uses it any more.
func (m *Manager) Adopt(ctx context.Context, id string, e nex.Egress) (*Endpoint, error) {
	p, err := m.compile(e)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	ep, l, err := m.takeOver(id)
	if err != nil {
		return nil, fmt.Errorf("adopt network of sandbox %s: %w", id, err)
	}
	defer m.attaching.Done()
	if err := ep.follow(e, p); err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.endpoints, id)
		m.left[id] = l
		return nil, fmt.Errorf("adopt network of sandbox %s: %w", id, err)
	}
	return ep, nil
}

// takeOver makes an endpoint of what is left of a sandbox. Who called it has to say when attaching is done.
func (m *Manager) takeOver(id string) (*Endpoint, leftover, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, isLeft := m.left[id]
	switch {
	case m.closed:
		return nil, l, errClosed
	case !isLeft:
		return nil, l, errors.New("there is none that is left from before")
	case l.path == "":
		return nil, l, errors.New("its namespace has lost its name")
	case m.cni != nil:
		addr, err := m.cni.attached(id, l.path)
		if err != nil {
			return nil, l, err
		}
		l.ep = &Endpoint{m: m, id: id, path: l.path, slot: slot{addr: addr}}
	case l.slot.iface == "":
		return nil, l, errors.New("it has no interface of the built-in network")
	case l.ep == nil:
		return nil, l, fmt.Errorf("its address %s is not of the subnet %s", l.slot.addr, m.subnet)
	}
	delete(m.left, id)
	m.endpoints[id] = l.ep
	m.attaching.Add(1)
	return l.ep, l, nil
}

// follow makes sure that a policy counts.
func (ep *Endpoint) follow(e nex.Egress, p *policy.Policy) error {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.m.cni != nil || ep.policy != nil && sameEgress(ep.egress, e) {
		return nil
	}
	return ep.replace(e, p)
}

// attached returns the address of a sandbox that was attached to this network, not valid if it got none.
func (n *cniNetwork) attached(id, path string) (netip.Addr, error) {
	result, err := n.plugin.GetNetworkListCachedResult(n.list, n.runtime(id, path))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("look up what CNI network %q gave it: %w", n.list.Name, err)
	}
	if result == nil {
		return netip.Addr{}, fmt.Errorf("it is not of the CNI network %q", n.list.Name)
	}
	return addressIn(result), nil
}

// heir is an endpoint that is to be laid as an earlier process had it.
type heir struct {
	ep      *Endpoint
	learned [][]nftables.SetElement // by set
}

// inherit looks up what an earlier process had in the table for a sandbox. If its policy is not known it has
// none.
func (m *Manager) inherit(c *nftables.Conn, id string, l leftover, earlier []*table) (*heir, error) {
	ep := &Endpoint{m: m, id: id, path: l.path, slot: l.slot}
	k, err := m.readKept(id)
	if err == nil {
		ep.egress, ep.generation = k.Sandbox, k.Generation
		ep.policy, err = m.compile(k.Sandbox)
	}
	if err != nil {
		m.log.Warn("the policy of a sandbox of an earlier process is not known, so that it makes no new connections until it is taken over", "sandbox", id, "error", err)
		return &heir{ep: ep}, nil
	}
	if !sameEgress(k.Node, m.cfg.Egress) {
		// The sets may be of other names now, which have to be resolved anew.
		ep.generation++
		return &heir{ep: ep}, m.keepPolicy(id, ep.egress, ep.generation)
	}
	h := &heir{ep: ep, learned: make([][]nftables.SetElement, ep.policy.Sets())}
	for _, t := range earlier {
		h.learn(c, t)
	}
	return h, nil
}

// learn looks up what names led to. Those whose set cannot be read have to be resolved anew.
func (h *heir) learn(c *nftables.Conn, t *table) {
	for i := range h.learned {
		elements, err := c.GetSetElements(t.namesOf(h.ep.slot, h.ep.generation, i))
		if err != nil {
			continue
		}
		for _, e := range elements {
			if len(e.Key) == 4 && e.Expires > 0 {
				h.learned[i] = append(h.learned[i], nftables.SetElement{Key: e.Key, Timeout: e.Expires})
			}
		}
	}
}

// Sizes of batches with their answers, more than enough: what there is for each sandbox, for a rule or set, and
// for an address; and the most that a socket takes.
const (
	sizeOfSandbox = 64 << 10
	sizeOfEntry   = 4 << 10
	sizeOfAddress = 64
	maxBatch      = 1 << 30
)

// size is how large that becomes which lay puts into a batch.
func (h *heir) size() int {
	size := sizeOfSandbox
	if p := h.ep.policy; p != nil {
		size += sizeOfEntry * (len(p.Deny) + p.Sets())
		for _, list := range p.Allow {
			size += sizeOfEntry * len(list)
		}
	}
	for _, addresses := range h.learned {
		size += sizeOfAddress * len(addresses)
	}
	return size
}

// lay puts into a batch what the table is to have of a sandbox.
func (h *heir) lay(c *nftables.Conn) error {
	ep, t := h.ep, h.ep.m.table
	ep.laid = true
	if err := t.admit(c, ep.slot); err != nil || ep.policy == nil {
		return err
	}
	sets, err := t.addPolicy(c, ep.slot, ep.generation, ep.policy)
	if err != nil {
		return err
	}
	for i, addresses := range h.learned {
		const most = 1000 // that fit into one message
		for part := range slices.Chunk(addresses, most) {
			if err := c.SetAddElements(sets[i], part); err != nil {
				return err
			}
		}
	}
	ep.usePolicy(ep.egress, ep.policy, sets)
	return t.enforce(c, ep.slot)
}

// takeExposed looks up what an earlier process exposed: it stays so until Sweep, so that connections do not
// break until this one has exposed it, too.
func (m *Manager) takeExposed(earlier []*table) {
	c, err := nftables.New()
	if err != nil {
		return
	}
	for _, t := range earlier {
		elements, err := c.GetSetElements(t.exposed)
		if err != nil {
			continue // it is another's after all
		}
		for _, e := range elements {
			if len(e.Key) != 8 || len(e.Val) != 8 || e.Key[0] != unix.IPPROTO_TCP {
				continue
			}
			port := binary.BigEndian.Uint16(e.Key[4:])
			target := netip.AddrPortFrom(netip.AddrFrom4([4]byte(e.Val)), binary.BigEndian.Uint16(e.Val[4:]))
			if port != dnsPort {
				m.exposed[port], m.taken[port] = target, true
			}
		}
	}
}

// hideTaken exposes no more what only an earlier process exposed. It must be called with mu held.
func (m *Manager) hideTaken() error {
	if len(m.taken) == 0 {
		return nil
	}
	err := transact(func(c *nftables.Conn) error {
		for port := range m.taken {
			if err := c.SetDeleteElements(m.table.exposed, exposure(unix.IPPROTO_TCP, port, m.exposed[port])); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("hide what an earlier process exposed: %w", err)
	}
	for port := range m.taken {
		delete(m.exposed, port)
	}
	clear(m.taken)
	return nil
}
