package policy

import "net/netip"

// Special are the IPv4 networks that lead to no public host, in order and without overlap.
var Special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("10.0.0.0/8"),      // private
	netip.MustParsePrefix("100.64.0.0/10"),   // inside carriers, and some clouds' metadata
	netip.MustParsePrefix("127.0.0.0/8"),     // loopback
	netip.MustParsePrefix("169.254.0.0/16"),  // link-local, and most clouds' metadata
	netip.MustParsePrefix("172.16.0.0/12"),   // private
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),  // private
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("224.0.0.0/3"),     // multicast, reserved, broadcast
}

// LinkLocal is opened only by a rule that is inside it: who allows everything rarely means the metadata
// service of a cloud.
var LinkLocal = netip.MustParsePrefix("169.254.0.0/16")

// Never are the networks that no rule opens: they are this machine, or nowhere.
var Never = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("224.0.0.0/3"),
}

// Public reports whether a is the IPv4 address of a public host.
func Public(a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	for _, p := range Special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
