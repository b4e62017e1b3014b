package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/hostservice/httpguard"
	"github.com/nex-engine/nex/internal/network/policy"
)

// rules is nil for none: a list without rules is refused.
func rules(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Fields(s)
}

func newPolicy(t testing.TB, nodeAllow, nodeDeny, allow, deny string) *policy.Policy {
	t.Helper()
	p, err := policy.New(
		nex.Egress{Allow: rules(nodeAllow), Deny: rules(nodeDeny)},
		nex.Egress{Allow: rules(allow), Deny: rules(deny)},
	)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestResolves(t *testing.T) {
	for _, c := range []struct{ nodeAllow, nodeDeny, allow, deny, yes, no string }{
		{yes: "a.test b.test"},
		{deny: "b.test", yes: "a.test x.b.test", no: "b.test B.Test."},
		{nodeDeny: "*.b.test", yes: "a.test b.test", no: "x.b.test y.x.b.test"},
		{deny: "b.test:80", yes: "a.test b.test"},
		{deny: "*", no: "a.test"},
		{deny: "*:80 10.0.0.0/8", yes: "a.test"},
		{allow: "a.test *.b.test:80", yes: "a.test A.TEST. x.b.test", no: "b.test c.test"},
		{allow: "a.test 10.0.0.0/8", yes: "a.test", no: "b.test"},
		{allow: "10.0.0.0/8 8.8.8.8:443", no: "a.test"},
		{allow: "0.0.0.0/0:443", yes: "a.test"},
		{nodeAllow: "* 10.0.0.0/8", yes: "a.test"},
		{nodeAllow: "* 10.0.0.0/8", allow: "10.0.0.0/8", no: "a.test"},
		{nodeAllow: "10.0.0.0/8", allow: "*", no: "a.test"},
		{allow: "a.test *:443", yes: "b.test"},
		{nodeAllow: "*.test", allow: "a.test b.other", yes: "a.test", no: "b.test b.other"},
		{nodeAllow: "*", allow: "a.test", yes: "a.test", no: "b.test"},
		{allow: "a.test", deny: "a.test", no: "a.test"},
		{allow: "2001:db8::/32", no: "a.test"},
	} {
		p := newPolicy(t, c.nodeAllow, c.nodeDeny, c.allow, c.deny)
		for _, name := range strings.Fields(c.yes) {
			if !p.Resolves(name) {
				t.Errorf("%+v: %s does not resolve", c, name)
			}
		}
		for _, name := range strings.Fields(c.no) {
			if p.Resolves(name) {
				t.Errorf("%+v: %s resolves", c, name)
			}
		}
	}
}

func TestRules(t *testing.T) {
	p := newPolicy(t, "* 10.0.0.0/8:443", "*:25", "a.test b.test:80 *.c.test 2001:db8::1", "bad.test")
	port := func(r policy.Rule, first, last uint16) policy.Rule { r.FirstPort, r.LastPort = first, last; return r }
	if want := []policy.Rule{port(policy.Rule{}, 25, 25), {Set: 1}}; !slices.Equal(p.Deny, want) {
		t.Errorf("deny is %+v, want %+v", p.Deny, want)
	}
	bound := []policy.Rule{{Public: true}, port(policy.Rule{Network: netip.MustParsePrefix("10.0.0.0/8")}, 443, 443)}
	own := []policy.Rule{{Set: 2}, port(policy.Rule{Set: 3}, 80, 80)}
	if len(p.Allow) != 2 || !slices.Equal(p.Allow[0], bound) || !slices.Equal(p.Allow[1], own) || p.Sets() != 3 {
		t.Errorf("allow is %+v of %d sets, want %+v and %+v", p.Allow, p.Sets(), bound, own)
	}
	for _, c := range []struct {
		name, addr string
		want       []int
	}{
		{"a.test", "8.8.8.8", []int{2}},
		{"A.Test.", "8.8.8.8", []int{2}},
		{"x.c.test", "8.8.8.8", []int{2}},
		{"b.test", "8.8.8.8", []int{3}},
		{"bad.test", "8.8.8.8", []int{1}},
		{"bad.test", "10.1.2.3", []int{1}},
		{"a.test", "10.1.2.3", nil},
		{"a.test", "169.254.169.254", nil},
		{"a.test", "2001:db8::1", nil},
		{"other.test", "8.8.8.8", nil},
	} {
		if got := p.SetsOf(c.name, netip.MustParseAddr(c.addr)); !slices.Equal(got, c.want) {
			t.Errorf("%s at %s is in %v, want %v", c.name, c.addr, got, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	bad := nex.Egress{Allow: []string{"a b"}}
	for _, c := range [][2]nex.Egress{{bad, {}}, {{}, bad}, {{}, {Deny: []string{"10.0.0.1/8"}}}} {
		if _, err := policy.New(c[0], c[1]); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
}

// What is public is so for functions and for services: the same as the guard of HTTP calls says.
func TestPublicIsTheSameElsewhere(t *testing.T) {
	guard, err := httpguard.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(a netip.Addr) {
		if !a.IsValid() { // before the first address, or after the last
			return
		}
		if got, want := policy.Public(a), guard.CheckAddr("x.test", a) == nil; got != want {
			t.Errorf("%s is public: %v, want %v", a, got, want)
		}
	}
	for _, p := range policy.Special { // the edges of each range, and what is next to them
		first := p.Addr()
		check(first)
		check(first.Prev())
		last := first.As4()
		for bit := p.Bits(); bit < 32; bit++ {
			last[bit/8] |= 1 << (7 - bit%8)
		}
		check(netip.AddrFrom4(last))
		check(netip.AddrFrom4(last).Next())
	}
	for i := range 1 << 16 {
		check(netip.AddrFrom4([4]byte{byte(i >> 8), byte(i), 2, 1}))
	}
}

func TestSpecialInOrder(t *testing.T) {
	for i, p := range policy.Special[1:] {
		if before := policy.Special[i]; before.Overlaps(p) || before.Addr().Compare(p.Addr()) >= 0 {
			t.Errorf("%s comes after %s", p, before)
		}
	}
}

// A name never opens what is not public, and what is denied is never resolved.
func FuzzPolicy(f *testing.F) {
	f.Add("a.test", "*.a.test", "x.a.test", []byte{10, 0, 0, 1})
	f.Add("*:80", "a.test:80", "a.test", []byte{8, 8, 8, 8})
	f.Add("10.0.0.0/8", "*", "b.test.", []byte{169, 254, 169, 254})
	f.Fuzz(func(t *testing.T, allow, deny, name string, addr []byte) {
		a, ok := netip.AddrFromSlice(addr)
		if !ok {
			return
		}
		p, err := policy.New(nex.Egress{Deny: []string{deny}}, nex.Egress{Allow: []string{allow}})
		if err != nil {
			return
		}
		if p.Denies(name) && p.Resolves(name) {
			t.Errorf("%q is denied by %q and resolves", name, deny)
		}
		denied := 0
		for _, r := range p.Deny {
			denied = max(denied, r.Set)
		}
		for _, n := range p.SetsOf(name, a) {
			if n < 1 || n > p.Sets() || n > denied && !policy.Public(a) {
				t.Errorf("%s of %q is in set %d of allow %q, deny %q", a, name, n, allow, deny)
			}
		}
	})
}
