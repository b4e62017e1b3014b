package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/network"
	"github.com/nex-engine/nex/internal/sandboxnet"
)

// openNetwork makes the network of the sandboxes, in which services reach the NATS server that they are
// told of. The caller closes it.
func (n *node) openNetwork(ctx context.Context) (sandboxNetwork, error) {
	s := n.cfg.Settings
	cfg := network.Config{
		Name: n.shortName(), InterfaceName: s.CNI.InterfaceName, Egress: s.Egress, Logger: n.log,
		CNI: network.CNI{NetworkName: s.CNI.NetworkName, BinPath: s.CNI.BinPath, CacheDir: filepath.Join(n.cfg.DataDir, "cni")},
	}
	if s.CNI.Subnet != "" {
		subnet, err := netip.ParsePrefix(s.CNI.Subnet)
		if err != nil {
			return sandboxNetwork{}, err
		}
		cfg.Subnet = subnet
	}
	for _, server := range s.CNI.Nameservers {
		addr, err := netip.ParseAddr(server)
		if err != nil {
			return sandboxNetwork{}, err
		}
		cfg.Nameservers = append(cfg.Nameservers, addr)
	}
	m, err := network.Open(ctx, cfg)
	if errors.Is(err, network.ErrRights) {
		return sandboxNetwork{}, fmt.Errorf("%w: %w", errNoNetwork, err)
	}
	if err != nil {
		return sandboxNetwork{}, err
	}
	if name := s.CNI.NetworkName; m.Gateway().IsValid() && name != "" && name != config.Default().CNI.NetworkName {
		n.closed("network of the sandboxes", m.Leave())
		return sandboxNetwork{}, fmt.Errorf("there is no CNI network %q among the configurations of this machine, which cni.network_name asks for: add it, or remove the setting", name)
	}
	return sandboxNetwork{
		Network: sandboxnet.Of(m), natsURL: n.expose(m),
		close: func() { n.closed("network of the sandboxes", m.Close()) },
		leave: func() { n.closed("network of the sandboxes", m.Leave()) },
	}, nil
}

// expose lets services reach the NATS server that they are told of, and returns its URL as they see it.
// Servers that are known by name, which TLS is about, stay what they are, and policies have to allow
// them.
func (n *node) expose(m *network.Manager) string {
	if !m.Gateway().IsValid() || n.cfg.WorkloadURL == "" {
		return n.cfg.WorkloadURL // a CNI network decides what is reached
	}
	servers := strings.Split(n.cfg.WorkloadURL, ",")
	ports := map[uint16]bool{}
	for i, server := range servers {
		u, target, ok := byAddress(strings.TrimSpace(server))
		if !ok {
			continue
		}
		port := target.Port()
		for ports[port] {
			port++
		}
		ports[port] = true
		if err := m.Expose(port, target); err != nil {
			n.log.Warn("services will not reach a NATS server", "server", natsconn.WithoutUser(server), "error", err)
			continue
		}
		u.Host = net.JoinHostPort(m.Gateway().String(), strconv.Itoa(int(port)))
		servers[i] = u.String()
	}
	return strings.Join(servers, ",")
}

// byAddress parses the URL of a NATS server that is named by an IPv4 address, or is this machine.
func byAddress(server string) (*url.URL, netip.AddrPort, bool) {
	u, err := natsconn.ParseServer(server)
	if err != nil || (u.Scheme != "nats" && u.Scheme != "ws") {
		return nil, netip.AddrPort{}, false
	}
	host, port := natsconn.HostPort(u)
	if host == "localhost" || host == "::1" {
		host = "127.0.0.1"
	}
	target, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil || !target.Addr().Is4() {
		return nil, netip.AddrPort{}, false
	}
	return u, target, true
}
