//go:build linux

package network

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/network/policy"
)

const (
	// maxConnections is how many connections a sandbox may have. The kernel's table of them is for the
	// whole machine.
	maxConnections = 4096
	// questionRate and questionBurst bound the name questions of a sandbox, by second.
	questionRate, questionBurst = 256, 512
	// maxAddresses bounds how many addresses the names of one set may lead to at a time.
	maxAddresses = 4096
)

// table is the node's nftables table.
type table struct {
	*nftables.Table
	node string // its name
	ours string // begins the names of the interfaces

	senders  *nftables.Set // interface . address: what a sandbox may send from
	flows    *nftables.Set // interface . mark: accepted connections of an attachment
	exposed  *nftables.Set // protocol . port of the gateway: address . port
	policies *nftables.Set // interface: chain of its policy
	guarded  *nftables.Set // uplinks whose forwarding is on because of us
	subnet   *nftables.Set // its first and last address, for other nodes to see
	special  *nftables.Set // networks that are not public
	never    *nftables.Set // networks that are reached by no rule
	conns    *nftables.Set // connections of a sandbox, counted
	askers   *nftables.Set // name questions of a sandbox, measured
}

var setID atomic.Uint32

// newSet names a set with a number that no other of this process has, as a batch needs it.
func newSet(t *nftables.Table, s nftables.Set) *nftables.Set {
	s.Table, s.ID = t, setID.Add(1)
	return &s
}

// newTable is one of the tables that a node may have: see tableName.
func newTable(node string, number int) *table {
	t := &table{
		Table: &nftables.Table{Family: nftables.TableFamilyIPv4, Name: tableName(node, number)}, node: node, ours: interfacePrefix(node),
	}
	set := func(name string, key ...nftables.SetDatatype) *nftables.Set {
		return newSet(t.Table, nftables.Set{Name: name, KeyType: nftables.MustConcatSetType(key...), Concatenation: len(key) > 1})
	}
	t.senders = set("senders", nftables.TypeIFName, nftables.TypeIPAddr)
	t.flows = set("flows", nftables.TypeIFName, nftables.TypeMark)
	t.exposed = set("exposed", nftables.TypeInetProto, nftables.TypeInetService)
	t.exposed.IsMap, t.exposed.DataType = true, nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService)
	t.policies = set("policies", nftables.TypeIFName)
	t.policies.IsMap, t.policies.DataType = true, nftables.TypeVerdict
	t.guarded = set("guarded", nftables.TypeIFName)
	t.subnet = set("subnet", nftables.TypeIPAddr)
	t.special, t.never = set("special", nftables.TypeIPAddr), set("never", nftables.TypeIPAddr)
	t.special.Interval, t.never.Interval = true, true
	t.conns, t.askers = set("conns", nftables.TypeIPAddr), set("askers", nftables.TypeIPAddr)
	t.conns.Dynamic, t.conns.Size = true, 1<<16
	t.askers.Dynamic, t.askers.Size = true, 1<<16
	t.askers.HasTimeout, t.askers.Timeout = true, time.Minute
	return t
}

// create puts the table with its sets into the batch, without what an earlier process left in it.
func (t *table) create(c *nftables.Conn, subnet netip.Prefix, gateway netip.Addr) error {
	c.AddTable(t.Table) // so that there is one to delete
	c.DelTable(t.Table)
	c.AddTable(t.Table)
	for _, s := range []*nftables.Set{t.senders, t.flows, t.exposed, t.policies, t.guarded, t.conns, t.askers} {
		if err := c.AddSet(s, nil); err != nil {
			return err
		}
	}
	for s, elements := range map[*nftables.Set][]nftables.SetElement{
		t.special: ranges(policy.Special),
		t.never:   ranges(policy.Never),
		t.subnet:  {{Key: address(subnet.Addr())}, {Key: address(lastOf(subnet))}},
	} {
		if err := c.AddSet(s, elements); err != nil {
			return err
		}
	}
	t.addChains(c, subnet, gateway)
	return nil
}

// addChains adds all that is the same for every sandbox. A packet of a connection that was accepted
// passes one set on arrival and one on its way out, however many sandboxes there are.
func (t *table) addChains(c *nftables.Conn, subnet netip.Prefix, gateway netip.Addr) {
	t.refusal(c)
	t.arrival(c, gateway)
	t.toMachine(c, gateway)
	t.forwarding(c, subnet, gateway)
	base := t.hook(c, "postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, *nftables.ChainPriorityNATSource)
	t.add(c, base, network(loadSource(reg1), subnet), notTo(t.ours), notTo("lo\x00"), match{&expr.Masq{}})
}

func (t *table) hook(c *nftables.Conn, name string, kind nftables.ChainType, hook *nftables.ChainHook, priority nftables.ChainPriority) *nftables.Chain {
	return c.AddChain(&nftables.Chain{Table: t.Table, Name: name, Type: kind, Hooknum: hook, Priority: &priority})
}

func (t *table) chain(c *nftables.Conn, name string) *nftables.Chain {
	return c.AddChain(&nftables.Chain{Table: t.Table, Name: name})
}

func (t *table) add(c *nftables.Conn, chain *nftables.Chain, parts ...match) {
	c.AddRule(&nftables.Rule{Table: t.Table, Chain: chain, Exprs: rule(parts...)})
}

func (t *table) refusal(c *nftables.Conn) {
	refuse := t.chain(c, "refuse")
	t.add(c, refuse, protocol(unix.IPPROTO_TCP), match{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
	const portUnreachable = 3 // the one that all stacks hand to UDP programs
	t.add(c, refuse, match{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: portUnreachable}})
}

// arrival drops what a sandbox must not send at all, before a connection is made of it, and leads what is
// for an exposed port to where that is. It does so before other tables can.
func (t *table) arrival(c *nftables.Conn, gateway netip.Addr) {
	arriving := t.chain(c, "arriving")
	t.add(c, arriving, destination(loopback()), drop())
	t.add(c, arriving, match{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1}, loadSource(reg2), in(t.senders)}, accept())
	t.add(c, arriving, drop())
	base := t.hook(c, "prerouting", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, *nftables.ChainPriorityRaw)
	t.add(c, base, from(t.ours), goTo(arriving.Name))

	dnat := t.hook(c, "exposing", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, *nftables.ChainPriorityNATDest-5)
	t.add(c, dnat, from(t.ours), destination(netip.PrefixFrom(gateway, 32)), match{
		loadProtocol(), loadPort(reg1b), value(t.exposed, reg1),
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg1, RegProtoMin: reg1b, Specified: true},
	})
}

// isExposed matches connections to an exposed port, wherever they lead.
func (t *table) isExposed(gateway netip.Addr) match {
	return match{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: reg1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 4, Mask: native32(statusDNAT), Xor: make([]byte, 4)},
		unequal(make([]byte, 4)),
		&expr.Ct{Key: expr.CtKeyDST, Register: reg1, Direction: original}, equal(address(gateway)),
		loadProtocol(), &expr.Ct{Key: expr.CtKeyPROTODST, Register: reg1b, Direction: original}, value(t.exposed, reg1),
	}
}

// fewConnections refuses new connections of a sandbox that has too many.
func (t *table) fewConnections() match {
	return append(match{
		loadSource(reg1),
		&expr.Dynset{SrcRegKey: reg1, SetName: t.conns.Name, SetID: t.conns.ID, Operation: uint32(unix.NFT_DYNSET_OP_ADD), Exprs: []expr.Any{
			&expr.Connlimit{Count: maxConnections, Flags: unix.NFT_LIMIT_F_INV},
		}},
	}, goTo("refuse")...)
}

// toMachine is about packets to an address of this machine, and exposed ports here.
func (t *table) toMachine(c *nftables.Conn, gateway netip.Addr) {
	asking := t.chain(c, "asking")
	t.add(c, asking, match{
		loadSource(reg1),
		&expr.Dynset{SrcRegKey: reg1, SetName: t.askers.Name, SetID: t.askers.ID, Operation: uint32(unix.NFT_DYNSET_OP_ADD), Exprs: []expr.Any{
			&expr.Limit{Type: expr.LimitTypePkts, Rate: questionRate, Unit: expr.LimitTimeSecond, Burst: questionBurst, Over: true},
		}},
	}, drop())
	t.add(c, asking, t.isExposed(gateway), accept())
	t.add(c, asking, goTo("refuse"))

	local := t.chain(c, "local")
	t.add(c, local, protocol(unix.IPPROTO_UDP), goTo(asking.Name))
	t.add(c, local, protocol(unix.IPPROTO_ICMP), match{loadICMPType(), equal([]byte{icmpRedirect})}, drop())
	t.add(c, local, state(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept())
	t.add(c, local, t.fewConnections())
	t.add(c, local, t.isExposed(gateway), accept())
	t.add(c, local, destination(netip.PrefixFrom(gateway, 32)), isPing(), accept())
	t.add(c, local, goTo("refuse"))
	base := t.hook(c, "input", nftables.ChainTypeFilter, nftables.ChainHookInput, *nftables.ChainPriorityFilter)
	t.add(c, base, from(t.ours), goTo(local.Name))
}

func loadICMPType() expr.Any {
	return &expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1}
}

func isPing() match {
	return append(protocol(unix.IPPROTO_ICMP), loadICMPType(), equal([]byte{icmpPingType}))
}

// forwarding is about packets that pass this machine.
func (t *table) forwarding(c *nftables.Conn, subnet netip.Prefix, gateway netip.Addr) {
	entering := t.chain(c, "entering")
	t.add(c, entering, state(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept())
	t.add(c, entering, goTo("refuse")) // at once also for a sandbox of another node

	led := t.chain(c, "led") // to an exposed port of another machine
	t.add(c, led, state(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept())
	t.add(c, led, t.fewConnections())
	t.add(c, led, accept())

	leaving := t.chain(c, "leaving")
	t.add(c, leaving, match{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1}, &expr.Ct{Key: expr.CtKeyMARK, Register: reg2}, in(t.flows),
	}, accept())
	t.add(c, leaving, state(expr.CtStateBitINVALID), drop())
	t.add(c, leaving, protocol(unix.IPPROTO_ICMP), match{loadICMPType(), unequal([]byte{icmpPingType})}, drop())
	t.add(c, leaving, match{
		loadProtocol(), unequal([]byte{unix.IPPROTO_TCP}), unequal([]byte{unix.IPPROTO_UDP}), unequal([]byte{unix.IPPROTO_ICMP}),
	}, goTo("refuse"))
	t.add(c, leaving, t.isExposed(gateway), goTo(led.Name))
	t.add(c, leaving, destination(subnet), goTo("refuse"))
	t.add(c, leaving, to(t.ours), goTo("refuse"))
	t.add(c, leaving, match{loadDestination(), in(t.never)}, goTo("refuse"))
	t.add(c, leaving, match{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1}, value(t.policies, 0)})
	t.add(c, leaving, goTo("refuse"))

	base := t.hook(c, "forward", nftables.ChainTypeFilter, nftables.ChainHookForward, *nftables.ChainPriorityFilter)
	t.add(c, base, from(t.ours), goTo(leaving.Name))
	t.add(c, base, to(t.ours), goTo(entering.Name))
	// Sandboxes of other nodes are guarded by the tables of those.
	t.add(c, base, match{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1}, in(t.guarded)}, notTo("nex"), drop())
}
