package httpguard

import "net/netip"

// A special range is one that does not lead to a public host.
type special struct {
	prefix netip.Prefix
	what   string // "a private", to be followed by "address"
}

// specials are the ranges of the registries for special purposes of IPv4 and IPv6, the first that
// fits counts. Of IPv6 only 2000::/3 is given out to public hosts at all; see kind.
var specials = []special{
	{netip.MustParsePrefix("0.0.0.0/32"), "an unspecified"},
	{netip.MustParsePrefix("0.0.0.0/8"), "a reserved"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier-internal"},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "a documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a benchmark"},
	{netip.MustParsePrefix("198.51.100.0/24"), "a documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "a documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast"},
	{netip.MustParsePrefix("255.255.255.255/32"), "a broadcast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved"},

	{netip.MustParsePrefix("::/128"), "an unspecified"},
	{netip.MustParsePrefix("::1/128"), "a loopback"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a locally translated"},
	{netip.MustParsePrefix("2001::/23"), "a reserved"}, // Teredo, benchmarks and others
	{netip.MustParsePrefix("2001:db8::/32"), "a documentation"},
	{netip.MustParsePrefix("2002::/16"), "a 6to4"},
	{netip.MustParsePrefix("3fff::/20"), "a documentation"},
	{netip.MustParsePrefix("fc00::/7"), "a private"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local"},
	{netip.MustParsePrefix("fec0::/10"), "a private"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast"},
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	// translated holds IPv4 addresses in its last four bytes: on a network that has IPv6 alone, all
	// public IPv4 hosts are called this way.
	translated = netip.MustParsePrefix("64:ff9b::/96")
)

// kind says what a has about it that a public address has not, "" when it is a public address. An
// IPv4 address is judged the same in all forms that it can have as an IPv6 address.
func kind(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, s := range specials {
		if s.prefix.Contains(a) {
			return s.what
		}
	}
	if a.Is6() && !globalUnicast.Contains(a) {
		return "a reserved"
	}
	return ""
}
