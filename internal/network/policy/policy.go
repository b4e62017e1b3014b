// Package policy turns what a node and a workload say about egress into rules that packets and names
// can be held against.
//
// Two lists that allow are both bounds: a connection must be allowed by the node and, if the workload has
// a list of its own, by the workload. So a workload narrows what its node allows, and never widens it. A
// rule that denies counts wherever it is from.
//
// Everything here is IPv4: sandboxes have no IPv6, and rules about it are for nothing.
package policy

import (
	"fmt"
	"net/netip"
	"strings"

	nex "github.com/nex-engine/nex"
)

// Rule is a destination: the addresses of Network, of the names of Set, the public ones, or, when none of
// the three is set, all.
type Rule struct {
	Network netip.Prefix
	// Set is the number of a set of names, from 1. See [Policy.Sets].
	Set int
	// Public says that the rule is for public addresses.
	Public bool
	// FirstPort and LastPort are 0 for all ports, and for what has no ports.
	FirstPort, LastPort uint16
}

// Policy is what a sandbox may connect to. It never changes, so it is safe for concurrent use.
type Policy struct {
	// Deny holds what is refused, before all else.
	Deny []Rule
	// Allow holds lists: a connection needs a rule that is for it in each of them. There are one or two.
	Allow [][]Rule

	sets []nameSet
}

// nameSet holds the names of the rules of one list that have the same ports.
type nameSet struct {
	denies   bool
	names    map[string]bool
	suffixes []string // of "*.example.com": ".example.com"
}

// New makes the policy of a workload on a node. It fails on a malformed rule.
func New(node, workload nex.Egress) (*Policy, error) {
	p := &Policy{}
	for _, e := range []nex.Egress{node, workload} {
		if err := e.Check(); err != nil {
			return nil, err
		}
		denied, err := p.compile(e.Deny, true)
		if err != nil {
			return nil, err
		}
		p.Deny = append(p.Deny, denied...)
	}
	bound := []Rule{{Public: true}}
	if len(node.Allow) > 0 {
		var err error
		if bound, err = p.compile(node.Allow, false); err != nil {
			return nil, err
		}
	}
	p.Allow = [][]Rule{bound}
	if len(workload.Allow) > 0 {
		narrower, err := p.compile(workload.Allow, false)
		if err != nil {
			return nil, err
		}
		p.Allow = append(p.Allow, narrower)
	}
	return p, nil
}

// compile parses one list.
func (p *Policy) compile(list []string, denies bool) ([]Rule, error) {
	var rules []Rule
	sets := map[[2]uint16]int{} // by ports: the number of the set
	for _, text := range list {
		parsed, err := nex.ParseEgressRule(text)
		if err != nil {
			return nil, fmt.Errorf("compile egress: %w", err)
		}
		r := Rule{FirstPort: parsed.FirstPort, LastPort: parsed.LastPort}
		switch {
		case parsed.Network.IsValid():
			if !parsed.Network.Addr().Is4() {
				continue
			}
			r.Network = parsed.Network
		case parsed.Name != "":
			ports := [2]uint16{r.FirstPort, r.LastPort}
			n := sets[ports]
			if n == 0 {
				p.sets = append(p.sets, nameSet{denies: denies, names: map[string]bool{}})
				n = len(p.sets)
				sets[ports] = n
				r.Set = n
				rules = append(rules, r)
			}
			p.sets[n-1].add(parsed.Name)
			continue
		default:
			r.Public = !denies
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func (s *nameSet) add(name string) {
	if below, isPattern := strings.CutPrefix(name, "*"); isPattern {
		s.suffixes = append(s.suffixes, below)
	} else {
		s.names[name] = true
	}
}

func (s *nameSet) has(name string) bool {
	if s.names[name] {
		return true
	}
	for _, suffix := range s.suffixes {
		if len(name) > len(suffix) && strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// Sets is how many sets of names the rules use.
func (p *Policy) Sets() int { return len(p.sets) }

// canonical is how rules write a name.
func canonical(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// Resolves reports whether the sandbox may ask for name: it is not denied on all ports, and each list allows
// it, by a rule about names or one for all addresses. A rule about some addresses allows no names, since
// questions carry data to wherever a name server is, past a list that is to keep it in.
func (p *Policy) Resolves(name string) bool {
	name = canonical(name)
	if p.Denies(name) {
		return false
	}
	for _, list := range p.Allow {
		if !p.allowsName(list, name) {
			return false
		}
	}
	return true
}

// Denies reports whether name is denied on all ports.
func (p *Policy) Denies(name string) bool {
	name = canonical(name)
	for _, r := range p.Deny {
		everywhere := r.Set == 0 && !r.Network.IsValid()
		if r.FirstPort == 0 && (everywhere || r.Set > 0 && p.sets[r.Set-1].has(name)) {
			return true
		}
	}
	return false
}

func (p *Policy) allowsName(list []Rule, name string) bool {
	for _, r := range list {
		all := r.Public || r.Network.IsValid() && r.Network.Bits() == 0
		if all || r.Set > 0 && p.sets[r.Set-1].has(name) {
			return true
		}
	}
	return false
}

// SetsOf returns the numbers of the sets that an address belongs in which name led to. Sets of rules that
// allow take public addresses only: whoever owns a name decides where it leads, and must not thereby open
// the network that the node is in.
func (p *Policy) SetsOf(name string, addr netip.Addr) []int {
	var numbers []int
	if !addr.Is4() {
		return nil
	}
	name = canonical(name)
	for i := range p.sets {
		s := &p.sets[i]
		if s.has(name) && (s.denies || Public(addr)) {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}
