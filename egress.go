package nex

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Egress says where a workload may connect to, if it has a network of its own.
//
// A rule is a destination and, after a colon, a port or a range of ports ("443", "8000-8100"); without
// a port it is for all. A destination is an address, a network ("10.1.0.0/16"), a host name
// ("api.example.com"), a name with all names below it ("*.example.com"), or "*" for everywhere.
//
// A connection is denied if a rule of Deny is for it, else allowed if a rule of Allow is for it. If
// neither is, it is allowed when Allow is empty and the address is public: neither private, loopback,
// link-local, multicast nor reserved. Private addresses are reached only through a rule that names them by
// address or network, link-local ones (such as the metadata service of a cloud) only through one within
// 169.254.0.0/16, and the machine of the node, other workloads, loopback and multicast through none.
//
// A node has an Egress, too, and a connection must pass both: a workload can narrow what its node allows,
// and never widen it. Without an Allow list of its own it has all that its node allows.
//
// Names work by way of the name server that the workload is given. A name stands for the public addresses
// that this server answered with. It resolves if it is not denied on all ports and each list of Allow that
// there is has a rule about it, "*" or "0.0.0.0/0", with whatever ports: rules about other networks and
// addresses allow no names. Who reaches a private service by its name needs two rules, for the name and for
// the address. To deny a name does not keep a workload from an address that it knows by other
// means: to be sure, allow the few instead. Rules about IPv6 are for nothing where workloads have none.
type Egress struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// MaxEgressRules bounds each list of an Egress.
const MaxEgressRules = 64

// IsZero reports whether e says nothing.
func (e Egress) IsZero() bool { return len(e.Allow) == 0 && len(e.Deny) == 0 }

// Check returns an error that names the first rule that is malformed.
func (e Egress) Check() error {
	if e.Allow != nil && len(e.Allow) == 0 { // which would allow everything
		return errors.New("there are no rules of what is allowed: leave them away, or deny *")
	}
	for _, list := range [][]string{e.Allow, e.Deny} {
		if len(list) > MaxEgressRules {
			return fmt.Errorf("there are more than %d rules in one list", MaxEgressRules)
		}
		for _, rule := range list {
			if _, err := ParseEgressRule(rule); err != nil {
				return err
			}
		}
	}
	return nil
}

// EgressRule is a parsed rule of an [Egress]. One of Network and Name is set, neither for "*".
type EgressRule struct {
	Network netip.Prefix
	// Name is in lower case, without a dot at its end; a leading "*." stands for all names below.
	Name string
	// FirstPort and LastPort are 0 for all ports.
	FirstPort, LastPort uint16
}

// Everywhere reports whether the rule is for all destinations.
func (r EgressRule) Everywhere() bool { return !r.Network.IsValid() && r.Name == "" }

// ParseEgressRule parses one rule.
func ParseEgressRule(rule string) (EgressRule, error) {
	bad := func(why string) (EgressRule, error) {
		return EgressRule{}, fmt.Errorf("egress rule %q: %s", clip(rule), why)
	}
	destination, ports := rule, ""
	// Of IPv6 only the bracketed form can have a port.
	if i := strings.LastIndexByte(rule, ':'); i >= 0 && (strings.Count(rule, ":") == 1 || strings.HasSuffix(rule[:i], "]")) {
		destination, ports = rule[:i], rule[i+1:]
		if ports == "" {
			return bad("there is no port after the colon")
		}
	}
	var r EgressRule
	var err error
	if ports != "" {
		if r.FirstPort, r.LastPort, err = parsePorts(ports); err != nil {
			return bad(err.Error())
		}
	}
	if inner, isBracketed := strings.CutPrefix(destination, "["); isBracketed {
		if destination, isBracketed = strings.CutSuffix(inner, "]"); !isBracketed || !strings.Contains(destination, ":") {
			return bad("brackets are for IPv6, and come in pairs")
		}
	}
	switch {
	case destination == "*":
		return r, nil
	case strings.Contains(destination, "/"):
		if r.Network, err = netip.ParsePrefix(destination); err != nil {
			return bad("the network is malformed")
		}
		const mapped = 96 // bits before an IPv4 address in its IPv6 form
		if r.Network.Addr().Is4In6() && r.Network.Bits() >= mapped {
			r.Network = netip.PrefixFrom(r.Network.Addr().Unmap(), r.Network.Bits()-mapped)
		}
		if r.Network != r.Network.Masked() {
			return bad("it is an address in a network: write the network, " + r.Network.Masked().String())
		}
		return r, nil
	}
	if addr, err := netip.ParseAddr(destination); err == nil {
		if addr.Zone() != "" {
			return bad("an address has no zone here")
		}
		addr = addr.Unmap()
		r.Network = netip.PrefixFrom(addr, addr.BitLen())
		return r, nil
	}
	r.Name = strings.ToLower(strings.TrimSuffix(destination, "."))
	if !validHostPattern(r.Name) {
		return bad("it is no address, network or host name")
	}
	return r, nil
}

func parsePorts(s string) (first, last uint16, err error) {
	from, to, isRange := strings.Cut(s, "-")
	a, err := strconv.ParseUint(from, 10, 16)
	if err != nil || a == 0 {
		return 0, 0, fmt.Errorf("%q is no port: it is 1 to 65535, or a range such as 8000-8100", clip(s))
	}
	b := a
	if isRange {
		if b, err = strconv.ParseUint(to, 10, 16); err != nil || b < a {
			return 0, 0, fmt.Errorf("%q is no range of ports: write one such as 8000-8100", clip(s))
		}
	}
	return uint16(a), uint16(b), nil
}

// validHostPattern reports whether s is a host name, or "*." and one.
func validHostPattern(s string) bool {
	s = strings.TrimPrefix(s, "*.")
	if s == "" || len(s) > 253 {
		return false
	}
	digits := true // in the last label: then it is a malformed address
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		digits = true
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
			digits = digits && '0' <= c && c <= '9'
		}
	}
	return !digits
}
