// Package httpguard decides which hosts a function may call over HTTP.
//
// Without a list every public host may be called. With a list, only what is on it: a name allows a
// host by its name, an address or network allows whatever has such an address. A name never makes a
// private address reachable, since whoever owns the name decides where it leads: that takes the
// address, or its network, on the list.
//
// The address that counts is the one that a connection is made to, looked at after the name has been
// resolved and right before connecting. What the name led to earlier plays no part.
package httpguard

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Guard is a list of hosts. It is safe for concurrent use.
type Guard struct {
	names    map[string]bool // lower case, without a dot at the end
	suffixes []string        // of "*.example.com": ".example.com"
	prefixes []netip.Prefix
}

// New makes a Guard of names, *.names, IP addresses and networks. An empty list allows every public
// host.
func New(allow []string) (*Guard, error) {
	g := &Guard{names: map[string]bool{}}
	for _, entry := range allow {
		if a, err := netip.ParseAddr(entry); err == nil {
			a = a.Unmap().WithZone("")
			g.prefixes = append(g.prefixes, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		if p, err := netip.ParsePrefix(entry); err == nil {
			g.prefixes = append(g.prefixes, unmap(p))
			continue
		}
		name, wild := strings.CutPrefix(canonical(entry), "*.")
		if name == "" || strings.ContainsAny(name, "*/: \t\r\n") {
			return nil, fmt.Errorf("%q is no host that can be allowed: write api.example.com, *.example.com, 10.1.2.3 or 10.1.0.0/16", entry)
		}
		if wild {
			g.suffixes = append(g.suffixes, "."+name)
		} else {
			g.names[name] = true
		}
	}
	return g, nil
}

// unmap turns a network of IPv4 addresses in their IPv6 form into what it means.
func unmap(p netip.Prefix) netip.Prefix {
	const mapped = 96
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p.Masked()
}

func canonical(host string) string {
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// A Refusal is the error for a host that may not be called. It is one sentence.
type Refusal struct{ message string }

func (r *Refusal) Error() string { return r.message }

// CheckHost refuses a host, a name or an address, that may not be called whatever its name leads to.
// The error is a [*Refusal].
func (g *Guard) CheckHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil {
		return g.CheckAddr(host, a)
	}
	if g.open() || g.named(host) || len(g.prefixes) > 0 {
		return nil
	}
	return g.unlisted(host)
}

// CheckAddr refuses an address that a call of host would connect to. The error is a [*Refusal].
func (g *Guard) CheckAddr(host string, a netip.Addr) error {
	a = a.Unmap().WithZone("")
	for _, p := range g.prefixes {
		if p.Contains(a) {
			return nil
		}
	}
	if what := kind(a); what != "" {
		const advice = "such addresses may be called only if they are listed in host_services.services.http.config.allow"
		if host == a.String() {
			return &Refusal{fmt.Sprintf("%s is %s address: %s", host, what, advice)}
		}
		return &Refusal{fmt.Sprintf("%q leads to %s, %s address: %s", clip(host), a, what, advice)}
	}
	if g.open() || g.named(host) {
		return nil
	}
	return g.unlisted(host)
}

func (g *Guard) unlisted(host string) error {
	return &Refusal{fmt.Sprintf("%q may not be called: add it to host_services.services.http.config.allow", clip(host))}
}

func (g *Guard) open() bool {
	return len(g.names) == 0 && len(g.suffixes) == 0 && len(g.prefixes) == 0
}

func (g *Guard) named(host string) bool {
	host = canonical(host)
	if g.names[host] {
		return true
	}
	for _, s := range g.suffixes {
		if len(host) > len(s) && strings.HasSuffix(host, s) {
			return true
		}
	}
	return false
}

// DialContext connects like d, whose ControlContext it replaces, and only where that is allowed: it
// is for [net/http.Transport]. When all addresses of a host are refused the error wraps a [*Refusal].
func (g *Guard) DialContext(d net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if err := g.CheckHost(host); err != nil {
			return nil, err
		}
		guarded := d
		guarded.ControlContext = func(_ context.Context, _, remote string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(remote)
			if err != nil {
				return &Refusal{fmt.Sprintf("%q leads to %q, which is no IP address", clip(host), clip(remote))}
			}
			return g.CheckAddr(host, to.Addr())
		}
		return guarded.DialContext(ctx, network, address)
	}
}

// clip shortens text from outside for a sentence.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
