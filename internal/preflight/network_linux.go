package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/nex-engine/nex/internal/config"
	"github.com/nex-engine/nex/internal/network"
)

// tryNetwork makes the network that a node would make, under a name that no node has, and removes it.
func tryNetwork(ctx context.Context, c config.Config) error {
	n := network.Config{
		Name: anybody(), InterfaceName: c.CNI.InterfaceName, Egress: c.Egress,
		CNI: network.CNI{NetworkName: c.CNI.NetworkName, BinPath: c.CNI.BinPath},
	}
	if c.CNI.Subnet != "" {
		subnet, err := netip.ParsePrefix(c.CNI.Subnet)
		if err != nil {
			return err
		}
		n.Subnet = subnet
	}
	for _, text := range c.CNI.Nameservers {
		server, err := netip.ParseAddr(text)
		if err != nil {
			return err
		}
		n.Nameservers = append(n.Nameservers, server)
	}
	m, err := network.Open(ctx, n)
	if errors.Is(err, network.ErrRights) {
		return fmt.Errorf("%w: %w", ErrNoRights, err)
	}
	if err != nil {
		return err
	}
	return m.Close()
}
