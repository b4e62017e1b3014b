//go:build linux

package network

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"

	"github.com/nex-engine/nex/internal/network/policy"
)

// socketBuffer holds the largest batch about one sandbox, and the answers to it: each rule is answered by itself.
const socketBuffer = 4 << 20

// transact sends what fill puts into a batch. It happens as a whole, or not at all.
func transact(fill func(*nftables.Conn) error) error { return transactSized(socketBuffer, fill) }

// transactSized is transact for a batch of which it is known how large it can be.
func transactSized(size int, fill func(*nftables.Conn) error) error {
	c, err := nftables.New(nftables.WithSockOptions(
		func(s *netlink.Conn) error { return s.SetReadBuffer(size) },
		func(s *netlink.Conn) error { return s.SetWriteBuffer(size) },
	))
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	if err := fill(c); err != nil {
		return err
	}
	return c.Flush()
}

// slot is a sandbox as the table knows it.
type slot struct {
	iface string // outside
	addr  netip.Addr
	mark  uint32
	n     int // of the address in the subnet
}

func (s slot) chainNames() (first, second, accepting string) {
	first = fmt.Sprintf("e%d", s.n)
	return first, first + "w", first + "a"
}

func (t *table) senderOf(s slot) []nftables.SetElement {
	return []nftables.SetElement{{Key: append(ifname(s.iface), address(s.addr)...)}}
}

func (t *table) flowsOf(s slot) []nftables.SetElement {
	return []nftables.SetElement{{Key: append(ifname(s.iface), native32(s.mark)...)}}
}

// admit lets a sandbox send from its address, on connections that it has; it may make none.
func (t *table) admit(c *nftables.Conn, s slot) error {
	if err := c.SetAddElements(t.senders, t.senderOf(s)); err != nil {
		return err
	}
	return c.SetAddElements(t.flows, t.flowsOf(s))
}

// addPolicy makes the chains of a sandbox's policy and returns the sets of its names. What is in these chains
// and sets is replaced: a change that failed may have happened all the same, if its answer was lost. The
// generation tells its sets from those of the policy before.
func (t *table) addPolicy(c *nftables.Conn, s slot, generation int, p *policy.Policy) ([]*nftables.Set, error) {
	sets := make([]*nftables.Set, p.Sets())
	for i := range sets {
		sets[i] = t.namesOf(s, generation, i)
		if err := c.AddSet(sets[i], nil); err != nil {
			return nil, err
		}
		c.FlushSet(sets[i])
	}
	_, secondName, acceptingName := s.chainNames()
	chains := t.emptyPolicy(c, s)
	first, accepting := chains[0], chains[2]
	t.add(c, accepting, t.fewConnections())
	t.add(c, accepting, match{
		&expr.Immediate{Register: reg1, Data: native32(s.mark)},
		&expr.Ct{Key: expr.CtKeyMARK, Register: reg1, SourceRegister: true},
	}, accept())
	for _, r := range p.Deny {
		t.add(c, first, matchRule(r, t.special, sets, false), goTo("refuse"))
	}
	next := []string{secondName, acceptingName}
	for i, list := range p.Allow {
		if i == len(p.Allow)-1 {
			next[i] = acceptingName
		}
		for _, r := range list {
			t.add(c, chains[i], matchRule(r, t.special, sets, true), goTo(next[i]))
		}
		t.add(c, chains[i], goTo("refuse"))
	}
	return sets, nil
}

// namesOf is a set of addresses that names lead to.
func (t *table) namesOf(s slot, generation, i int) *nftables.Set {
	return newSet(t.Table, nftables.Set{
		Name: fmt.Sprintf("n%d_%d_%d", s.n, generation, i), KeyType: nftables.TypeIPAddr, HasTimeout: true, Size: maxAddresses,
	})
}

// emptyPolicy makes the chains of a policy, and takes out the rules of those that are there.
func (t *table) emptyPolicy(c *nftables.Conn, s slot) []*nftables.Chain {
	first, second, accepting := s.chainNames()
	var chains []*nftables.Chain
	for _, name := range []string{first, second, accepting} { // in the order in which they refer to each other
		chains = append(chains, t.chain(c, name))
	}
	for _, chain := range chains {
		c.FlushChain(chain)
	}
	return chains
}

// enforce makes a sandbox's policy count.
func (t *table) enforce(c *nftables.Conn, s slot) error {
	first, _, _ := s.chainNames()
	return c.SetAddElements(t.policies, []nftables.SetElement{{
		Key: ifname(s.iface), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: first},
	}})
}

// dismiss takes back what the table has of a sandbox with a policy, be it all or nothing: to remove what is
// not there fails, so it is added first.
func (t *table) dismiss(c *nftables.Conn, s slot, sets []*nftables.Set) error {
	chains := t.emptyPolicy(c, s)
	if err := errors.Join(t.admit(c, s), t.enforce(c, s)); err != nil {
		return err
	}
	for set, elements := range map[*nftables.Set][]nftables.SetElement{
		t.senders: t.senderOf(s), t.flows: t.flowsOf(s), t.policies: {{Key: ifname(s.iface)}},
	} {
		if err := c.SetDeleteElements(set, elements); err != nil {
			return err
		}
	}
	for _, chain := range chains {
		c.DelChain(chain)
	}
	return t.removeSets(c, sets)
}

// removeSets removes sets that may be there.
func (t *table) removeSets(c *nftables.Conn, sets []*nftables.Set) error {
	for _, set := range sets {
		if err := c.AddSet(set, nil); err != nil {
			return err
		}
		c.DelSet(set)
	}
	return nil
}

// open lets rules about names apply to addresses for a time. An element that is there already would keep
// its old time, so it is replaced; to remove one that is not there fails, so it is added first.
func (t *table) open(c *nftables.Conn, set *nftables.Set, addr netip.Addr, d time.Duration) error {
	element := []nftables.SetElement{{Key: address(addr), Timeout: d}}
	if err := c.SetAddElements(set, element); err != nil {
		return err
	}
	if err := c.SetDeleteElements(set, element); err != nil {
		return err
	}
	return c.SetAddElements(set, element)
}

// exposure leads connections to a port of the gateway to target.
func exposure(proto byte, port uint16, target netip.AddrPort) []nftables.SetElement {
	return []nftables.SetElement{{
		Key: append(pad4([]byte{proto}), pad4(be16(port))...),
		Val: append(address(target.Addr()), pad4(be16(target.Port()))...),
	}}
}
