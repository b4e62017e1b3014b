//go:build linux

package network

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/nex-engine/nex/internal/network/policy"
)

// Registers: the first two of 16 bytes, and the second quarter of the first.
const (
	reg1  = 1
	reg2  = 2
	reg1b = 9
)

// The first direction of a connection, the status of one whose destination was changed, and types of ICMP.
const (
	original     = 0
	statusDNAT   = 1 << 5
	icmpPingType = 8
	icmpRedirect = 5
)

// match is a part of a rule.
type match []expr.Any

func rule(parts ...match) []expr.Any {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: data}
}

func unequal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpNeq, Register: reg1, Data: data}
}

func verdict(kind expr.VerdictKind, chain string) match {
	return match{&expr.Verdict{Kind: kind, Chain: chain}}
}

func accept() match               { return verdict(expr.VerdictAccept, "") }
func drop() match                 { return verdict(expr.VerdictDrop, "") }
func goTo(chain string) match     { return verdict(expr.VerdictGoto, chain) }
func ifname(name string) []byte   { return append([]byte(name), make([]byte, 16-len(name))...) }
func loopback() netip.Prefix      { return netip.MustParsePrefix("127.0.0.0/8") }
func be16(port uint16) []byte     { return binary.BigEndian.AppendUint16(nil, port) }
func native32(v uint32) []byte    { return binary.NativeEndian.AppendUint32(nil, v) }
func pad4(b []byte) []byte        { return append(b, make([]byte, (4-len(b)%4)%4)...) }
func address(a netip.Addr) []byte { return a.AsSlice() }

// from and to match the interface that a packet is from, or leaves by, by the beginning of its name.
func from(prefix string) match {
	return match{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg1}, equal([]byte(prefix))}
}

func to(prefix string) match {
	return match{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg1}, equal([]byte(prefix))}
}

func notTo(prefix string) match {
	return match{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg1}, unequal([]byte(prefix))}
}

func loadSource(reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}
}

func loadDestination() expr.Any {
	return &expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
}

// loadPort loads the destination port of TCP and UDP.
func loadPort(reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
}

func loadProtocol() expr.Any { return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1} }

func protocol(p byte) match { return match{loadProtocol(), equal([]byte{p})} }

// network matches the address that was loaded last.
func network(load expr.Any, p netip.Prefix) match {
	if p.Bits() == 32 {
		return match{load, equal(address(p.Addr()))}
	}
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Bits()))
	if p.Bits() == 0 {
		mask = make([]byte, 4)
	}
	return match{
		load,
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		equal(address(p.Masked().Addr())),
	}
}

func destination(p netip.Prefix) match { return network(loadDestination(), p) }

func notDestination(p netip.Prefix) match {
	m := destination(p)
	m[len(m)-1].(*expr.Cmp).Op = expr.CmpOpNeq
	return m
}

// in matches what was loaded to the first register with the members of a set.
func in(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: reg1, SetName: set.Name, SetID: set.ID}
}

func notIn(set *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: reg1, SetName: set.Name, SetID: set.ID, Invert: true}
}

// value replaces the key in the first register by its value in a map; without one the rule is not for
// the packet. As a verdict map it is the verdict.
func value(set *nftables.Set, dest uint32) expr.Any {
	return &expr.Lookup{SourceRegister: reg1, DestRegister: dest, IsDestRegSet: true, SetName: set.Name, SetID: set.ID}
}

// state matches the states of the packet's connection.
func state(bits uint32) match {
	return match{
		&expr.Ct{Key: expr.CtKeySTATE, Register: reg1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 4, Mask: native32(bits), Xor: make([]byte, 4)},
		unequal(make([]byte, 4)),
	}
}

// ports matches a range of destination ports of TCP and UDP, all of them and all else if it begins at 0.
func ports(first, last uint16) match {
	if first == 0 {
		return nil
	}
	return match{
		loadProtocol(), unequal([]byte{unix.IPPROTO_ICMP}), // the other two are TCP and UDP
		loadPort(reg1),
		&expr.Range{Op: expr.CmpOpEq, Register: reg1, FromData: be16(first), ToData: be16(last)},
	}
}

// ranges are the elements of a set of networks, which must be in order and without overlap.
func ranges(networks []netip.Prefix) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, p := range networks {
		elements = append(elements, nftables.SetElement{Key: address(p.Addr())})
		first := binary.BigEndian.Uint32(p.Addr().AsSlice())
		if next := first + 1<<(32-p.Bits()); next > first { // 0 after the last address
			elements = append(elements, nftables.SetElement{Key: binary.BigEndian.AppendUint32(nil, next), IntervalEnd: true})
		}
	}
	return elements
}

// matchRule matches the destinations of a rule. The sets are those of names.
func matchRule(r policy.Rule, public *nftables.Set, sets []*nftables.Set, allows bool) match {
	m := ports(r.FirstPort, r.LastPort)
	switch {
	case r.Set > 0:
		m = append(m, loadDestination(), in(sets[r.Set-1]))
	case r.Public:
		m = append(m, loadDestination(), notIn(public))
	case r.Network.IsValid():
		m = append(m, destination(r.Network)...)
		outside := r.Network.Bits() < policy.LinkLocal.Bits()
		if allows && outside && r.Network.Contains(policy.LinkLocal.Addr()) {
			m = append(m, notDestination(policy.LinkLocal)...)
		}
	}
	return m
}
