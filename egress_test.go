package nex_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	nex "github.com/nex-engine/nex"
)

func TestParseEgressRule(t *testing.T) {
	network := func(s string, first, last uint16) nex.EgressRule {
		return nex.EgressRule{Network: netip.MustParsePrefix(s), FirstPort: first, LastPort: last}
	}
	name := func(s string, first, last uint16) nex.EgressRule {
		return nex.EgressRule{Name: s, FirstPort: first, LastPort: last}
	}
	for text, want := range map[string]nex.EgressRule{
		"*":                          {},
		"*:443":                      {FirstPort: 443, LastPort: 443},
		"*:8000-8100":                {FirstPort: 8000, LastPort: 8100},
		"*:1-65535":                  {FirstPort: 1, LastPort: 65535},
		"10.1.2.3":                   network("10.1.2.3/32", 0, 0),
		"10.1.2.3:80":                network("10.1.2.3/32", 80, 80),
		"10.1.0.0/16":                network("10.1.0.0/16", 0, 0),
		"10.1.0.0/16:80-81":          network("10.1.0.0/16", 80, 81),
		"0.0.0.0/0":                  network("0.0.0.0/0", 0, 0),
		"2001:db8::1":                network("2001:db8::1/128", 0, 0),
		"[2001:db8::1]":              network("2001:db8::1/128", 0, 0),
		"[2001:db8::1]:443":          network("2001:db8::1/128", 443, 443),
		"2001:db8::/32":              network("2001:db8::/32", 0, 0),
		"[2001:db8::/32]:443":        network("2001:db8::/32", 443, 443),
		"::ffff:10.1.2.3":            network("10.1.2.3/32", 0, 0),
		"[::ffff:10.1.0.0/112]:1-2":  network("10.1.0.0/16", 1, 2),
		"::ffff:0.0.0.0/96":          network("0.0.0.0/0", 0, 0),
		"api.example.com":            name("api.example.com", 0, 0),
		"API.Example.com.:443":       name("api.example.com", 443, 443),
		"*.example.com:80":           name("*.example.com", 80, 80),
		"localhost":                  name("localhost", 0, 0),
		"_srv.a-b.test":              name("_srv.a-b.test", 0, 0),
		"xn--bcher-kva.example:1-10": name("xn--bcher-kva.example", 1, 10),
	} {
		got, err := nex.ParseEgressRule(text)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", text, got, err, want)
		}
		if everywhere := strings.HasPrefix(text, "*") && !strings.HasPrefix(text, "*."); got.Everywhere() != everywhere {
			t.Errorf("%q is for everywhere: %v", text, got.Everywhere())
		}
	}
}

func TestParseEgressRuleRefuses(t *testing.T) {
	for _, text := range []string{
		"", ":", ":443", "*:", "a.test:", "*:0", "*:65536", "*:80-", "*:-80", "*:81-80", "*:80-70000", "*:http", "*:80:81", "*:+80",
		"10.1.2.3/16", "10.0.0.0/33", "10.0.0.0/", "/8", "a/8", "2001:db8::1/32", "10.0.0.256", "10.0.0", "010.0.0.1", "1",
		"fe80::1%eth0", "fe80::%eth0/64", "[10.0.0.1]", "[10.0.0.1", "10.0.0.1]", "[2001:db8::1", "2001:db8::1]", "[a.test]", "[]", "[]:80", "[[::1]]",
		"a b", "a..test", ".test", "test..", "-a.test", "a-.test", "*.", "*.*.test", "a*.test", "**", "bücher.example", "http://a.test", "a.test/x",
		strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 127) + "ab", "a\x00.test", "a.test\n",
	} {
		r, err := nex.ParseEgressRule(text)
		if err == nil {
			t.Errorf("%q is %+v", text, r)
		} else if len(err.Error()) > 300 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %q is no short line", text, err)
		}
	}
}

func TestEgressCheck(t *testing.T) {
	many := func(n int) (rules []string) {
		for i := range n {
			rules = append(rules, fmt.Sprintf("10.0.0.%d", i))
		}
		return rules
	}
	if !(nex.Egress{}).IsZero() || (nex.Egress{Deny: many(1)}).IsZero() || (nex.Egress{Allow: many(1)}).IsZero() {
		t.Error("what says nothing is not told apart")
	}
	for name, c := range map[string]struct {
		e  nex.Egress
		ok bool
	}{
		"empty":           {nex.Egress{}, true},
		"allow nothing":   {nex.Egress{Allow: []string{}}, false},
		"most":            {nex.Egress{Allow: many(nex.MaxEgressRules), Deny: many(nex.MaxEgressRules)}, true},
		"many allowed":    {nex.Egress{Allow: many(nex.MaxEgressRules + 1)}, false},
		"many denied":     {nex.Egress{Deny: many(nex.MaxEgressRules + 1)}, false},
		"malformed":       {nex.Egress{Allow: []string{"*"}, Deny: []string{"*", "a b"}}, false},
		"malformed first": {nex.Egress{Allow: []string{"a b"}}, false},
	} {
		if err := c.e.Check(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// write is the rule as text again.
func write(r nex.EgressRule) string {
	s := "*"
	switch {
	case r.Name != "":
		s = r.Name
	case r.Network.IsValid() && r.Network.Addr().Is6():
		s = "[" + r.Network.String() + "]"
	case r.Network.IsValid():
		s = r.Network.String()
	}
	if r.FirstPort > 0 {
		s += fmt.Sprintf(":%d-%d", r.FirstPort, r.LastPort)
	}
	return s
}

// A rule that is taken is sound, and means the same when it is written down and read again.
func FuzzParseEgressRule(f *testing.F) {
	for _, s := range []string{"*", "*:443", "10.1.0.0/16:8000-8100", "[2001:db8::1]:443", "*.example.com:80", "::ffff:10.1.2.3", "a:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := nex.ParseEgressRule(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q: error %q is no line", text, err)
			}
			return
		}
		if r.FirstPort > r.LastPort || (r.FirstPort == 0) != (r.LastPort == 0) {
			t.Errorf("%q has ports %d to %d", text, r.FirstPort, r.LastPort)
		}
		if r.Name != "" && r.Network.IsValid() || r.Name != strings.ToLower(r.Name) || r.Network.Addr().Is4In6() && r.Network.Bits() >= 96 {
			t.Errorf("%q is %+v", text, r)
		}
		if r.Network.IsValid() && r.Network != r.Network.Masked() {
			t.Errorf("%q has network %s", text, r.Network)
		}
		if again, err := nex.ParseEgressRule(write(r)); err != nil || again != r {
			t.Errorf("%q is %+v, and written as %q %+v, %v", text, r, write(r), again, err)
		}
	})
}
