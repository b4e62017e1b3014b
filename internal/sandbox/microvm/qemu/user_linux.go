package qemu

import (
	"context"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/nex-engine/nex/internal/guest"
)

// userNetwork is what a machine has to be told of a network in which QEMU stands for everything else.
var userNetwork = guest.Network{
	Address:     netip.MustParsePrefix("10.0.2.15/24"),
	Gateway:     netip.MustParseAddr("10.0.2.2"),
	Nameservers: []netip.Addr{netip.MustParseAddr("10.0.2.3")},
}

// ConnectAsUser gives the machine of a command, which has no network, one in which QEMU makes its connections for
// it, as whom it runs: that takes no rights. What the machine has to be told is nil if this QEMU cannot do that; then
// the machine stays as it is. Its gateway is this machine, also for what listens on its loopback.
func (q *QEMU) ConnectAsUser(ctx context.Context, cmd *exec.Cmd) *guest.Network {
	ask := exec.CommandContext(ctx, q.path, "-M", "none", "-nodefaults", "-netdev", "help")
	ask.Env = []string{}
	out, err := ask.Output()
	if err != nil || !slices.Contains(strings.Fields(string(out)), "user") {
		return nil
	}
	cmd.Args = append(cmd.Args, "-netdev", "user,id=network,ipv6=off", "-device", "virtio-net-device,netdev=network")
	n := userNetwork
	return &n
}
