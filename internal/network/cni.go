//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
)

// cniPatience is how long plugins may take to undo an attachment.
const cniPatience = 30 * time.Second

// cniNetwork is a network that CNI plugins make.
type cniNetwork struct {
	list   *libcni.NetworkConfigList
	plugin *libcni.CNIConfig
	inside string // name of the interface
}

// findCNI returns the network that is configured, nil if there is none of its name. One that is there but
// cannot be used is an error.
func findCNI(cfg Config) (*cniNetwork, error) {
	if cfg.CNI.NetworkName == "" {
		return nil, nil
	}
	files, err := libcni.ConfFiles(cfg.CNI.Dir, []string{".conflist", ".conf", ".json"})
	if err != nil {
		return nil, fmt.Errorf("look for CNI networks: %w", err)
	}
	if len(files) == 0 {
		return nil, nil
	}
	list, err := libcni.LoadNetworkConf(cfg.CNI.Dir, cfg.CNI.NetworkName)
	var unknown libcni.NotFoundError
	if errors.As(err, &unknown) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read CNI network %q in %s: %w", cfg.CNI.NetworkName, cfg.CNI.Dir, err)
	}
	if len(cfg.CNI.BinPath) == 0 {
		return nil, fmt.Errorf("CNI network %q needs its plugins: set cni.bin_path to their directories", list.Name)
	}
	if !cfg.Egress.IsZero() {
		return nil, fmt.Errorf("the CNI network %q decides what sandboxes reach, so that the node's egress rules would not hold: remove them, or the network", list.Name)
	}
	cfg.Logger.Warn("a CNI network is used, which decides what sandboxes reach: the node enforces no rules of its own", "network", list.Name)
	return &cniNetwork{
		list: list, inside: cfg.InterfaceName,
		plugin: libcni.NewCNIConfigWithCacheDir(cfg.CNI.BinPath, cfg.CNI.CacheDir, nil),
	}, nil
}

func (n *cniNetwork) runtime(id, path string) *libcni.RuntimeConf {
	return &libcni.RuntimeConf{ContainerID: id, NetNS: path, IfName: n.inside}
}

// attach makes the namespace and lets the plugins fill it. It returns the first IPv4 address that they
// gave, if any. If it fails nothing is left.
func (n *cniNetwork) attach(ctx context.Context, home int, id, path string) (netip.Addr, error) {
	err := makeNamespace(home, path, loopbackUp)
	if err != nil {
		return netip.Addr{}, err
	}
	result, err := n.plugin.AddNetworkList(ctx, n.list, n.runtime(id, path))
	if err != nil {
		// Plugins may have done a part.
		return netip.Addr{}, errors.Join(fmt.Errorf("add to CNI network %q: %w", n.list.Name, err), n.detach(id, path))
	}
	return addressIn(result), nil
}

func addressIn(r types.Result) netip.Addr {
	result, err := types100.NewResultFromResult(r)
	if err != nil {
		return netip.Addr{}
	}
	for _, ip := range result.IPs {
		if a, ok := netip.AddrFromSlice(ip.Address.IP); ok && a.Unmap().Is4() {
			return a.Unmap()
		}
	}
	return netip.Addr{}
}

// detach undoes attach. It may be called again, also if it had succeeded.
func (n *cniNetwork) detach(id, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), cniPatience)
	defer cancel()
	if err := n.plugin.DelNetworkList(ctx, n.list, n.runtime(id, path)); err != nil {
		return fmt.Errorf("remove from CNI network %q: %w", n.list.Name, err)
	}
	return removeNamespace(path)
}
